//! Tests of the fast reader, with that of the crate `csv` as the reference.

use proptest::prelude::*;

use super::*;
use crate::warehouse::tables;

/// Rows with a repeated and a changed instant, with quotation marks, and with absent values.
const ROWS: [[&str; FORECASTS.len()]; 4] = [
    [
        "12",
        "15.437500000000002",
        "xgboost",
        "3",
        "2021-07-19 04:00:00.123456 UTC",
        "100003096-SC",
        "\"Quai d'Orsay, E-O\"",
        "2021-07-18 22:00:00 UTC",
        "12.35",
        "1.25",
        "9.5",
        "22.25",
        "6.0",
        "31.125",
        "false",
    ],
    [
        "",
        "1e-12",
        "\"xgboost\"",
        "4294967295",
        "2021-07-19 04:00:00.123456 UTC",
        "",
        "Pont côté Seine",
        "2021-07-18 22:00:00 UTC",
        "",
        "",
        "",
        "",
        "",
        "",
        "\"true\"",
    ],
    [
        "0",
        "0",
        "",
        "1",
        "2021-07-19T04:00:00Z",
        "\"\"",
        "Pont",
        "2021-07-19T01:00:00+02:00",
        "0.0",
        "1.0",
        "0.0",
        "NaN",
        "-0.0",
        "inf",
        "",
    ],
    [
        "+7",
        "-1.5",
        "naïve",
        "01",
        "1626667200000000",
        "1",
        "\"\"",
        "2021-07-18 22:00:00 UTC",
        "",
        "",
        "",
        "",
        "",
        "",
        "",
    ],
];

/// Returns a table with the first columns.
fn table(columns: usize, rows: &[[&str; FORECASTS.len()]]) -> String {
    let names = FORECASTS.map(|column| column.name);
    let lines = std::iter::once(&names).chain(rows);
    lines
        .map(|cells| cells[..columns].join(",") + "\n")
        .collect()
}

/// Returns the forecasts that the reader of the crate `csv` reads, as text: NaN does not equal NaN.
fn by_csv(table: &str) -> String {
    format!(
        "{:?}",
        tables::read_any_forecasts(table.as_bytes()).unwrap()
    )
}

#[test]
fn tables_of_all_versions_are_read() {
    for columns in REQUIRED_COLUMNS..=FORECASTS.len() {
        let table = table(columns, &ROWS);
        for table in [table.as_str(), table.trim_end()] {
            let forecasts = read(table.as_bytes()).unwrap();
            assert_eq!(forecasts.len(), ROWS.len());
            assert_eq!(format!("{forecasts:?}"), by_csv(table), "{columns}");
        }
    }
}

#[test]
fn other_forms_and_invalid_rows_are_left_to_the_reader_of_csv() {
    let valid = table(FORECASTS.len(), &ROWS);
    assert!(read(valid.as_bytes()).is_some());
    for (part, other) in [
        ("\n", "\r\n"),
        ("\n", "\n\n"),
        ("Pont côté Seine", "Pont côté\rSeine"),
        ("E-O\"", "E-O"),
        ("Quai d'Orsay", "\"\"Quai\"\" d'Orsay"),
        ("Quai d'Orsay", "Quai\nd'Orsay"),
        ("E-O\"", "E-O\" "),
        (",false", ""),
        (",false", ",false,"),
        (",xgboost", ",xgboost,xgboost"),
        ("false", "no"),
        ("15.4375", "15,4375"),
        ("1e-12", "many"),
        ("2021-07-19 04:00:00.123456 UTC", "yesterday"),
        ("2021-07-18 22:00:00 UTC", "2021-07-18 22:30:00 UTC"),
        (
            "comptage_horaire,prediction,",
            "prediction,comptage_horaire,",
        ),
        ("comptage_horaire,", "\u{feff}comptage_horaire,"),
        ("silent", "other"),
    ] {
        let table = valid.replace(part, other);
        assert_ne!(table, valid);
        assert_eq!(read(table.as_bytes()), None, "{part} replaced by {other}");
    }
    let without_hours = table(REQUIRED_COLUMNS - 1, &ROWS);
    let tables: [&[u8]; 4] = [without_hours.as_bytes(), b"", b"\n", b"\xff\n"];
    for table in tables {
        assert_eq!(read(table), None);
    }
}

#[test]
fn invalid_row_is_named_by_its_number() {
    let table = table(FORECASTS.len(), &ROWS).replace("1e-12", "many");
    let error = tables::read_forecasts(table.as_bytes()).unwrap_err();
    assert!(error.to_string().contains("record 2 "), "{error}");
}

fn forecast() -> impl Strategy<Value = Forecast> {
    let number = || prop::option::of(proptest::num::f64::NORMAL);
    let names = prop::sample::select(vec!["Quai", "Pont, E-O", "Été (2)"]);
    (
        (
            prop::option::of(any::<u32>()),
            prop::option::of(any::<bool>()),
        ),
        (proptest::num::f64::NORMAL, number(), number()),
        (names, any::<bool>()),
        (0..3_i32, 0..3_i64),
    )
        .prop_map(
            |((actual, silent), (prediction, low, high), (name, has_id), (hour, microsecond))| {
                Forecast {
                    actual,
                    prediction,
                    model_type: "xgboost".to_owned(),
                    model_version: Version::new(3),
                    predicted_at: Timestamp::from_microsecond(1_600_000_000_000_000 + microsecond)
                        .unwrap(),
                    counter_id: has_id.then(|| format!("{name}-1")),
                    counter_name: name.to_owned(),
                    hour: Hour::from_number(450_000 + hour),
                    model_prediction: high,
                    correction: low,
                    prediction_low_80: low,
                    prediction_high_80: high,
                    prediction_low_95: low,
                    prediction_high_95: high,
                    silent,
                }
            },
        )
}

proptest! {
    #[test]
    fn written_forecasts_are_read_unchanged(forecasts in prop::collection::vec(forecast(), 1..20)) {
        let table = tables::write_forecasts(&forecasts).unwrap();
        prop_assert_eq!(read(&table), Some(forecasts));
    }
}
