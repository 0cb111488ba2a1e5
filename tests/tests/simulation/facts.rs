//! The facts that the invariants compare: the past of a schedule, as far as a rule needs it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use forecasting::time::Day;
use shared::{
    Timestamp,
    audit::AuditRow,
    event::{EventId, Function},
    ledger::RecordedEvent,
    registry::Version,
    warehouse::Forecast,
};

use crate::gate::ProcessId;

/// A function and the event that it handles.
pub(crate) type Key = (Function, EventId);

/// A broken invariant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    /// The name of the function that states the rule.
    pub(crate) rule: &'static str,
    /// The objects and values that break it.
    pub(crate) detail: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.rule, self.detail)
    }
}

/// The result of a rule.
pub(crate) type Check = Result<(), Violation>;

/// Returns a violation of `rule` unless the condition holds.
pub(crate) fn ensure(
    condition: bool,
    rule: &'static str,
    detail: impl FnOnce() -> String,
) -> Check {
    if condition {
        return Ok(());
    }
    Err(Violation {
        rule,
        detail: detail(),
    })
}

/// The author of the calls of a process.
#[derive(Clone, Debug)]
pub(crate) enum Author {
    /// A delivery of an event.
    Delivery(Key),
    /// An operator who rolls back.
    Operator,
    /// A training that saves and registers its model.
    Training,
}

impl fmt::Display for Author {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Delivery((function, event_id)) => write!(formatter, "{function}: {event_id}"),
            Self::Operator => formatter.write_str("operator"),
            Self::Training => formatter.write_str("training"),
        }
    }
}

/// The present work of a process.
#[derive(Clone, Debug)]
pub(crate) struct Work {
    /// The number of the delivery, unique in a schedule.
    pub(crate) number: u64,
    pub(crate) author: Author,
    pub(crate) started_at: Timestamp,
    /// The forecasts when the work started.
    pub(crate) forecasts: BTreeMap<Day, Vec<Forecast>>,
    /// The time of the last check of the lease that the next write may rely on.
    pub(crate) checked_at: Option<Timestamp>,
}

/// The progress of an event, from its ledger entry and its dead letters.
#[derive(Clone, Debug, Default)]
pub(crate) struct Progress {
    /// The number of the delivery that holds the lease.
    pub(crate) holder: Option<u64>,
    /// The outcome in the entry, until the event ends.
    pub(crate) decided: Option<Decided>,
    pub(crate) completed: Option<Completed>,
    /// `true` once the ledger entry has said that the event is a dead letter.
    pub(crate) is_dead_lettered: bool,
    /// The number of dead letters.
    pub(crate) dead_letters: usize,
}

/// The outcome in a ledger entry.
#[derive(Clone, Debug)]
pub(crate) struct Decided {
    pub(crate) decision: String,
    pub(crate) events: Vec<RecordedEvent>,
}

/// A complete ledger entry.
#[derive(Clone, Debug)]
pub(crate) struct Completed {
    pub(crate) decision: String,
    pub(crate) events: Vec<RecordedEvent>,
}

/// The prepared evaluation of a `challenger-evaluated` event.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Evaluated {
    pub(crate) champion: Version,
    pub(crate) challenger: Version,
    /// The number of changes of the champion at the time of the evaluation.
    pub(crate) champion_changes: u64,
    /// `true` if the policy promotes the challenger.
    pub(crate) promotes: bool,
}

/// The past of a schedule.
#[derive(Default)]
pub(crate) struct Facts {
    pub(crate) works: BTreeMap<ProcessId, Work>,
    pub(crate) progress: BTreeMap<Key, Progress>,
    /// The audit log after its last write.
    pub(crate) audit_log: Vec<AuditRow>,
    /// The decision in the first audit row of an event.
    pub(crate) decisions: BTreeMap<Key, String>,
    pub(crate) evaluations: BTreeMap<EventId, Evaluated>,
    /// The number of changes of the champion after the move of an event.
    pub(crate) moves: BTreeMap<EventId, u64>,
    pub(crate) champion_changes: u64,
    /// The version of the newest reply in each table of counts.
    pub(crate) newest_counts: BTreeMap<Day, u32>,
    /// The forecasts after their last write.
    pub(crate) forecasts: BTreeMap<Day, Vec<Forecast>>,
    /// The event that made the present forecasts for a day.
    pub(crate) forecast_by: BTreeMap<Day, EventId>,
    /// The run names of registered versions.
    pub(crate) runs: BTreeSet<String>,
    /// The first broken invariant.
    pub(crate) violation: Option<Violation>,
}

impl Facts {
    /// Returns the number and the event of the delivery that a process works on.
    pub(crate) fn delivery(&self, process: ProcessId) -> Option<(u64, &Key)> {
        let work = self.works.get(&process)?;
        match &work.author {
            Author::Delivery(key) => Some((work.number, key)),
            Author::Operator | Author::Training => None,
        }
    }
}
