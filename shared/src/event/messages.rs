//! The events, one struct each, with their topics.

use std::fmt;

use forecasting::time::{Day, Week};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Event, EventId, Function, Topic};
use crate::{address::ObjectPath, registry::Version};

/// A request to fetch the counts of one day or a range of days. Without days it means the day
/// before publication.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct IngestRequested {
    /// The first day to fetch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Day>,
    /// The last day to fetch. Defaults to the first day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Day>,
    /// The time of a request to ingest the days again, even if they are complete. It is part of the
    /// event id. So the request is handled once after that time, however often it is published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub again: Option<Timestamp>,
    /// `true` if a reply replaces the counts of a day even though it lacks some of them. It is part
    /// of the event id.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub force: bool,
}

impl IngestRequested {
    /// Returns the first and the last requested day.
    pub fn days(&self, published_at: Timestamp) -> (Day, Day) {
        let first = self
            .from
            .or(self.to)
            .unwrap_or_else(|| Day::of(published_at).plus(-1));
        (first, self.to.unwrap_or(first))
    }

    /// Returns the event id of one of the requested days.
    pub fn id_of_day(&self, day: Day) -> EventId {
        self.id_of(day)
    }

    fn id_of(&self, subject: impl fmt::Display) -> EventId {
        let force = if self.force { "-forced" } else { "" };
        let subject = subject_of_request(subject, self.again);
        EventId::of(Function::Ingest, format_args!("{subject}{force}"))
    }
}

/// Returns the subject of a request, with the instant of the work that it repeats.
fn subject_of_request(subject: impl fmt::Display, again: Option<Timestamp>) -> String {
    match again {
        None => subject.to_string(),
        Some(instant) => format!("{subject}@{}", write_instant(instant)),
    }
}

/// Formats an instant for an event id. Some file systems do not allow colons in the names of ledger
/// entries.
pub(super) fn write_instant(instant: Timestamp) -> String {
    instant.to_string().replace(':', "-")
}

impl Event for IngestRequested {
    const TOPIC: Topic = Topic::IngestRequested;

    fn event_id(&self, published_at: Timestamp) -> EventId {
        match self.days(published_at) {
            (first, last) if first == last => self.id_of_day(first),
            (first, last) => self.id_of(format_args!("{first}..{last}")),
        }
    }
}

/// The counts of a day are in their daily table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DayIngested {
    /// The id of the event, derived from its cause.
    pub event_id: EventId,
    /// The ingested day.
    pub day: Day,
    /// The number of counts in the table.
    pub rows: u64,
}

impl Event for DayIngested {
    const TOPIC: Topic = Topic::DayIngested;

    fn event_id(&self, _published_at: Timestamp) -> EventId {
        self.event_id.clone()
    }

    fn has_own_id(&self) -> bool {
        self.event_id.is_about(Function::Ingest, self.day)
    }
}

/// A request to compare a week with the fixed test set. Without a week it means the last full week
/// before publication.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DriftCheckRequested {
    /// The week to check.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub week: Option<Week>,
    /// The time of a judgement to repeat, because the counts of the week have changed since. It is
    /// part of the event id, and of the ids of all events that follow. So the week is judged once
    /// after that time, however often the request is published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub again: Option<Timestamp>,
}

impl DriftCheckRequested {
    /// Returns the requested week.
    pub fn week(&self, published_at: Timestamp) -> Week {
        self.week
            .unwrap_or_else(|| Day::of(published_at).plus(-7).week())
    }
}

impl Event for DriftCheckRequested {
    const TOPIC: Topic = Topic::DriftCheckRequested;

    fn event_id(&self, published_at: Timestamp) -> EventId {
        let subject = subject_of_request(self.week(published_at), self.again);
        EventId::of(Function::DriftCheck, subject)
    }
}

/// The counts or errors of a week have drifted so far that the champion is fine-tuned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DriftDetected {
    /// The id of the event, derived from its cause.
    pub event_id: EventId,
    /// The week that was checked.
    pub week: Week,
    /// The champion at the time of the check.
    pub champion: Version,
    /// The path of the drift report.
    pub report: ObjectPath,
    /// `true` if the live error is so high that a person should retrain the champion.
    pub major: bool,
}

impl Event for DriftDetected {
    const TOPIC: Topic = Topic::DriftDetected;

    fn event_id(&self, _published_at: Timestamp) -> EventId {
        self.event_id.clone()
    }

    fn has_own_id(&self) -> bool {
        self.event_id.is_about(Function::DriftCheck, self.week)
    }
}

/// A challenger has been registered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChallengerTrained {
    /// The id of the event, derived from its cause.
    pub event_id: EventId,
    /// The week whose drift triggered the fine-tuning, or for which it was requested.
    pub week: Week,
    /// The champion that it was fine-tuned from.
    pub champion: Version,
    /// The registered challenger.
    pub challenger: Version,
}

impl Event for ChallengerTrained {
    const TOPIC: Topic = Topic::ChallengerTrained;

    fn event_id(&self, _published_at: Timestamp) -> EventId {
        self.event_id.clone()
    }

    fn has_own_id(&self) -> bool {
        self.event_id.is_about(Function::FineTune, self.week)
    }
}

/// The champion and the challenger have been scored on the same rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChallengerEvaluated {
    /// The id of the event, derived from its cause.
    pub event_id: EventId,
    /// The week whose drift triggered the fine-tuning, or for which it was requested.
    pub week: Week,
    /// The champion that was scored.
    pub champion: Version,
    /// The challenger that was scored.
    pub challenger: Version,
    /// The path of the evaluation: the scores, and the verdict of each policy.
    pub evaluation: ObjectPath,
}

impl Event for ChallengerEvaluated {
    const TOPIC: Topic = Topic::ChallengerEvaluated;

    fn event_id(&self, _published_at: Timestamp) -> EventId {
        self.event_id.clone()
    }

    fn has_own_id(&self) -> bool {
        self.event_id.is_about(Function::Evaluate, self.week)
    }
}

/// The champion has been decided, with or without a promotion.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChampionDecided {
    /// The id of the event, derived from its cause.
    pub event_id: EventId,
    /// The champion after the decision.
    pub champion: Version,
    /// The challenger that was considered.
    pub challenger: Version,
    /// `true` if the challenger was promoted.
    pub promoted: bool,
    /// The reason for the decision.
    pub reason: String,
}

impl Event for ChampionDecided {
    const TOPIC: Topic = Topic::ChampionDecided;

    fn event_id(&self, _published_at: Timestamp) -> EventId {
        self.event_id.clone()
    }
}
