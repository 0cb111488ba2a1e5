//! Rules of the ledger: one delivery at a time, and one end of each event.

use shared::{
    Timestamp,
    ledger::{Entry, RecordedOutcome},
};

use super::audit::row_precedes_the_end;
use crate::{
    facts::{Check, Completed, Decided, Facts, Key, Progress, ensure},
    gate::ProcessId,
    observer::Write,
};

/// Checks a new ledger entry, and records the holder of the lease and the end of the event.
pub(super) fn after_ledger_write(facts: &mut Facts, write: &Write<'_>, now: Timestamp) -> Check {
    let Some(key) = key_of(write.path) else {
        return Ok(());
    };
    let before = write.before.as_deref().and_then(entry);
    let Some(after) = entry(&write.after) else {
        return ensure(false, "ledger_entry_is_valid", || write.path.to_owned());
    };
    complete_entry_is_final(&before, write)?;
    let number = facts.delivery(write.process).map(|(number, _)| number);
    let holder = facts.progress.get(&key).and_then(|known| known.holder);
    let is_renewal = matches!(before, Some(Entry::InProgress { .. })) && holder == number;
    match &after {
        Entry::InProgress { .. } if !is_renewal => lease_is_exclusive(&before, write, now)?,
        Entry::InProgress { .. } => {}
        Entry::Released { .. } | Entry::Complete { .. } | Entry::DeadLettered { .. } => {
            delivery_without_lease_replaces_nothing(facts, write)?;
        }
    }
    match &after {
        Entry::Complete { decision, .. } => row_precedes_the_end(facts, &key, decision)?,
        Entry::DeadLettered { .. } => row_precedes_the_end(facts, &key, "dead-lettered")?,
        Entry::InProgress { .. } | Entry::Released { .. } => {}
    }
    let progress = facts.progress.entry(key).or_default();
    recorded_outcome_is_final(progress, &after, write)?;
    progress.holder = None;
    match after {
        Entry::InProgress { outcome, .. } => {
            progress.holder = number;
            record_outcome(progress, outcome.map(|outcome| *outcome));
        }
        Entry::Released { outcome, .. } => {
            record_outcome(progress, outcome.map(|outcome| *outcome));
        }
        Entry::DeadLettered { .. } => {
            progress.decided = None;
            progress.is_dead_lettered = true;
        }
        Entry::Complete { .. } => {
            progress.completed = progress.decided.take().map(|decided| Completed {
                decision: decided.decision,
                events: decided.events,
            });
        }
    }
    Ok(())
}

/// Remembers the first outcome in the entry.
fn record_outcome(progress: &mut Progress, outcome: Option<RecordedOutcome>) {
    let Some(outcome) = outcome else { return };
    progress.decided.get_or_insert(Decided {
        decision: outcome.entry.decision,
        events: outcome.events,
    });
}

/// Once the ledger has the outcome of an event, every later entry has it, and the event ends with
/// it. No event ends without one.
fn recorded_outcome_is_final(progress: &Progress, after: &Entry, write: &Write<'_>) -> Check {
    let recorded = progress.decided.as_ref();
    let is_same = match after {
        Entry::InProgress { outcome, .. } | Entry::Released { outcome, .. } => {
            recorded.is_none_or(|decided| {
                outcome.as_ref().is_some_and(|outcome| {
                    outcome.entry.decision == decided.decision && outcome.events == decided.events
                })
            })
        }
        Entry::Complete {
            decision, events, ..
        } => recorded
            .is_some_and(|decided| decided.decision == *decision && decided.events == *events),
        Entry::DeadLettered { .. } => {
            recorded.is_some_and(|decided| decided.decision == "dead-lettered")
        }
    };
    ensure(is_same, "recorded_outcome_is_final", || {
        format!("{}: {recorded:?}, then {after:?}", write.path)
    })
}

/// A complete ledger entry never changes.
fn complete_entry_is_final(before: &Option<Entry>, write: &Write<'_>) -> Check {
    let is_complete = matches!(before, Some(Entry::Complete { .. }));
    ensure(!is_complete, "complete_entry_is_final", || {
        write.path.to_owned()
    })
}

/// A delivery acquires an event only if no other delivery holds a lease that has not expired.
fn lease_is_exclusive(before: &Option<Entry>, write: &Write<'_>, now: Timestamp) -> Check {
    let is_held = matches!(before, Some(Entry::InProgress { expires, .. }) if *expires > now);
    ensure(!is_held, "lease_is_exclusive", || write.path.to_owned())
}

/// A delivery that has lost the lease of its event neither replaces a table, a record or an alias,
/// nor writes an audit row, nor ends the event.
pub(super) fn delivery_without_lease_replaces_nothing(facts: &Facts, write: &Write<'_>) -> Check {
    let rule = "delivery_without_lease_replaces_nothing";
    holds_lease(facts, write.process, rule, write.path)
}

fn holds_lease(facts: &Facts, process: ProcessId, rule: &'static str, target: &str) -> Check {
    let Some((number, key)) = facts.delivery(process) else {
        return Ok(());
    };
    let holder = facts.progress.get(key).and_then(|known| known.holder);
    ensure(holder == Some(number), rule, || {
        let (function, event_id) = key;
        format!("{process} wrote {target} for {function} {event_id}, but lost its lease before")
    })
}

/// Once the ledger says that an event is a dead letter, no other dead letter of it is published,
/// and only the delivery with the lease publishes one.
pub(super) fn dead_letter_of_an_event_is_published_once(
    facts: &mut Facts,
    process: ProcessId,
    key: Key,
) -> Check {
    let rule = "dead_letter_of_an_event_is_published_once";
    holds_lease(facts, process, rule, "a dead letter")?;
    let progress = facts.progress.entry(key.clone()).or_default();
    progress.dead_letters += 1;
    let is_first = !progress.is_dead_lettered && progress.completed.is_none();
    ensure(is_first, rule, || {
        format!("{} {} has ended before", key.0, key.1)
    })
}

fn entry(bytes: &[u8]) -> Option<Entry> {
    serde_json::from_slice(bytes).ok()
}

/// Returns function and event of a ledger entry.
fn key_of(path: &str) -> Option<Key> {
    let names = path.strip_prefix("ledger/")?.strip_suffix(".json")?;
    let (function, event_id) = names.split_once('/')?;
    Some((function.parse().ok()?, event_id.parse().ok()?))
}
