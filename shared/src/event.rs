//! The messages between functions, all in one place.
//!
//! An event is small JSON: what happened, keys and object paths, never data. `type` tells which event it is. The
//! `event_id` is `PRODUCER/SUBJECT`, the subject being the day or week it is about, so the same cause has the same id
//! for ever.

use std::{fmt, str::FromStr};

use jiff::Timestamp;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    address::ObjectPath,
    registry::Version,
    time::{Day, Week},
};

/// A function of the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Function {
    /// Fetches a day of counts.
    Ingest,
    /// Forecasts the day ahead.
    Predict,
    /// Compares the last week with the fixed test set.
    DriftCheck,
    /// Trains a challenger from the champion.
    FineTune,
    /// Scores champion and challenger on the same rows.
    Evaluate,
    /// Decides who is champion.
    Promote,
}

impl Function {
    /// All functions, in the order of the flow.
    pub const ALL: [Self; 6] =
        [Self::Ingest, Self::Predict, Self::DriftCheck, Self::FineTune, Self::Evaluate, Self::Promote];

    /// Returns the name used in topics, paths, logs and audit rows.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ingest => "ingest",
            Self::Predict => "predict",
            Self::DriftCheck => "drift-check",
            Self::FineTune => "fine-tune",
            Self::Evaluate => "evaluate",
            Self::Promote => "promote",
        }
    }

    /// Returns the topic that the function's subscription reads.
    pub const fn input(self) -> Topic {
        match self {
            Self::Ingest => Topic::IngestRequested,
            Self::Predict => Topic::DayIngested,
            Self::DriftCheck => Topic::DriftCheckRequested,
            Self::FineTune => Topic::DriftDetected,
            Self::Evaluate => Topic::ChallengerTrained,
            Self::Promote => Topic::ChallengerEvaluated,
        }
    }
}

impl fmt::Display for Function {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl FromStr for Function {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        let found = Self::ALL.into_iter().find(|function| function.name() == text);
        found.ok_or_else(|| UnknownName { what: "function", text: text.to_owned() })
    }
}

/// A topic of the bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Topic {
    /// To ingest, daily.
    IngestRequested,
    /// From ingest.
    DayIngested,
    /// To drift-check, weekly.
    DriftCheckRequested,
    /// From drift-check, only on drift.
    DriftDetected,
    /// From fine-tune.
    ChallengerTrained,
    /// From evaluate.
    ChallengerEvaluated,
    /// From promote, for whoever listens.
    ChampionDecided,
    /// Messages that a function could not use, with the reason.
    DeadLetter(Function),
}

impl Topic {
    /// The topics that carry events.
    pub const EVENTS: [Self; 7] = [
        Self::IngestRequested,
        Self::DayIngested,
        Self::DriftCheckRequested,
        Self::DriftDetected,
        Self::ChallengerTrained,
        Self::ChallengerEvaluated,
        Self::ChampionDecided,
    ];

    /// Returns all topics, the dead letters' after the events'.
    pub fn all() -> impl Iterator<Item = Self> {
        Self::EVENTS.into_iter().chain(Function::ALL.map(Self::DeadLetter))
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::IngestRequested => formatter.write_str("ingest-requested"),
            Self::DayIngested => formatter.write_str("day-ingested"),
            Self::DriftCheckRequested => formatter.write_str("drift-check-requested"),
            Self::DriftDetected => formatter.write_str("drift-detected"),
            Self::ChallengerTrained => formatter.write_str("challenger-trained"),
            Self::ChallengerEvaluated => formatter.write_str("challenger-evaluated"),
            Self::ChampionDecided => formatter.write_str("champion-decided"),
            Self::DeadLetter(function) => write!(formatter, "{function}-dead-letter"),
        }
    }
}

impl FromStr for Topic {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        let found = Self::all().find(|topic| topic.to_string() == text);
        found.ok_or_else(|| UnknownName { what: "topic", text: text.to_owned() })
    }
}

impl Serialize for Topic {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Topic {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A name that is none of ours.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no {what} `{text}`")]
pub struct UnknownName {
    what: &'static str,
    text: String,
}

/// The id of an event: `PRODUCER/SUBJECT`, as in `drift-check/2021-W30` or `ingest/2021-07-19`.
///
/// Segments are those of an [`ObjectPath`], since ledger entries are named by it; it has at most 200 bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EventId(ObjectPath);

impl EventId {
    const MAXIMUM_BYTES: usize = 200;

