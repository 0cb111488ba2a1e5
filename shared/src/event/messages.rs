//! The events themselves: each a struct, and the topic it travels on.

use std::fmt;

use forecasting::time::{Day, Week};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Event, EventId, Function, Topic};
use crate::{address::ObjectPath, registry::Version};

/// Fetch a day of counts, or a range of days. Without any, yesterday's, as of the time of publishing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct IngestRequested {
    /// The first day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Day>,
    /// The last day; the first one if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Day>,
    /// Ingest the days though that was done before: when it was. The request has an id of its own, so it is done once more
    /// after that instant, and no more often however many times it is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub again: Option<Timestamp>,
}

impl IngestRequested {
    /// Returns the first and the last day that are meant.
    pub fn days(&self, published_at: Timestamp) -> (Day, Day) {
        let first = self
            .from
            .or(self.to)
            .unwrap_or_else(|| Day::of(published_at).plus(-1));
        (first, self.to.unwrap_or(first))
    }

    /// Returns the id of what is done about one of the days.
    pub fn id_of_day(&self, day: Day) -> EventId {
        self.id_of(day)
    }

    fn id_of(&self, subject: impl fmt::Display) -> EventId {
        match self.again {
            None => EventId::of(Function::Ingest, subject),
            // Without colons, since ledger entries are files on some machines.
            Some(instant) => EventId::of(
                Function::Ingest,
                format_args!("{subject}@{}", instant.to_string().replace(':', "-")),
            ),
        }
    }
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
        self.week
            .unwrap_or_else(|| Day::of(published_at).plus(-7).week())
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
