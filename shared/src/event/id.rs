//! The ids of events.

use std::{fmt, str::FromStr};

use forecasting::time::{Day, Week};
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

    /// Returns the id of an event that `function` produces about a subject.
    pub fn of(function: Function, subject: impl fmt::Display) -> Self {
        Self(ObjectPath::new(format_args!("{function}/{subject}")))
    }

    /// Returns the id of a delivery without a valid event, from the message id of the bus.
    pub fn of_message(message_id: &str) -> Self {
        let character = |character: char| {
            if character.is_ascii_alphanumeric() {
                character
            } else {
                '-'
            }
        };
        let id: String = message_id.chars().take(64).map(character).collect();
        let id = if id.is_empty() {
            "unnamed".to_owned()
        } else {
            id
        };
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
    /// Returns `true` if this is an id that `producer` gives to an event about `day`: the day
    /// itself, or a repeated or forced ingest of it.
    pub(super) fn is_of_day(&self, producer: Function, day: Day) -> bool {
        let subject = self.subject_of(producer);
        let rest = subject.and_then(|subject| subject.strip_prefix(&day.to_string()));
        rest.is_some_and(|rest| {
            matches!(rest, "" | "-forced") || rest.starts_with('@') && !rest.contains('/')
        })
    }

    /// Returns `true` if this is an id that `producer` gives to an event about `week`: the week
    /// itself, or a repeated judgement of it.
    pub(super) fn is_of_week(&self, producer: Function, week: Week) -> bool {
        self.subject_of(producer) == Some(&self.subject_of_week(week))
    }

    fn subject_of(&self, producer: Function) -> Option<&str> {
        let subject = self.0.as_str().strip_prefix(producer.name())?;
        subject.strip_prefix('/')
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
