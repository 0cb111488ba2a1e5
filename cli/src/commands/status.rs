//! `bike-traffic status`: the versions, the last events and the problems of a deployment.

mod unreadable;

use std::{collections::BTreeMap, fmt, sync::Arc};

use anyhow::bail;
use clap::Args;
use comfy_table::{Table, presets::UTF8_HORIZONTAL_ONLY};
use jiff::SignedDuration;
use serde::Serialize;
use shared::{
    Timestamp,
    audit::AuditRow,
    clock::SystemClock,
    event::{EventId, Function},
    ledger::{self, Entry, Unfinished},
    ports::Ports,
    registry::{Alias, ModelVersion, RunName, Version},
};

use crate::{
    args::TargetArguments,
    support::{dead_letters::DeadLetters, stdout},
};
use unreadable::{LEDGER, readable};

pub use unreadable::Unreadable;

/// The number of most recent versions in the report.
const MAX_VERSIONS: usize = 8;
/// The default period of events and audit rows. The ledger and the audit log retain all of them.
const DEFAULT_PERIOD: SignedDuration = SignedDuration::from_hours(30 * 24);
/// The text of a part that cannot be read.
const UNKNOWN: &str = "unknown";

/// Options of `status`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  bike-traffic status
  bike-traffic status --cloud --json | jq .unfinished
  bike-traffic status --cloud --since 2021-01-01T00:00:00Z

If a part cannot be read, the others are shown, the reason is named, and the exit code is 1.")]
pub struct StatusArguments {
    /// The target of the command.
    #[command(flatten)]
    pub target: TargetArguments,
    /// Show events and audit rows since this time [default: 30 days ago].
    #[arg(long, value_name = "TIME")]
    pub since: Option<Timestamp>,
    /// Print the status as JSON.
    #[arg(long)]
    pub json: bool,
}

/// The status of the system.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    /// The time of the report.
    pub at: Timestamp,
    /// The start of the period of events and audit rows.
    pub since: Timestamp,
    /// The most recent versions and all versions with an alias, newest first; `None` if the registry
    /// cannot be read.
    pub versions: Option<Vec<VersionStatus>>,
    /// The functions in the order of the event flow.
    pub functions: Vec<FunctionStatus>,
    /// The events that were started and are not complete; `None` if the ledger cannot be listed.
    pub unfinished: Option<Vec<UnfinishedStatus>>,
    /// The parts and objects that cannot be read. The other fields lack them.
    pub unreadable: Vec<Unreadable>,
}

/// The status of a model version.
#[derive(Clone, Debug, Serialize)]
pub struct VersionStatus {
    /// The version number.
    pub version: Version,
    /// The aliases of the version.
    pub aliases: Vec<Alias>,
    /// The training run.
    pub run: RunName,
    /// The kind of training: `champion` or `fine_tune`.
    pub training_type: Option<String>,
    /// The mean absolute error on the fixed test set, in bicycles per hour.
    pub test_mae: Option<f64>,
}

/// The status of a function.
#[derive(Clone, Debug, Serialize)]
pub struct FunctionStatus {
    /// The function.
    pub function: Function,
    /// The last audited event in the period; `Some(None)` if there is none, and `None`, without a
    /// field in JSON, if the audit log cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<Option<LastEvent>>,
    /// The number of dead letters; `None` if they cannot be read.
    pub dead_letters: Option<usize>,
}

/// The last event of a function.
#[derive(Clone, Debug, Serialize)]
pub struct LastEvent {
    /// The time of the decision.
    pub at: Timestamp,
    /// The event id.
    pub event_id: EventId,
    /// The decision, as in the audit log.
    pub decision: String,
    /// The reason of the decision.
    pub reason: String,
}

/// An event that was started and is not complete.
#[derive(Clone, Debug, Serialize)]
pub struct UnfinishedStatus {
    /// The function that handles the event.
    pub function: Function,
    /// The event id.
    pub event_id: EventId,
    /// The state of the last delivery.
    pub state: UnfinishedState,
    /// The start of the state.
    pub since: Timestamp,
    /// The error of the last delivery if it failed.
    pub reason: Option<String>,
}

