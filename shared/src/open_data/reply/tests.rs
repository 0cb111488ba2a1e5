//! Tests of the parser of responses.

use forecasting::counts::{Coordinates, read, write_table};
use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn day(text: &str) -> Day {
    text.parse().unwrap()
}

/// Two records of an invented counter, in the format of the public API.
const RECORDS: &str = include_str!("../fixtures/records.json");

#[test]
fn exports_and_records_are_parsed() {
    let object: Value = serde_json::from_str(RECORDS).unwrap();
    let export = object["results"].to_string();
    for reply in [RECORDS, &export] {
        let mut rejects = Vec::new();
        let response = parse_response(reply.as_bytes(), day("2025-12-31"), &mut rejects).unwrap();
        assert_eq!(
            (response.records, response.absent_fields),
            (2, Vec::<&str>::new())
        );
        let counts = response.counts;
        let rows: Vec<_> = counts
            .rows()
            .iter()
            .map(|row| (row.hour.to_string(), row.count))
            .collect();
        assert_eq!(
            rows,
            [
                ("2025-12-31T12:00:00Z".to_owned(), 69),
                ("2025-12-31T21:00:00Z".to_owned(), 0)
            ]
        );
        assert_eq!(
            counts.counters()[0].coordinates,
            Coordinates::new(48.869_99, 2.307_43)
        );
        assert!(rejects.is_empty());
    }
}

#[test]
fn invalid_records_are_rejected_with_number_and_reason() {
    let reply = r#"[
        {"nom_compteur":"Quai","sum_counts":5,"date":"2021-07-19T00:00:00+00:00"},
        {"nom_compteur":"Quai","sum_counts":null,"date":"2021-07-19T00:00:00+00:00"},
        {"nom_compteur":"Quai","sum_counts":1.5,"date":"2021-07-19T00:00:00+00:00"},
        {"nom_compteur":"Quai","sum_counts":-3,"date":"2021-07-19T00:00:00+00:00"},
        {"nom_compteur":null,"sum_counts":5,"date":"2021-07-19T00:00:00+00:00"},
        {"nom_compteur":"Quai","sum_counts":5,"date":"tomorrow"},
        "invalid",
        {"nom_compteur":"Quai","sum_counts":5,"date":"2021-07-19T22:00:00+00:00"}
    ]"#;
    let mut rejects = Vec::new();
    let response = parse_response(reply.as_bytes(), day("2021-07-19"), &mut rejects).unwrap();
    assert_eq!((response.counts.len(), response.records), (1, 8));
    assert_eq!(response.absent_fields, ["id_compteur", "coordinates"]);
    let reasons: Vec<_> = rejects
        .into_iter()
        .map(|reject| (reject.row, reject.reason))
        .collect();
    let expected = [
        (2, RejectReason::MissingCount),
        (3, RejectReason::InvalidCount("1.5".into())),
        (4, RejectReason::CountOutOfRange("-3".into())),
        (5, RejectReason::MissingName),
        (6, RejectReason::InvalidHour("tomorrow".into())),
        (7, RejectReason::MissingCount),
        (
            8,
            RejectReason::UnrequestedDay("2021-07-19T22:00:00Z".into()),
        ),
    ];
    assert_eq!(reasons, expected);
}

#[test]
fn response_without_a_list_is_a_transient_error() {
    for reply in [
        "",
        "<html>",
        "{}",
        r#"{"error_code":"ODSQLError"}"#,
        r#"{"results":7}"#,
        "7",
        r#"[{"nom_compteur":"Quai""#,
        "[] []",
    ] {
        let error = parse_response(reply.as_bytes(), day("2021-07-19"), &mut Vec::new());
        let error = error.unwrap_err();
        assert_eq!(error.retryability(), Retryability::Transient, "{reply}");
        assert!(error.to_string().contains(reply), "{error}");
    }
}

