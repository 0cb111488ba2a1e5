//! The events between functions.
//!
//! An event is a small JSON object of keys and object paths, without data. Its `type` is the name
//! of its topic. Its `event_id` is `PRODUCER/SUBJECT`, where the subject is the day or week
//! concerned. The same cause always has the same id.

mod fine_tune;
mod id;
mod input;
mod messages;
mod names;

use std::borrow::Cow;

use jiff::Timestamp;
use serde::{
    Deserialize, Serialize,
    de::{DeserializeOwned, IgnoredAny},
};

pub use fine_tune::{FineTuneRequested, Reason, ReasonError, RecipeFields};
pub use id::{EventId, EventIdError};
pub use input::Input;
pub use messages::{
    ChallengerEvaluated, ChallengerTrained, ChampionDecided, DayIngested, DriftCheckRequested,
    DriftDetected, IngestRequested,
};
pub use names::{Function, Topic, UnknownName};

/// The maximum size of an encoded event in bytes. Events have a few hundred bytes.
pub const MAXIMUM_EVENT_BYTES: usize = 64 * 1024;

/// An event that a function reacts to.
pub trait Event: DeserializeOwned + Serialize + Send + Sync + 'static {
    /// The topic of the event. Its name is the event's `type`.
    const TOPIC: Topic;

    /// Returns the id of the event. The id of a scheduler's request depends on its publish time.
    fn event_id(&self, published_at: Timestamp) -> EventId;

    /// Returns `true` if the id is one that the producer gives to an event about the same day or
    /// week.
    ///
    /// The ledger has one entry per id. Under the id of another day, an event would be handled in
    /// place of that day's own event, which would never be handled.
    fn has_own_id(&self) -> bool {
        true
    }
}

/// Encodes an event as JSON with its fields and its `type`.
pub fn encode<E: Event>(event: &E) -> Vec<u8> {
    // Serialization cannot fail: events are structs of strings, numbers and options.
    serde_json::to_vec(&Tagged {
        event_type: E::TOPIC,
        event,
    })
    .unwrap_or_default()
}

/// Decodes an event of the expected type.
///
/// The bytes are parsed into the event's type, without a tree of JSON values in between.
///
/// # Errors
/// Returns an error if the bytes are too many, are not valid JSON, are another event, have invalid
/// fields, or have the id of another day or week.
pub fn decode<E: Event>(bytes: &[u8]) -> Result<E, DecodeError> {
    if bytes.len() > MAXIMUM_EVENT_BYTES {
        return Err(DecodeError::TooLarge { bytes: bytes.len() });
    }
    let found = event_type(bytes).map_err(DecodeError::Json)?;
    if found != E::TOPIC.to_string() {
        return Err(DecodeError::Unknown {
            expected: <E as Input>::TOPICS,
            found: found.chars().take(80).collect(),
        });
    }
    let event: E = serde_json::from_slice(bytes).map_err(|source| DecodeError::Fields {
        event: E::TOPIC,
        source,
    })?;
    if event.has_own_id() {
        Ok(event)
    } else {
        Err(DecodeError::ForeignId { event: E::TOPIC })
    }
}

/// Returns the `type` of an event; empty if the bytes are JSON without a single textual `type`.
///
/// # Errors
/// Returns an error if the bytes are not valid JSON.
fn event_type(bytes: &[u8]) -> Result<String, serde_json::Error> {
    // A derived struct also accepts a list, but an event is an object.
    if !bytes.trim_ascii_start().starts_with(b"{") {
        return serde_json::from_slice::<IgnoredAny>(bytes).map(|_| String::new());
    }
    match serde_json::from_slice::<Tag<'_>>(bytes) {
        Ok(tag) => Ok(tag.event_type.into_owned()),
        Err(error) if error.is_data() => {
            serde_json::from_slice::<IgnoredAny>(bytes).map(|_| String::new())
        }
        Err(error) => Err(error),
    }
}

