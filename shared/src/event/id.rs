//! The ids of events.

use std::{fmt, str::FromStr};

use forecasting::{checksum::Checksum, time::Week};
use serde_with::{DeserializeFromStr, SerializeDisplay};

use super::Function;
use crate::address::ObjectPath;

/// The id of an event: `PRODUCER/SUBJECT`, as in `drift-check/2021-W30` or `ingest/2021-07-19`.
///
/// An id is a valid [`ObjectPath`], because ledger entries are named after it. It has at most 200
/// bytes.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, SerializeDisplay, DeserializeFromStr,
)]
pub struct EventId(ObjectPath);

impl EventId {
    const MAXIMUM_BYTES: usize = 200;
    /// The maximum length of the part after `message/`, and of the checksum in it.
    const MESSAGE_CHARACTERS: usize = 64;
    const MESSAGE_DIGITS: usize = 16;

    /// Returns the id of an event that `function` produces about a subject.
    pub fn of(function: Function, subject: impl fmt::Display) -> Self {
        Self(ObjectPath::new(format_args!("{function}/{subject}")))
    }

    /// Returns the id of a delivery without a valid event, from the message id of the bus.
    ///
    /// The message ids of Pub/Sub are digits and stay as they are. Other ids, as of a CloudEvent,
    /// are shortened, and end with the start of their checksum: different messages have different
    /// ids.
    pub fn of_message(message_id: &str) -> Self {
        let character = |character: char| {
            if character.is_ascii_alphanumeric() {
                character
            } else {
                '-'
            }
        };
        let mut id: String = message_id
            .chars()
            .take(Self::MESSAGE_CHARACTERS)
            .map(character)
            .collect();
        if id.is_empty() {
            "unnamed".clone_into(&mut id);
        } else if id != message_id {
            // One byte a character, because all are ASCII.
            id.truncate(Self::MESSAGE_CHARACTERS - Self::MESSAGE_DIGITS - 1);
            id.push('-');
            id.push_str(Checksum::of(message_id.as_bytes()).short(Self::MESSAGE_DIGITS));
        }
        Self(ObjectPath::new(format_args!("message/{id}")))
    }

    /// Returns the subject of the event: a day, a week or another key.
    pub fn subject(&self) -> &str {
        self.0
            .as_str()
            .split_once('/')
            .map_or(self.0.as_str(), |(_, subject)| subject)
    }
}

impl EventId {
    /// Returns the subject of the results for a week: the week, or `WEEK@INSTANT` if the event
    /// belongs to a repeated judgement.
    ///
    /// Each judgement of a week thus has events, evaluations and models of its own. An id about
    /// anything else yields the week.
    pub fn subject_of_week(&self, week: Week) -> String {
        let (week, subject) = (week.to_string(), self.subject());
        match subject.strip_prefix(&week) {
            Some(rest) if rest.starts_with('@') && !rest.contains('/') => subject.to_owned(),
            _ => week,
        }
    }
}

impl EventId {
    /// Returns `true` if this is an id that `producer` gives to an event about `key`, a day or a
    /// week: the key itself, or the key followed by `@` or `-` and what tells the event apart from
    /// others, as in `ingest/2021-07-19@2021-08-01T09-00-00Z-forced`.
    pub(super) fn is_about(&self, producer: Function, key: impl fmt::Display) -> bool {
        let own = format!("{producer}/{key}");
        let rest = self.0.as_str().strip_prefix(&own);
        rest.is_some_and(|rest| {
            rest.is_empty() || rest.starts_with(['@', '-']) && !rest.contains('/')
        })
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl FromStr for EventId {
    type Err = EventIdError;

    fn from_str(text: &str) -> Result<Self, EventIdError> {
        match text.parse() {
            Ok(path) if text.len() <= Self::MAXIMUM_BYTES => Ok(Self(path)),
            _ => Err(EventIdError {
                text: text.chars().take(80).collect(),
            }),
        }
    }
}

/// The error returned when a text is not a valid [`EventId`].
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid event id `{text}`: expected PRODUCER/SUBJECT, for example drift-check/2021-W30")]
pub struct EventIdError {
    text: String,
}
