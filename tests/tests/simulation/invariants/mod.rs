//! The rules that hold at every moment of every schedule, and at its end.
//!
//! Each rule is a function whose doc comment states it in one sentence; a violation names the
//! function.

mod audit;
mod champion;
mod end;
mod leases;
mod tables;

use shared::{Timestamp, bus::Message, event::Topic};

pub(crate) use end::{at_the_end, replay_changes_nothing, state};

use crate::{
    facts::{Check, Facts},
    gate::{Place, ProcessId},
    observer::{Table, Write},
};

/// Checks the rules that a write may break, and records the write.
pub(crate) fn after_write(
    facts: &mut Facts,
    write: &Write<'_>,
    table: Option<Table>,
    now: Timestamp,
) -> Check {
    match write.place {
        Place::Objects if write.path.starts_with("ledger/") => {
            leases::after_ledger_write(facts, write, now)
        }
        Place::Objects if write.path.starts_with("models/") => {
            tables::files_of_a_model_stay(facts, write)
        }
        Place::Objects if is_replaced_object(write.path) => {
            leases::delivery_without_lease_replaces_nothing(facts, write)
        }
        Place::Registry => champion::after_registry_write(facts, write),
        Place::Warehouse => match table {
            Some(Table::AuditLog(rows)) => audit::after_audit_write(facts, write, rows),
            Some(Table::Counts(day, counts)) => {
                tables::after_counts_write(facts, write, day, &counts)
            }
            Some(Table::Forecasts(day, forecasts)) => {
                tables::after_forecasts_write(facts, write, day, forecasts)
            }
            None => Ok(()),
        },
        Place::Objects | Place::Bus | Place::City => Ok(()),
    }
}

/// Checks the rules that a published message may break, and records the message.
pub(crate) fn after_publication(
    facts: &mut Facts,
    process: ProcessId,
    topic: Topic,
    message: &Message,
) -> Check {
    let Some(key) = crate::bus::dead_letter(topic, message) else {
        return Ok(());
    };
    leases::dead_letter_of_an_event_is_published_once(facts, process, key)
}

/// Returns `true` for an object of ingest that a later delivery replaces.
fn is_replaced_object(path: &str) -> bool {
    path.starts_with("raw/") && (path.ends_with("/accepted.json") || path.ends_with("/reply.json"))
}
