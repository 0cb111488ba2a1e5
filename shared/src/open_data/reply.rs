//! The parser of the open data service's responses.

use forecasting::counts::{
    Coordinates, Counter, Counts, MAXIMUM_COUNT, Reject, RejectReason, Rejects, parse_hour,
};
use serde::Deserialize;
use serde_json::Value;

/// Parses counts from a response: the array of `exports`, or the object of `records`.
///
/// Passes invalid records to `rejects` with their number, starting at 1, and continues. Retains
/// duplicates.
///
/// # Errors
/// Returns an error if the response is not JSON of one of these shapes.
pub fn parse_response(reply: &[u8], rejects: &mut dyn Rejects) -> Result<Counts, ResponseError> {
    let (Reply::Export(records) | Reply::Records { results: records }) =
        serde_json::from_slice(reply).map_err(ResponseError)?;
    let mut counts = Counts::default();
    for (number, record) in (1..).zip(records) {
        if let Err(reason) = read_record(&record, &mut counts) {
            rejects.reject(Reject {
                row: number,
                reason,
                text: record.to_string(),
            });
        }
    }
    Ok(counts)
}

/// The error returned when a response is not a list of records.
#[derive(Debug, thiserror::Error)]
#[error("the response of the open data service is not a list of records")]
pub struct ResponseError(#[source] serde_json::Error);

#[derive(Deserialize)]
#[serde(untagged)]
enum Reply {
    Export(Vec<Value>),
    Records { results: Vec<Value> },
}

fn read_record(record: &Value, counts: &mut Counts) -> Result<(), RejectReason> {
    let text = |field: &str| {
        record
            .get(field)
            .and_then(Value::as_str)
            .map(str::trim)
            .filter(|text| !text.is_empty())
    };
    let count = read_count(record.get("sum_counts").unwrap_or(&Value::Null))?;
    let name = text("nom_compteur")
        .ok_or(RejectReason::MissingName)?
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    let hour = parse_hour(text("date").unwrap_or_default())?;
    let degrees = |axis: &str| {
        record
            .get("coordinates")
            .and_then(|coordinates| coordinates.get(axis))
            .and_then(Value::as_f64)
    };
    let coordinates = degrees("lat")
        .zip(degrees("lon"))
        .and_then(|(lat, lon)| Coordinates::new(lat, lon));
    let id = text("id_compteur").map(str::to_owned);
    let counter = counts.intern(Counter {
        id,
        name,
        coordinates,
    });
    counts.push(counter, hour, count);
    Ok(())
}

fn read_count(value: &Value) -> Result<u32, RejectReason> {
    if value.is_null() {
        return Err(RejectReason::MissingCount);
    }
    let number = value
        .as_f64()
        .ok_or_else(|| RejectReason::InvalidCount(value.to_string()))?;
    if number.fract() != 0.0 {
        return Err(RejectReason::InvalidCount(value.to_string()));
    }
    if !(0.0..=f64::from(MAXIMUM_COUNT)).contains(&number) {
        return Err(RejectReason::CountOutOfRange(value.to_string()));
    }
    // The checks above ensure a whole number in the range of `u32`.
    Ok(number as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two records of an invented counter, in the format of the public API.
    const RECORDS: &str = include_str!("fixtures/records.json");

    #[test]
    fn exports_and_records_are_parsed() {
        let object: Value = serde_json::from_str(RECORDS).unwrap();
        let export = object["results"].to_string();
        for reply in [RECORDS, &export] {
            let mut rejects = Vec::new();
            let counts = parse_response(reply.as_bytes(), &mut rejects).unwrap();
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
            "invalid"
        ]"#;
        let mut rejects = Vec::new();
        let counts = parse_response(reply.as_bytes(), &mut rejects).unwrap();
        assert_eq!(counts.len(), 1);
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
        ];
        assert_eq!(reasons, expected);
    }

    #[test]
    fn response_without_a_list_is_rejected() {
        for reply in ["", "<html>", "{}", r#"{"error_code":"ODSQLError"}"#, "7"] {
            assert!(
                parse_response(reply.as_bytes(), &mut Vec::new()).is_err(),
                "{reply}"
            );
        }
    }
}