    /// Returns the id of what `function` does about a subject.
    pub fn of(function: Function, subject: impl fmt::Display) -> Self {
        // Names of functions, days and weeks are sound segments.
        let text = format!("{function}/{subject}");
        Self(text.parse().unwrap_or_else(|_| unreachable!("{text} is a sound path")))
    }

    /// Returns the id of a delivery in which no event could be found, from the id that the bus gave the message.
    pub fn of_message(message_id: &str) -> Self {
        let letter = |letter: char| if letter.is_ascii_alphanumeric() { letter } else { '-' };
        let id: String = message_id.chars().take(64).map(letter).collect();
        let id = if id.is_empty() { "unnamed".to_owned() } else { id };
        Self(format!("message/{id}").parse().unwrap_or_else(|_| unreachable!("{id} is a sound segment")))
    }

    /// Returns the day, week or other key that the event is about.
    pub fn subject(&self) -> &str {
        self.0.as_str().split_once('/').map_or(self.0.as_str(), |(_, subject)| subject)
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl TryFrom<String> for EventId {
    type Error = EventIdError;

    fn try_from(text: String) -> Result<Self, EventIdError> {
        match text.parse() {
            Ok(path) if text.len() <= Self::MAXIMUM_BYTES => Ok(Self(path)),
            _ => Err(EventIdError { text: text.chars().take(80).collect() }),
        }
    }
}

impl From<EventId> for String {
    fn from(id: EventId) -> Self {
        id.0.into()
    }
}

/// A text that is no id of an event.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no event id such as drift-check/2021-W30")]
pub struct EventIdError {
    text: String,
}

/// An event that a function reacts to.
pub trait Event: DeserializeOwned + Serialize + Send + Sync + 'static {
    /// The topic it travels on; its name is the event's `type`.
    const TOPIC: Topic;

    /// Returns the event's id. Requests without one, as a scheduler sends them, are named by when they were published.
    fn event_id(&self, published_at: Timestamp) -> EventId;
}

/// Fetch a day of counts, or a range of days. Without any, yesterday's, as of the time of publishing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct IngestRequested {
    /// The first day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Day>,
    /// The last day; the first one if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Day>,
}

impl IngestRequested {
    /// Returns the first and the last day that are meant.
    pub fn days(&self, published_at: Timestamp) -> (Day, Day) {
        let first = self.from.or(self.to).unwrap_or_else(|| Day::of(published_at).plus(-1));
        (first, self.to.unwrap_or(first))
    }
}

impl Event for IngestRequested {
    const TOPIC: Topic = Topic::IngestRequested;

    fn event_id(&self, published_at: Timestamp) -> EventId {
        match self.days(published_at) {
            (first, last) if first == last => EventId::of(Function::Ingest, first),
            (first, last) => EventId::of(Function::Ingest, format_args!("{first}..{last}")),
        }
    }
}

/// A day's counts are in their daily table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DayIngested {
    /// What caused it.
    pub event_id: EventId,
    /// The day.
    pub day: Day,
    /// The number of counts in the table.
    pub rows: u64,
}

impl Event for DayIngested {
    const TOPIC: Topic = Topic::DayIngested;

    fn event_id(&self, _published_at: Timestamp) -> EventId {
        self.event_id.clone()
    }
}

/// Compare a week with the fixed test set. Without one, the last whole week, as of the time of publishing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DriftCheckRequested {
    /// The week.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub week: Option<Week>,
}

impl DriftCheckRequested {
    /// Returns the week that is meant.
    pub fn week(&self, published_at: Timestamp) -> Week {
        self.week.unwrap_or_else(|| Day::of(published_at).plus(-7).week())
    }
}

impl Event for DriftCheckRequested {
    const TOPIC: Topic = Topic::DriftCheckRequested;

    fn event_id(&self, published_at: Timestamp) -> EventId {
        EventId::of(Function::DriftCheck, self.week(published_at))
    }
}

/// The week's counts or errors have drifted so far that the champion is to be fine-tuned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DriftDetected {
    /// What caused it.
    pub event_id: EventId,
    /// The week that was checked.
    pub week: Week,
    /// The champion at that time.
    pub champion: Version,
    /// The report of the check.
    pub report: ObjectPath,
    /// Whether the live error is so high that a person should retrain.
    pub major: bool,
}

