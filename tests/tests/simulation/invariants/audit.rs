//! Rules of the audit log.

use shared::audit::{Actor, AuditRow};

use super::leases::delivery_without_lease_replaces_nothing;
use crate::{
    facts::{Check, Facts, Key, ensure},
    observer::Write,
};

/// Checks the new rows of the audit log.
pub(super) fn after_audit_write(
    facts: &mut Facts,
    write: &Write<'_>,
    rows: Vec<AuditRow>,
) -> Check {
    let before = std::mem::take(&mut facts.audit_log);
    rows_stay(&before, &rows)?;
    let is_new = |row: &&AuditRow| !before.contains(row) && row.actor == Some(Actor::Function);
    for row in rows.iter().filter(is_new) {
        delivery_without_lease_replaces_nothing(facts, write)?;
        let key = (row.function, row.event_id.clone());
        delivery_decides_once(facts, write, key, &row.entry.decision)?;
    }
    facts.audit_log = rows;
    Ok(())
}

/// A row of the audit log is never lost.
fn rows_stay(before: &[AuditRow], after: &[AuditRow]) -> Check {
    let is_same = |row: &AuditRow, other: &AuditRow| {
        (row.function, &row.event_id, &row.entry.decision)
            == (other.function, &other.event_id, &other.entry.decision)
    };
    let lost = before
        .iter()
        .find(|row| !after.iter().any(|other| is_same(row, other)));
    ensure(lost.is_none(), "rows_stay", || format!("{lost:?}"))
}

/// An event has one decision: it is recorded in the ledger before its row, and a repeated delivery
/// repeats it.
fn delivery_decides_once(facts: &mut Facts, write: &Write<'_>, key: Key, decision: &str) -> Check {
    let rule = "delivery_decides_once";
    let Some((_, of_delivery)) = facts.delivery(write.process) else {
        return ensure(false, rule, || format!("{} wrote a row", write.process));
    };
    let is_own = *of_delivery == key;
    ensure(is_own, rule, || {
        format!("{} wrote a row of {} {}", write.process, key.0, key.1)
    })?;
    let recorded = facts
        .progress
        .get(&key)
        .and_then(|known| known.decided.as_ref());
    let is_recorded = recorded.is_some_and(|decided| decided.decision == decision);
    ensure(is_recorded, rule, || {
        format!(
            "{} {} has a row `{decision}`, but in the ledger {recorded:?}",
            key.0, key.1
        )
    })?;
    let first = facts
        .decisions
        .entry(key.clone())
        .or_insert_with(|| decision.to_owned())
        .as_str();
    ensure(first == decision, rule, || {
        format!("{} {} is `{decision}`, but was `{first}`", key.0, key.1)
    })
}

/// The audit log has the row of a decision before the ledger says that the event has ended.
pub(super) fn row_precedes_the_end(facts: &Facts, key: &Key, decision: &str) -> Check {
    let (function, event_id) = key;
    let has_row = facts.audit_log.iter().any(|row| {
        row.function == *function && row.event_id == *event_id && row.entry.decision == decision
    });
    ensure(has_row, "row_precedes_the_end", || {
        format!("{function} {event_id} is `{decision}` without a row")
    })
}
