//! The observer: sees every effect on the stores and the bus, and checks the invariants at once.

use std::sync::{Mutex, MutexGuard};

use bytes::Bytes;
use forecasting::time::Day;
use shared::{
    Timestamp,
    audit::AuditRow,
    bus::Message,
    clock::{Clock, SimulatedClock},
    event::Topic,
    warehouse::{
        EmbeddedWarehouse, Forecast, Warehouse,
        schema::{PREDICTIONS, RAW, daily_table},
    },
};

use crate::{
    facts::{Facts, Violation},
    gate::{Call, Place, ProcessId, Verb},
    invariants,
    ports::Stores,
    template::FIRST_DAY,
    world::LEASE,
};

/// The path of the audit log in the warehouse.
pub(crate) const AUDIT_LOG: &str = "monitoring_audit/logs.csv";

/// A write that took effect.
pub(crate) struct Write<'a> {
    pub(crate) process: ProcessId,
    pub(crate) place: Place,
    pub(crate) path: &'a str,
    pub(crate) before: Option<Bytes>,
    pub(crate) after: Bytes,
}

/// The table that a write replaced, read from the warehouse.
pub(crate) enum Table {
    /// The counts of a day.
    Counts(Day, Vec<u32>),
    /// The forecasts for a day.
    Forecasts(Day, Vec<Forecast>),
    /// The audit log.
    AuditLog(Vec<AuditRow>),
}

/// The observer of a schedule.
pub(crate) struct Observer {
    stores: Stores,
    clock: SimulatedClock,
    facts: Mutex<Facts>,
    /// The tables of counts before this path hold the history and never change.
    first_table: String,
}

impl Observer {
    /// Creates the observer of the stores.
    pub(crate) fn new(stores: Stores, clock: SimulatedClock) -> Self {
        let first_day: Day = FIRST_DAY.parse().unwrap();
        Self {
            stores,
            clock,
            facts: Mutex::default(),
            first_table: format!("{RAW}/{}.csv", daily_table(first_day)),
        }
    }

    /// Returns the facts so far.
    pub(crate) fn facts(&self) -> MutexGuard<'_, Facts> {
        self.facts.lock().unwrap()
    }

    /// Returns the first broken invariant.
    pub(crate) fn violation(&self) -> Option<Violation> {
        self.facts().violation.clone()
    }

    /// Returns `true` for the table of counts of a day before the schedule.
    pub(crate) fn is_history(&self, path: &str) -> bool {
        path.starts_with(RAW) && path < self.first_table.as_str()
    }

    /// Records that a call took effect, and when the process last checked its lease.
    pub(crate) fn passed(&self, process: ProcessId, call: &Call) {
        let now = self.clock.now();
        let mut facts = self.facts();
        let Some(work) = facts.works.get_mut(&process) else {
            return;
        };
        if is_check(call) {
            work.checked_at = Some(now);
        } else if ends_check(call) {
            work.checked_at = None;
        }
    }

    /// Returns the time until which a waiting call may still wait: the writes that follow a check
    /// of the lease are made within a quarter of it. `None` if the call may wait for any time.
    pub(crate) fn deadline(&self, process: ProcessId, call: &Call) -> Option<Timestamp> {
        let checked_at = self.facts().works.get(&process)?.checked_at?;
        is_protected(call).then(|| checked_at + LEASE / 4)
    }

    /// Checks the invariants that a write may break.
    pub(crate) async fn wrote(&self, write: &Write<'_>) {
        let table = self.table(write).await;
        let now = self.clock.now();
        let mut facts = self.facts();
        let check = invariants::after_write(&mut facts, write, table, now);
        if let Err(violation) = check {
            facts.violation.get_or_insert(violation);
        }
    }

    /// Checks the invariants that a published message may break.
    pub(crate) fn published(&self, process: ProcessId, topic: Topic, message: &Message) {
        let mut facts = self.facts();
        let check = invariants::after_publication(&mut facts, process, topic, message);
        if let Err(violation) = check {
            facts.violation.get_or_insert(violation);
        }
    }

    /// Reads the table that a write replaced.
    async fn table(&self, write: &Write<'_>) -> Option<Table> {
        if write.place != Place::Warehouse {
            return None;
        }
        let warehouse = EmbeddedWarehouse::new(std::sync::Arc::clone(&self.stores.warehouse));
        if write.path == AUDIT_LOG {
            return Some(Table::AuditLog(warehouse.audit_log().await.unwrap()));
        }
        let (dataset, name) = write.path.split_once("/daily_")?;
        let day = Day::from_compact(name.strip_suffix(".csv")?).ok()?;
        match dataset {
            RAW => {
                let counts = warehouse.counts(day, day).await.unwrap();
                let counts = counts.rows().iter().map(|row| row.count).collect();
                Some(Table::Counts(day, counts))
            }
            PREDICTIONS => {
                let forecasts = warehouse.forecasts(day, day).await.unwrap();
                Some(Table::Forecasts(day, forecasts))
            }
            _ => None,
        }
    }
}

/// Returns `true` for a call that checks or renews a lease.
fn is_check(call: &Call) -> bool {
    call.object.starts_with("ledger/") && matches!(call.verb, Verb::Look | Verb::Write)
}

/// Returns `true` for a call after which a write needs another check.
///
/// One check covers the accesses of one operation: the record of an accepted reply and the reply,
/// the read and the compare-and-swap of the registry or the audit log, an audit row and its dead
/// letter.
fn ends_check(call: &Call) -> bool {
    match (call.verb, call.place) {
        (Verb::Fetch | Verb::List, _) => true,
        (Verb::Read, Place::Objects) => true,
        (Verb::Read, Place::Warehouse) => call.object.starts_with(RAW),
        (Verb::Write, Place::Objects) => call.object.ends_with("/reply.json"),
        (Verb::Write, Place::Warehouse) => call.object != AUDIT_LOG,
        _ => false,
    }
}

/// Returns `true` for a call that relies on the last check of the lease, or precedes such a call.
fn is_protected(call: &Call) -> bool {
    match (call.verb, call.place) {
        (Verb::Write, Place::Objects) => !call.object.starts_with("ledger/"),
        (Verb::Look, Place::Objects) => !call.object.starts_with("ledger/"),
        (Verb::Write | Verb::Publish, _) => true,
        (Verb::Read, Place::Registry) => true,
        (Verb::Read, Place::Warehouse) => !call.object.starts_with(RAW),
        _ => false,
    }
}
