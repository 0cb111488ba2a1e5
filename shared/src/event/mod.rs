//! The messages between functions, all in one place.
//!
//! An event is small JSON: what happened, keys and object paths, never data. `type` tells which event it is. The
//! `event_id` is `PRODUCER/SUBJECT`, the subject being the day or week it is about, so the same cause has the same id
//! for ever.

mod id;
mod messages;
mod names;

use jiff::Timestamp;
use serde::{Serialize, de::DeserializeOwned};

pub use id::{EventId, EventIdError};
pub use messages::{
    ChallengerEvaluated, ChallengerTrained, ChampionDecided, DayIngested, DriftCheckRequested,
    DriftDetected, IngestRequested,
};
pub use names::{Function, Topic, UnknownName};

/// An event that a function reacts to.
pub trait Event: DeserializeOwned + Serialize + Send + Sync + 'static {
    /// The topic it travels on; its name is the event's `type`.
    const TOPIC: Topic;

    /// Returns the event's id. Requests without one, as a scheduler sends them, are named by when they were published.
    fn event_id(&self, published_at: Timestamp) -> EventId;
}

/// Writes an event as it travels: its fields and its `type`.
pub fn encode<E: Event>(event: &E) -> Vec<u8> {
    // Events are structs of strings, numbers and options: JSON has room for them.
    serde_json::to_vec(&Tagged {
        event_type: E::TOPIC,
        event,
    })
    .unwrap_or_default()
}

/// Reads an event of the expected type.
///
/// # Errors
/// When the bytes are no JSON, another event, or fields do not fit.
pub fn decode<E: Event>(bytes: &[u8]) -> Result<E, DecodeError> {
    let value: serde_json::Value = serde_json::from_slice(bytes).map_err(DecodeError::Json)?;
    let found = value
        .get("type")
        .and_then(serde_json::Value::as_str)
        .unwrap_or_default();
    if found != E::TOPIC.to_string() {
        return Err(DecodeError::Unknown {
            expected: E::TOPIC,
            found: found.chars().take(80).collect(),
        });
    }
    serde_json::from_value(value).map_err(|source| DecodeError::Fields {
        event: E::TOPIC,
        source,
    })
}

/// Bytes that are not the event that a function expects.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// No JSON at all.
    #[error("the message is no JSON")]
    Json(#[source] serde_json::Error),
    /// Another event, or none.
    #[error("unknown event `{found}`, expected `{expected}`")]
    Unknown {
        /// What this function reacts to.
        expected: Topic,
        /// The message's `type`.
        found: String,
    },
    /// The right event with the wrong fields.
    #[error("the event {event} has fields that cannot be used")]
    Fields {
        /// The event.
        event: Topic,
        /// Which field, and why.
        source: serde_json::Error,
    },
}

#[derive(Serialize)]
struct Tagged<'a, E> {
    #[serde(rename = "type")]
    event_type: Topic,
    #[serde(flatten)]
    event: &'a E,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::Version;

    fn timestamp(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn an_event_is_read_back_as_it_was_written() {
        let event = DriftDetected {
            event_id: EventId::of(Function::DriftCheck, "2021-W30"),
            week: "2021-W30".parse().unwrap(),
            champion: Version::new(3),
            report: "reports/drift-check/2021-W30.json".parse().unwrap(),
            major: false,
        };
        let bytes = encode(&event);
        let text = String::from_utf8(bytes.clone()).unwrap();
        assert_eq!(
            text,
            r#"{"type":"drift-detected","event_id":"drift-check/2021-W30","week":"2021-W30","champion":3,"report":"reports/drift-check/2021-W30.json","major":false}"#
        );
        assert_eq!(decode::<DriftDetected>(&bytes).unwrap(), event);
    }

    #[test]
    fn the_schedulers_requests_are_named_by_the_time_of_publishing() {
        // 23:30 in UTC is the next day in Paris.
        let request: IngestRequested = decode(br#"{"type":"ingest-requested"}"#).unwrap();
        assert_eq!(
            request
                .event_id(timestamp("2021-07-19T23:30:00Z"))
                .to_string(),
            "ingest/2021-07-19"
        );
        let request: DriftCheckRequested = decode(br#"{"type":"drift-check-requested"}"#).unwrap();
        for any_day_of_the_week_after in ["2021-07-26T05:00:00Z", "2021-08-01T12:00:00Z"] {
            let id = request.event_id(timestamp(any_day_of_the_week_after));
            assert_eq!(id.to_string(), "drift-check/2021-W29");
        }
    }

    #[test]
    fn a_range_has_one_id() {
        let request: IngestRequested =
            decode(br#"{"type":"ingest-requested","from":"2021-07-01","to":"2021-07-03"}"#)
                .unwrap();
        assert_eq!(
            request.event_id(Timestamp::UNIX_EPOCH).to_string(),
            "ingest/2021-07-01..2021-07-03"
        );
    }

    #[test]
    fn a_day_that_is_ingested_again_has_an_id_of_its_own() {
        let text =
            br#"{"type":"ingest-requested","from":"2021-07-19","again":"2021-08-01T09:00:00.5Z"}"#;
        let request: IngestRequested = decode(text).unwrap();
        let id = request.event_id(Timestamp::UNIX_EPOCH);
        assert_eq!(id.to_string(), "ingest/2021-07-19@2021-08-01T09-00-00.5Z");
        assert_eq!(request.id_of_day("2021-07-19".parse().unwrap()), id);
        assert_eq!(encode(&request), text);
        assert_eq!(EventId::try_from(id.to_string()).unwrap(), id);
    }

    #[test]
    fn what_is_not_the_expected_event_is_refused() {
        let cases: [(&[u8], &str); 5] = [
            (b"{", "no JSON"),
            (b"[1]", "unknown event ``"),
            (
                br#"{"type":"day-ingested"}"#,
                "unknown event `day-ingested`",
            ),
            (
                br#"{"type":"ingest-requested","from":"2021-02-30"}"#,
                "fields",
            ),
            (br#"{"type":"ingest-requested","from":7}"#, "fields"),
        ];
        for (bytes, expected) in cases {
            let error = decode::<IngestRequested>(bytes).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn names_are_read_back() {
        for topic in Topic::all() {
            assert_eq!(topic.to_string().parse(), Ok(topic));
        }
        for function in Function::ALL {
            assert_eq!(function.name().parse(), Ok(function));
        }
        assert!("retrain".parse::<Function>().is_err());
    }

    #[test]
    fn a_message_without_an_event_is_named_by_the_bus() {
        assert_eq!(
            EventId::of_message("12/../34").to_string(),
            "message/12----34"
        );
        assert_eq!(EventId::of_message("").to_string(), "message/unnamed");
    }
}