impl Event for DriftDetected {
    const TOPIC: Topic = Topic::DriftDetected;

    fn event_id(&self, _published_at: Timestamp) -> EventId {
        self.event_id.clone()
    }
}

/// A challenger is in the registry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChallengerTrained {
    /// What caused it.
    pub event_id: EventId,
    /// The week whose drift led to it.
    pub week: Week,
    /// The model it was trained from.
    pub champion: Version,
    /// The new model.
    pub challenger: Version,
}

impl Event for ChallengerTrained {
    const TOPIC: Topic = Topic::ChallengerTrained;

    fn event_id(&self, _published_at: Timestamp) -> EventId {
        self.event_id.clone()
    }
}

/// Champion and challenger were scored on the same rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChallengerEvaluated {
    /// What caused it.
    pub event_id: EventId,
    /// The week whose drift led to it.
    pub week: Week,
    /// The champion that the challenger was compared with.
    pub champion: Version,
    /// The challenger.
    pub challenger: Version,
    /// The scores and the decision under each policy.
    pub evaluation: ObjectPath,
}

impl Event for ChallengerEvaluated {
    const TOPIC: Topic = Topic::ChallengerEvaluated;

    fn event_id(&self, _published_at: Timestamp) -> EventId {
        self.event_id.clone()
    }
}

/// It is decided who is champion.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChampionDecided {
    /// What caused it.
    pub event_id: EventId,
    /// The champion from here on.
    pub champion: Version,
    /// The challenger that was decided on.
    pub challenger: Version,
    /// Whether the challenger became champion.
    pub promoted: bool,
    /// Why.
    pub reason: String,
}

impl Event for ChampionDecided {
    const TOPIC: Topic = Topic::ChampionDecided;

    fn event_id(&self, _published_at: Timestamp) -> EventId {
        self.event_id.clone()
    }
}

/// Writes an event as it travels: its fields and its `type`.
pub fn encode<E: Event>(event: &E) -> Vec<u8> {
    // Events are structs of strings, numbers and options: JSON has room for them.
    serde_json::to_vec(&Tagged { event_type: E::TOPIC, event }).unwrap_or_default()
}

/// Reads an event of the expected type.
///
/// # Errors
/// When the bytes are no JSON, another event, or fields do not fit.
pub fn decode<E: Event>(bytes: &[u8]) -> Result<E, DecodeError> {
    let value: serde_json::Value = serde_json::from_slice(bytes).map_err(DecodeError::Json)?;
    let found = value.get("type").and_then(serde_json::Value::as_str).unwrap_or_default();
    if found != E::TOPIC.to_string() {
        return Err(DecodeError::Unknown { expected: E::TOPIC, found: found.chars().take(80).collect() });
    }
    serde_json::from_value(value).map_err(|source| DecodeError::Fields { event: E::TOPIC, source })
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
        assert_eq!(request.event_id(timestamp("2021-07-19T23:30:00Z")).to_string(), "ingest/2021-07-19");
        let request: DriftCheckRequested = decode(br#"{"type":"drift-check-requested"}"#).unwrap();
        for any_day_of_the_week_after in ["2021-07-26T05:00:00Z", "2021-08-01T12:00:00Z"] {
            let id = request.event_id(timestamp(any_day_of_the_week_after));
            assert_eq!(id.to_string(), "drift-check/2021-W29");
        }
    }

    #[test]
    fn a_range_has_one_id() {
        let request: IngestRequested =
            decode(br#"{"type":"ingest-requested","from":"2021-07-01","to":"2021-07-03"}"#).unwrap();
        assert_eq!(request.event_id(Timestamp::UNIX_EPOCH).to_string(), "ingest/2021-07-01..2021-07-03");
    }

    #[test]
    fn what_is_not_the_expected_event_is_refused() {
        let cases: [(&[u8], &str); 5] = [
            (b"{", "no JSON"),
            (b"[1]", "unknown event ``"),
            (br#"{"type":"day-ingested"}"#, "unknown event `day-ingested`"),
            (br#"{"type":"ingest-requested","from":"2021-02-30"}"#, "fields"),
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
        assert_eq!(EventId::of_message("12/../34").to_string(), "message/12----34");
        assert_eq!(EventId::of_message("").to_string(), "message/unnamed");
    }
}
