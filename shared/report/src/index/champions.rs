//! The history of the champion.

use jiff::Timestamp;
use shared::{
    audit::AuditRow,
    event::Function,
    registry::{ChampionChange, ChampionState, Version},
};

/// The decisions after which a version is champion that was not champion before.
const CHANGES: [&str; 4] = ["trained", "promoted", "retrained", ROLLED_BACK];
const ROLLED_BACK: &str = "rolled-back";

/// The source of the champion on the on-call page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChampionSource {
    /// The registry. It also knows whether the functions can use the champion.
    Registry,
    /// The decisions in the audit log, for a function without access to the registry.
    AuditLog,
}

/// Returns the champion and its history as the audit log records them.
pub(super) fn recorded(rows: &[AuditRow]) -> ChampionState {
    let changes = changes(rows);
    let last = changes.iter().position(|change| change.since.is_none());
    let last = &changes[last.unwrap_or(changes.len())..];
    let version = |position: usize| last.get(position).map(|change| change.version);
    let (champion, previous) = (version(0), version(1));
    let is_rollback = last.first().map(|last| last.decision == ROLLED_BACK);
    let last_change = champion
        .zip(is_rollback)
        .map(|(to, is_rollback)| ChampionChange {
            from: previous,
            to,
            is_rollback,
        });
    ChampionState {
        champion,
        previous,
        changes: changes.len() as u64,
        last_change,
        ..ChampionState::default()
    }
}

/// Returns the changes of the champion in an audit log, newest first.
fn changes(rows: &[AuditRow]) -> Vec<Change> {
    let mut changes: Vec<_> = rows.iter().rev().filter_map(Change::of).collect();
    changes.sort_by_key(|change| std::cmp::Reverse(change.at));
    changes
}

/// The champion, its predecessor, and the changes that led to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Champions {
    /// The present champion.
    pub champion: Option<Version>,
    /// The champion before.
    pub previous: Option<Version>,
    /// The command that makes the previous version champion again.
    pub rollback: Option<String>,
    /// The changes, newest first.
    pub changes: Vec<Change>,
}

/// A change of the champion.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The time of the change. Of a promotion that was overtaken, the time of its event: its row is
    /// later than that of the next change.
    pub at: Timestamp,
    /// The decision, as in the audit log.
    pub decision: String,
    /// The champion after it.
    pub version: Version,
    /// The mean absolute error of this version on the fixed test set, in bicycles per hour.
    pub test_mae: Option<f64>,
    /// The reason of the change.
    pub reason: String,
    /// The change that overtook a promotion before its row was written, in words; `None` for other
    /// changes.
    pub since: Option<String>,
}

impl Champions {
    /// Returns the history in an audit log. `target` is the option that selects the deployment.
    pub fn of(state: &ChampionState, rows: &[AuditRow], target: &str) -> Self {
        let changes = changes(rows);
        let previous = state.previous;
        let is_rolled_back = state.last_change.is_some_and(|change| change.is_rollback);
        // A second rollback needs a version, so that it does not undo the first.
        let rollback = previous.map(|previous| {
            let to = if is_rolled_back {
                format!(" --to {previous}")
            } else {
                String::new()
            };
            format!("bike-traffic rollback{target}{to} --reason \"WHY\"")
        });
        Self {
            champion: state.champion,
            previous,
            rollback,
            changes,
        }
    }
}

impl Change {
    fn of(row: &AuditRow) -> Option<Self> {
        let entry = &row.entry;
        let is_change =
            row.function == Function::Promote && CHANGES.contains(&entry.decision.as_str());
        let present = entry.champion_version.filter(|_| is_change)?;
        let mut change = Self {
            at: row.timestamp,
            decision: entry.decision.clone(),
            version: present,
            test_mae: entry.mae,
            reason: entry.reason.clone(),
            since: None,
        };
        if let Some(promoted) = entry.challenger_version.filter(|_| entry.is_overtaken()) {
            let started_at = entry.detail["started_at"].as_str();
            change.at = started_at
                .and_then(|at| at.parse().ok())
                .unwrap_or(change.at);
            change.version = promoted;
            change.test_mae = entry.challenger_mae;
            // The last part of the reason, as in `rolled back since to version 1`.
            let since = entry.reason.rsplit("; ").next();
            let since = since.filter(|part| part.contains(" since"));
            change.since = Some(since.map_or_else(
                || format!("version {present} became champion since"),
                str::to_owned,
            ));
        }
        Some(change)
    }
}