/// The error returned when bytes are not the expected event.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// The bytes are too many to be an event; they were not parsed.
    #[error("the message has {bytes} bytes, but an event has at most {MAXIMUM_EVENT_BYTES}")]
    TooLarge {
        /// The size of the message.
        bytes: usize,
    },
    /// The bytes are not valid JSON.
    #[error("the message is not valid JSON")]
    Json(#[source] serde_json::Error),
    /// The `type` is missing or names another event.
    #[error("unknown event `{found}`, expected {}", alternatives(.expected))]
    Unknown {
        /// The expected topics.
        expected: &'static [Topic],
        /// The `type` of the message.
        found: String,
    },
    /// The event has missing or invalid fields.
    #[error("invalid fields in the event {event}")]
    Fields {
        /// The topic of the event.
        event: Topic,
        /// The cause, which names the field.
        source: serde_json::Error,
    },
    /// The `event_id` is not one of the day or week of the event.
    #[error(
        "the event_id of the event {event} does not belong to its day or week; \
         publish the event with the id PRODUCER/DAY or PRODUCER/WEEK"
    )]
    ForeignId {
        /// The topic of the event.
        event: Topic,
    },
}

fn alternatives(topics: &[Topic]) -> String {
    let quoted: Vec<_> = topics.iter().map(|topic| format!("`{topic}`")).collect();
    quoted.join(" or ")
}

