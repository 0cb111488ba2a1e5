//! Rules of the aliases `champion` and `previous`.

use serde_json::Value;
use shared::{event::Function, registry::Version};

use super::leases::delivery_without_lease_replaces_nothing;
use crate::{
    facts::{Author, Check, Facts, ensure},
    observer::Write,
};

/// The aliases in the registry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Aliases {
    champion: Option<Version>,
    previous: Option<Version>,
    changes: u64,
}

impl Aliases {
    fn of(contents: Option<&[u8]>) -> Self {
        let contents: Value = contents
            .and_then(|bytes| serde_json::from_slice(bytes).ok())
            .unwrap_or_default();
        let alias = |name: &str| {
            let number = contents["aliases"][name].as_u64()?;
            Some(Version::new(u32::try_from(number).ok()?))
        };
        Self {
            champion: alias("champion"),
            previous: alias("previous"),
            changes: contents["changes"].as_u64().unwrap_or_default(),
        }
    }
}

/// Checks a change of the registry, and records the move of an event.
pub(super) fn after_registry_write(facts: &mut Facts, write: &Write<'_>) -> Check {
    let (before, after) = (
        Aliases::of(write.before.as_deref()),
        Aliases::of(Some(&write.after[..])),
    );
    facts.champion_changes = after.changes;
    record_runs(facts, &write.after);
    previous_is_the_predecessor(before, after)?;
    if before.champion == after.champion {
        return Ok(());
    }
    champion_moves_as_evaluated(facts, write, before, after)
}

/// `previous` changes in the same write as `champion`, to the version that was champion.
fn previous_is_the_predecessor(before: Aliases, after: Aliases) -> Check {
    let expected = if before.champion == after.champion {
        before.previous
    } else {
        before.champion
    };
    ensure(
        after.previous == expected,
        "previous_is_the_predecessor",
        || format!("{before:?} became {after:?}"),
    )
}

/// `promote` moves `champion` once per event, with a lease, from the evaluated champion to the
/// challenger that passes the policy, and only if the champion never changed since the evaluation.
fn champion_moves_as_evaluated(
    facts: &mut Facts,
    write: &Write<'_>,
    before: Aliases,
    after: Aliases,
) -> Check {
    let rule = "champion_moves_as_evaluated";
    let author = facts.works.get(&write.process).map(|work| &work.author);
    let event_id = match author {
        Some(Author::Operator) => return Ok(()),
        Some(Author::Delivery((Function::Promote, event_id))) => event_id.clone(),
        _ => return ensure(false, rule, || format!("{} moved it", write.process)),
    };
    delivery_without_lease_replaces_nothing(facts, write)?;
    let allows = facts.evaluations.get(&event_id).is_some_and(|evaluated| {
        evaluated.promotes
            && Some(evaluated.champion) == before.champion
            && Some(evaluated.challenger) == after.champion
            && evaluated.champion_changes == before.changes
    });
    ensure(allows, rule, || {
        let evaluation = facts.evaluations.get(&event_id);
        format!("{event_id} moved {before:?} to {after:?}, with {evaluation:?}")
    })?;
    let earlier = facts.moves.insert(event_id.clone(), after.changes);
    ensure(earlier.is_none(), rule, || {
        format!("{event_id} moved the champion again")
    })
}

/// An event of `promote` is `promoted` if and only if it moved the champion, whatever changed since,
/// and one that moved the champion is no dead letter.
pub(super) fn decision_says_what_the_event_moved(facts: &Facts) -> Check {
    let rule = "decision_says_what_the_event_moved";
    for ((function, event_id), progress) in &facts.progress {
        if *function != Function::Promote {
            continue;
        }
        let moved = facts.moves.get(event_id);
        let Some(completed) = &progress.completed else {
            ensure(moved.is_none(), rule, || {
                format!("{event_id} moved the champion, but is a dead letter")
            })?;
            continue;
        };
        let is_promoted = completed.decision == "promoted";
        ensure(is_promoted == moved.is_some(), rule, || {
            format!("{event_id} is `{}`, moved: {moved:?}", completed.decision)
        })?;
    }
    Ok(())
}

/// Records the runs of the registered versions.
fn record_runs(facts: &mut Facts, contents: &[u8]) {
    let contents: Value = serde_json::from_slice(contents).unwrap_or_default();
    let versions = contents["versions"].as_array().cloned().unwrap_or_default();
    let names = versions
        .iter()
        .filter_map(|version| version["run"]["name"].as_str().map(str::to_owned));
    facts.runs.extend(names);
}
