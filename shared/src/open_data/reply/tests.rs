//! Tests of the parser of responses.

use forecasting::counts::{read, write_table};
use jiff::Timestamp;
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