#[derive(Deserialize)]
struct Tag<'a> {
    #[serde(rename = "type", borrow, default)]
    event_type: Cow<'a, str>,
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
    fn event_round_trips_through_json() {
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
    fn scheduled_request_has_an_id_from_its_publish_time() {
        // 23:30 UTC is the next day in Paris.
        let request: IngestRequested = decode(br#"{"type":"ingest-requested"}"#).unwrap();
        assert_eq!(
            request
                .event_id(timestamp("2021-07-19T23:30:00Z"))
                .to_string(),
            "ingest/2021-07-19"
        );
        let request: DriftCheckRequested = decode(br#"{"type":"drift-check-requested"}"#).unwrap();
        for published_at in ["2021-07-26T05:00:00Z", "2021-08-01T12:00:00Z"] {
            let id = request.event_id(timestamp(published_at));
            assert_eq!(id.to_string(), "drift-check/2021-W29");
        }
    }

    #[test]
    fn range_of_days_has_one_id() {
        let request: IngestRequested =
            decode(br#"{"type":"ingest-requested","from":"2021-07-01","to":"2021-07-03"}"#)
                .unwrap();
        assert_eq!(
            request.event_id(Timestamp::UNIX_EPOCH).to_string(),
            "ingest/2021-07-01..2021-07-03"
        );
    }

    #[test]
    fn repeated_ingest_has_its_own_id() {
        let text =
            br#"{"type":"ingest-requested","from":"2021-07-19","again":"2021-08-01T09:00:00.5Z"}"#;
        let request: IngestRequested = decode(text).unwrap();
        let id = request.event_id(Timestamp::UNIX_EPOCH);
        assert_eq!(id.to_string(), "ingest/2021-07-19@2021-08-01T09-00-00.5Z");
        assert_eq!(request.id_of_day("2021-07-19".parse().unwrap()), id);
        assert_eq!(encode(&request), text);
        assert_eq!(id.to_string().parse::<EventId>().unwrap(), id);
    }

    #[test]
    fn repeated_drift_check_has_its_own_id_and_subject() {
        let text =
            br#"{"type":"drift-check-requested","week":"2021-W30","again":"2021-08-02T05:00:01Z"}"#;
        let request: DriftCheckRequested = decode(text).unwrap();
        let id = request.event_id(Timestamp::UNIX_EPOCH);
        assert_eq!(id.to_string(), "drift-check/2021-W30@2021-08-02T05-00-01Z");
        assert_eq!(encode(&request), text);
        assert_eq!(
            id.subject_of_week("2021-W30".parse().unwrap()),
            "2021-W30@2021-08-02T05-00-01Z"
        );
    }

    #[test]
    fn forced_ingest_has_its_own_id() {
        let request = |text: &str| decode::<IngestRequested>(text.as_bytes()).unwrap();
        let forced = r#"{"type":"ingest-requested","from":"2021-07-19","force":true}"#;
        assert_eq!(encode(&request(forced)), forced.as_bytes());
        let id = |text: &str| request(text).event_id(Timestamp::UNIX_EPOCH).to_string();
        assert_eq!(id(forced), "ingest/2021-07-19-forced");
        assert_eq!(
            id(
                r#"{"type":"ingest-requested","from":"2021-07-19","again":"2021-08-01T09:00:00Z","force":true}"#
            ),
            "ingest/2021-07-19@2021-08-01T09-00-00Z-forced"
        );
    }

    #[test]
    fn id_of_another_subject_yields_the_week() {
        let week = "2021-W30".parse().unwrap();
        for id in [
            "drift-check/2021-W30",
            "drift-check/2021-W29@2021-07-26T05-00-01Z",
            "drift-check/2021-W30@a/b",
            "drift-check/2021-W301",
            "message/12",
        ] {
            let id: EventId = id.parse().unwrap();
            assert_eq!(id.subject_of_week(week), "2021-W30", "{id}");
        }
    }

    #[test]
    fn unexpected_or_invalid_event_is_rejected() {
        let cases: [(&[u8], &str); 10] = [
            (b"{", "not valid JSON"),
            (b"[1", "not valid JSON"),
            (b"[1]", "unknown event ``"),
            (br#"["ingest-requested"]"#, "unknown event ``"),
            (br#"{"type":7}"#, "unknown event ``"),
            (br#"{"type":7,"#, "not valid JSON"),
            (
                br#"{"type":"ingest-requested","from":"2021-07-19","from":"2021-07-20"}"#,
                "fields",
            ),
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
    fn id_of_another_day_or_week_is_rejected() {
        let day = |id: &str| {
            let text = format!(
                r#"{{"type":"day-ingested","event_id":"{id}","day":"2021-02-01","rows":1}}"#
            );
            decode::<DayIngested>(text.as_bytes()).map(drop)
        };
        for own in [
            "ingest/2021-02-01",
            "ingest/2021-02-01-forced",
            "ingest/2021-02-01@2021-08-01T09-00-00Z",
            "ingest/2021-02-01@2021-08-01T09-00-00Z-forced",
        ] {
            assert!(day(own).is_ok(), "{own}");
        }
        for foreign in [
            "ingest/2021-04-02",
            "ingest/2021-02-01.json/x",
            "ingest/2021-02-01@2021/x",
            "ingest/2021-02-011",
            "predict/2021-02-01",
            "ingests/2021-02-01",
        ] {
            let error = day(foreign).unwrap_err();
            assert!(matches!(error, DecodeError::ForeignId { .. }), "{foreign}");
        }
        let week = |id: &str| {
            let text = format!(
                r#"{{"type":"challenger-trained","event_id":"{id}","week":"2021-W30","champion":1,"challenger":2}}"#
            );
            decode::<ChallengerTrained>(text.as_bytes()).map(drop)
        };
        assert!(week("fine-tune/2021-W30").is_ok());
        assert!(week("fine-tune/2021-W30@2021-08-02T05-00-01Z").is_ok());
        for foreign in ["fine-tune/2021-W29", "fine-tune/last", "evaluate/2021-W30"] {
            assert!(week(foreign).is_err(), "{foreign}");
        }
    }

    #[test]
    fn message_over_the_limit_is_not_parsed() {
        let mut text = br#"{"type":"ingest-requested"}"#.to_vec();
        text.resize(65_536, b' ');
        assert!(decode::<IngestRequested>(&text).is_ok());
        text.push(b' ');
        let error = decode::<IngestRequested>(&text).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the message has 65537 bytes, but an event has at most 65536"
        );
    }

    #[test]
    fn names_round_trip() {
        for topic in Topic::all() {
            assert_eq!(topic.to_string().parse(), Ok(topic));
        }
        for function in Function::ALL {
            assert_eq!(function.name().parse(), Ok(function));
        }
        assert!("retrain".parse::<Function>().is_err());
    }

    #[test]
    fn message_without_an_event_has_an_id_from_its_message_id() {
        let id = |message_id: &str| EventId::of_message(message_id).to_string();
        assert_eq!(id("136969346945"), "message/136969346945");
        assert_eq!(id("12/../34"), "message/12----34-b1b691aa4f2f8606");
        assert_eq!(id(""), "message/unnamed");
    }

    /// The ids of CloudEvents may have any length and any characters.
    #[test]
    fn different_message_ids_have_different_event_ids() {
        let long = "projects/velo/topics/ingest-requested/messages/2021-07-19/00000000000";
        let ids = ["a/1", "a+1", "a-1", "été", "thé"].map(str::to_owned);
        let ids = ids.into_iter().chain((0..3).map(|n| format!("{long}{n}")));
        let ids: Vec<_> = ids.map(|id| EventId::of_message(&id)).collect();
        let different: std::collections::HashSet<_> = ids.iter().collect();
        assert_eq!(different.len(), ids.len(), "{ids:?}");
        assert!(ids.iter().all(|id| id.to_string().len() <= 72), "{ids:?}");
    }
}