#[test]
fn page_of_several_is_a_transient_error() {
    let record = json!({ "nom_compteur": "Quai", "sum_counts": 5, "date": "2021-07-19T00:00:00Z" });
    let parse = |reply: &str| parse_response(reply.as_bytes(), day("2021-07-19"), &mut Vec::new());
    // The total before the records and after them.
    let replies = |total: &str| {
        [
            format!(r#"{{"total_count":{total},"results":[{record},{record}]}}"#),
            format!(r#"{{"results":[{record},{record}],"total_count":{total}}}"#),
        ]
    };
    for reply in replies("3").iter().chain(&replies("96")) {
        let error = parse(reply).unwrap_err();
        assert!(matches!(error, ResponseError::Page { .. }), "{error}");
        assert_eq!(error.retryability(), Retryability::Transient);
        assert!(error.to_string().contains("a page with 2 of"), "{error}");
    }
    for total in ["2", "1", "null", r#""many""#, "-1"] {
        for reply in replies(total) {
            assert!(parse(&reply).is_ok(), "{reply}");
        }
    }
    let empty = parse(r#"{"total_count":96,"results":[]}"#).unwrap_err();
    assert!(matches!(empty, ResponseError::Page { records: 0, .. }));
}

#[test]
fn field_missing_in_all_records_is_a_changed_schema() {
    let record = |name: &str| {
        let date = "2021-07-19T00:00:00Z";
        json!({ name: "Quai", "sum_counts": 5, "date": date, "id_compteur": null })
    };
    let parse = |records: &[Value]| {
        let reply = Value::from(records).to_string();
        parse_response(reply.as_bytes(), day("2021-07-19"), &mut Vec::new())
    };
    let error = parse(&[record("name"), record("name")]).unwrap_err();
    assert_eq!(error.retryability(), Retryability::Permanent);
    let text = error.to_string();
    assert!(text.contains("all 2 records"), "{text}");
    assert!(text.contains("none has the field nom_compteur;"), "{text}");
    assert!(
        text.contains("their fields are id_compteur, sum_counts, date, name"),
        "{text}"
    );
    // One record with the field is enough: the others are rejected one by one.
    let mixed = parse(&[record("name"), record("nom_compteur")]).unwrap();
    assert_eq!((mixed.counts.len(), mixed.records), (1, 2));
    assert_eq!(parse(&[]).unwrap().records, 0);
}

#[test]
fn number_of_records_and_length_of_rejected_texts_are_limited() {
    let reply = |records: u64| format!("[{}0]", "0,".repeat(records as usize - 1));
    let parse = |reply: &str, rejects: &mut Vec<Reject>| {
        parse_response(reply.as_bytes(), day("2021-07-19"), rejects)
    };
    let too_many = parse(&reply(MAXIMUM_RECORDS + 1), &mut Vec::new());
    assert!(matches!(too_many, Err(ResponseError::TooManyRecords)));
    let most = parse(&reply(MAXIMUM_RECORDS), &mut Vec::new());
    assert!(matches!(most, Err(ResponseError::ChangedSchema { .. })));
    let long = "x".repeat(10_000);
    let record =
        json!({ "nom_compteur": "Quai", "sum_counts": long, "date": "2021-07-19T00:00:00Z" });
    let mut rejects = Vec::new();
    parse(&format!("[{record}]"), &mut rejects).unwrap();
    assert!(rejects[0].text.len() <= TEXT_CHARACTERS, "{rejects:?}");
    assert!(
        rejects[0].reason.to_string().len() <= 2 * VALUE_CHARACTERS,
        "{rejects:?}"
    );
}

/// The city has sites with several counters under one name, which differ in their ids.
#[test]
fn two_ids_with_different_counts_in_one_hour_are_two_counters() {
    let record = |id: &str, count: u32| {
        json!({
            "id_compteur": id,
            "nom_compteur": "Quai",
            "sum_counts": count,
            "date": "2021-07-19T06:00:00+00:00",
        })
    };
    let reply = json!([record("100-1", 7), record("100-2", 9)]).to_string();
    let mut rejects = Vec::new();
    let response = parse_response(reply.as_bytes(), day("2021-07-19"), &mut rejects).unwrap();
    let counts = response.counts;
    let found: Vec<_> = counts
        .rows()
        .iter()
        .map(|row| (counts.counter(row.counter).name.as_str(), row.count))
        .collect();
    assert_eq!(found, [("Quai (100-1)", 7), ("Quai (100-2)", 9)]);
    assert_eq!(response.separated, ["Quai (100-1)", "Quai (100-2)"]);
}

/// A row of a daily table is one line, so a line break in an id would lose the row.
#[test]
fn id_with_a_line_break_is_read_back_from_the_daily_table() {
    let reply = json!([{
        "id_compteur": "100\n1",
        "nom_compteur": "Quai",
        "sum_counts": 7,
        "date": "2021-07-19T06:00:00+00:00",
    }])
    .to_string();
    let response = parse_response(reply.as_bytes(), day("2021-07-19"), &mut Vec::new()).unwrap();
    assert_eq!(response.counts.counters()[0].id.as_deref(), Some("100 1"));
    let (mut table, mut rejects) = (Vec::new(), Vec::new());
    write_table(&response.counts, Timestamp::UNIX_EPOCH, &mut table).unwrap();
    let read = read(table.as_slice(), &mut rejects).unwrap();
    assert_eq!((read.rows(), rejects), (response.counts.rows(), Vec::new()));
}

/// Returns the record of a count with an id and coordinates.
fn located(id: &Value, coordinates: &Value) -> Value {
    json!({
        "id_compteur": id,
        "nom_compteur": "Quai",
        "sum_counts": 7,
        "date": "2021-07-19T06:00:00+00:00",
        "coordinates": coordinates,
    })
}

/// A lost id would make one counter of two that share a name.
#[test]
fn id_that_is_a_number_is_read() {
    let reply = json!([located(&json!(100), &Value::Null)]).to_string();
    let response = parse_response(reply.as_bytes(), day("2021-07-19"), &mut Vec::new()).unwrap();
    assert_eq!(response.counts.counters()[0].id.as_deref(), Some("100"));
}

#[test]
fn coordinates_of_other_forms_are_read_or_counted() {
    let parse = |coordinates: Value| {
        let reply = json!([located(&json!("100"), &coordinates)]).to_string();
        let response =
            parse_response(reply.as_bytes(), day("2021-07-19"), &mut Vec::new()).unwrap();
        let read = response.counts.counters()[0].coordinates;
        (read, response.unreadable_coordinates)
    };
    for coordinates in [
        json!({ "lon": 2.3, "lat": 48.8 }),
        json!({ "type": "Point", "coordinates": [2.3, 48.8] }),
        json!([48.8, 2.3]),
        json!([2.3, 48.8]),
        json!("48.8, 2.3"),
        json!("POINT (2.3 48.8)"),
    ] {
        let expected = (Coordinates::new(48.8, 2.3), 0);
        assert_eq!(parse(coordinates.clone()), expected, "{coordinates}");
    }
    for absent in [Value::Null, json!(""), json!(" ")] {
        assert_eq!(parse(absent.clone()), (None, 0), "{absent}");
    }
    for unreadable in [
        json!("near the river"),
        json!(7),
        json!({ "x": 2.3, "y": 48.8 }),
        json!({ "lon": 2.3, "lat": 98.8 }),
        json!("0".repeat(COORDINATES_BYTES) + "48.8,2.3"),
    ] {
        assert_eq!(parse(unreadable.clone()), (None, 1), "{unreadable}");
    }
}

/// Returns a record, valid or damaged.
fn any_record() -> impl Strategy<Value = String> {
    let id = prop_oneof![Just(json!("100")), Just(json!(200)), Just(Value::Null)];
    let name = prop_oneof![
        Just(json!("Quai")),
        Just(json!("Pont")),
        Just(json!("")),
        Just(json!(7))
    ];
    let count = prop_oneof![
        (0..3).prop_map(|count: i32| json!(count)),
        Just(json!(-1)),
        Just(json!(1.5)),
        Just(json!("many")),
        Just(Value::Null)
    ];
    let date = prop_oneof![
        (0..24).prop_map(|hour: i32| json!(format!("2021-07-19T{hour:02}:00:00+00:00"))),
        Just(json!("2021-07-19T00:30:00+00:00")),
        Just(json!("tomorrow")),
        Just(json!(0))
    ];
    let record = (id, name, count, date).prop_map(|(id, name, count, date)| {
        json!({ "id_compteur": id, "nom_compteur": name, "sum_counts": count, "date": date })
            .to_string()
    });
    prop_oneof![
        4 => record,
        1 => Just("7".to_owned()),
        1 => Just("[]".to_owned()),
        1 => Just(r#"{"name":"Quai"}"#.to_owned()),
    ]
}

proptest! {
    #[test]
    fn each_record_is_a_count_a_duplicate_or_rejected(
        records in proptest::collection::vec(any_record(), 0..40),
    ) {
        let reply = format!("[{}]", records.join(","));
        let mut rejects = Vec::new();
        let parsed = parse_response(reply.as_bytes(), day("2021-07-19"), &mut rejects);
        let number = records.len() as u64;
        match parsed {
            Ok(Response { mut counts, records, .. }) => {
                let duplicates = counts.deduplicate();
                prop_assert_eq!(records, number);
                prop_assert_eq!(counts.len() + duplicates + rejects.len(), number as usize);
            }
            Err(ResponseError::ChangedSchema { records, .. }) => {
                prop_assert_eq!((records, rejects.len() as u64), (number, number));
            }
            Err(error) => return Err(TestCaseError::fail(error.to_string())),
        }
    }
}