/// The state of an unfinished event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum UnfinishedState {
    /// A delivery is in progress.
    InProgress,
    /// The lease of the last delivery expired; the next delivery takes over.
    Overdue,
    /// The last delivery failed; the next delivery retries.
    Failed,
}

/// Runs the command.
pub(crate) async fn command(arguments: StatusArguments) -> anyhow::Result<()> {
    let ports = arguments
        .target
        .open_existing(Arc::new(SystemClock))
        .await?;
    let dead_letters = DeadLetters::open(&arguments.target).await?;
    let status = read_status(&ports, &dead_letters, arguments.since).await;
    stdout::print(&status, arguments.json)?;
    match &status.unreadable[..] {
        [] => Ok(()),
        [first, others @ ..] => bail!(
            "the status is incomplete: {}: {}{}; restore the object from a backup or an earlier generation",
            first.part,
            first.reason,
            match others.len() {
                0 => String::new(),
                more => format!(", and {more} more"),
            }
        ),
    }
}

/// Reads the status, with the events and audit rows since `since`; of the last 30 days if `None`.
///
/// A part that cannot be read is named in [`Status::unreadable`] and does not hide the others.
pub async fn read_status(
    ports: &Ports,
    dead_letters: &DeadLetters,
    since: Option<Timestamp>,
) -> Status {
    let mut unreadable = Vec::new();
    let at = ports.clock.now();
    let since =
        since.unwrap_or_else(|| at.saturating_sub(DEFAULT_PERIOD).unwrap_or(Timestamp::MIN));
    let versions = readable("versions", versions(ports).await, &mut unreadable);
    let log = ports.warehouse.audit_log_since(since).await;
    let log = readable("audit log", log, &mut unreadable);
    let last = |function: Function| {
        let rows = log.as_ref()?.iter().filter(|row| row.function == function);
        Some(rows.max_by_key(|row| row.timestamp).map(LastEvent::of))
    };
    let mut functions = Vec::new();
    for (function, dead_letters) in Function::ALL.into_iter().zip(dead_letters.of_each().await) {
        let part = format!("dead letters of {function}");
        let dead_letters = readable(&part, dead_letters, &mut unreadable);
        functions.push(FunctionStatus {
            function,
            last: last(function),
            dead_letters: dead_letters.map(|dead_letters| dead_letters.len()),
        });
    }
    let entries = ledger::each_unfinished_since(&ports.store, since).await;
    let unfinished = readable(LEDGER, entries, &mut unreadable).map(|entries| {
        let known = entries
            .into_iter()
            .filter_map(|entry| readable(LEDGER, entry, &mut unreadable));
        known
            .filter_map(|unfinished| UnfinishedStatus::of(unfinished, at))
            .collect()
    });
    Status {
        at,
        since,
        versions,
        functions,
        unfinished,
        unreadable,
    }
}

async fn versions(ports: &Ports) -> anyhow::Result<Vec<VersionStatus>> {
    let mut aliases = BTreeMap::<Version, Vec<Alias>>::new();
    for alias in [Alias::Champion, Alias::Challenger, Alias::Previous] {
        if let Some(version) = ports.registry.alias(alias).await? {
            aliases.entry(version).or_default().push(alias);
        }
    }
    let all = ports.registry.versions().await?;
    let is_reported = |(position, version): &(usize, &ModelVersion)| {
        *position < MAX_VERSIONS || aliases.contains_key(&version.version)
    };
    let status = |(_, version): (usize, &ModelVersion)| VersionStatus {
        version: version.version,
        aliases: aliases.get(&version.version).cloned().unwrap_or_default(),
        run: version.run.name.clone(),
        training_type: version.run.tags.get("training_type").cloned(),
        test_mae: version.run.metrics.get("test_mae").copied(),
    };
    Ok(all
        .iter()
        .rev()
        .enumerate()
        .filter(is_reported)
        .map(status)
        .collect())
}

impl LastEvent {
    fn of(row: &AuditRow) -> Self {
        Self {
            at: row.timestamp,
            event_id: row.event_id.clone(),
            decision: row.entry.decision.clone(),
            reason: row.entry.reason.clone(),
        }
    }
}

impl UnfinishedStatus {
    fn of(unfinished: Unfinished, now: Timestamp) -> Option<Self> {
        let Unfinished {
            function,
            event_id,
            entry,
        } = unfinished;
        let (state, since, reason) = match entry {
            Entry::InProgress { since, expires } if expires > now => {
                (UnfinishedState::InProgress, since, None)
            }
            Entry::InProgress { since, .. } => (UnfinishedState::Overdue, since, None),
            Entry::Released { at, reason } => (UnfinishedState::Failed, at, Some(reason)),
            Entry::Complete { .. } => return None,
        };
        Some(Self {
            function,
            event_id,
            state,
            since,
            reason,
        })
    }
}

impl Status {
    fn versions(&self) -> Table {
        let mut versions = table(["version", "aliases", "run", "trained as", "test MAE"]);
        let Some(known) = &self.versions else {
            versions.add_row([UNKNOWN]);
            return versions;
        };
        for version in known {
            versions.add_row([
                version.version.to_string(),
                version
                    .aliases
                    .iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
                    .join(", "),
                version.run.to_string(),
                version.training_type.clone().unwrap_or_default(),
                version
                    .test_mae
                    .map(|mae| format!("{mae:.2}"))
                    .unwrap_or_default(),
            ]);
        }
        versions
    }

    fn functions(&self) -> Table {
        let mut functions = table(["function", "last event", "decision", "at", "dead letters"]);
        for status in &self.functions {
            let last = |text: fn(&LastEvent) -> String| match &status.last {
                None => UNKNOWN.to_owned(),
                Some(last) => last.as_ref().map(text).unwrap_or_default(),
            };
            functions.add_row([
                status.function.to_string(),
                last(|last| last.event_id.to_string()),
                last(|last| last.decision.clone()),
                last(|last| last.at.strftime("%Y-%m-%d %H:%M:%SZ").to_string()),
                status
                    .dead_letters
                    .map_or_else(|| UNKNOWN.to_owned(), |number| number.to_string()),
            ]);
        }
        functions
    }

    fn unfinished(&self) -> Table {
        let mut unfinished = table(["function", "unfinished event", "state", "since", "reason"]);
        for event in self.unfinished.iter().flatten() {
            unfinished.add_row([
                event.function.to_string(),
                event.event_id.to_string(),
                event.state.to_string(),
                event.since.strftime("%Y-%m-%d %H:%M:%SZ").to_string(),
                event.reason.clone().unwrap_or_default(),
            ]);
        }
        unfinished
    }

    /// Returns `true` if the ledger was read completely.
    fn has_whole_ledger(&self) -> bool {
        self.unreadable
            .iter()
            .all(|unreadable| unreadable.part != LEDGER)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (versions, functions) = (self.versions(), self.functions());
        let since = self.since.strftime("%Y-%m-%d %H:%M:%SZ");
        writeln!(formatter, "{versions}\nevents since {since}\n{functions}")?;
        if self.unfinished.iter().flatten().next().is_some() {
            writeln!(formatter, "{}", self.unfinished())?;
        } else if self.has_whole_ledger() {
            writeln!(formatter, "no unfinished events")?;
        } else {
            writeln!(formatter, "unfinished events: {UNKNOWN}")?;
        }
        if self.unreadable.is_empty() {
            return Ok(());
        }
        let mut unreadable = table(["unreadable", "reason"]);
        for Unreadable { part, reason } in &self.unreadable {
            unreadable.add_row([part, reason]);
        }
        writeln!(formatter, "{unreadable}")
    }
}

impl fmt::Display for UnfinishedState {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::InProgress => "in progress",
            Self::Overdue => "overdue",
            Self::Failed => "failed",
        })
    }
}

fn table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY).set_header(header);
    table
}

#[cfg(test)]
mod tests;
