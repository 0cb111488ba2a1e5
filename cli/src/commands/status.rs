//! `bike-traffic status`: the versions, the last events and the problems of a deployment.

use std::{collections::BTreeMap, fmt, sync::Arc};

use clap::Args;
use comfy_table::{Table, presets::UTF8_HORIZONTAL_ONLY};
use jiff::SignedDuration;
use serde::Serialize;
use shared::{
    Timestamp,
    audit::AuditRow,
    bus::dead_letter::EVENT_ID_ATTRIBUTE,
    clock::SystemClock,
    event::{EventId, Function},
    ledger::{self, Entry, Unfinished},
    ports::Ports,
    registry::{Alias, ModelVersion, RunName, Version},
};

use crate::{
    args::TargetArguments,
    support::{
        dead_letters::{DeadLetter, DeadLetters},
        stdout,
    },
};

/// The number of most recent versions in the report.
const MAX_VERSIONS: usize = 8;
/// The default period of events and audit rows. The ledger and the audit log retain all of them.
const DEFAULT_PERIOD: SignedDuration = SignedDuration::from_hours(30 * 24);

/// The beginning of the event id of a message without a valid event.
const MESSAGE_PREFIX: &str = "message/";

/// Options of `status`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  bike-traffic status
  bike-traffic status --cloud --json | jq .unfinished
  bike-traffic status --cloud --since 2021-01-01T00:00:00Z")]
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
    /// The lock that keeps changes of the model registry waiting, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub registry_lock: Option<String>,
    /// The most recent versions and all versions with an alias, newest first.
    pub versions: Vec<VersionStatus>,
    /// The functions in the order of the event flow.
    pub functions: Vec<FunctionStatus>,
    /// The events that were started and are not complete, with those that are dead letters.
    pub unfinished: Vec<UnfinishedStatus>,
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
    /// The last audited event in the period; `None` if there is none.
    pub last: Option<LastEvent>,
    /// The number of dead letters.
    pub dead_letters: usize,
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
    /// The message is a dead letter; nothing happens before it is replayed or requested again.
    DeadLettered,
}

/// Runs the command.
pub(crate) async fn command(arguments: StatusArguments) -> anyhow::Result<()> {
    let ports = arguments.target.open(Arc::new(SystemClock)).await?;
    let dead_letters = DeadLetters::open(&arguments.target).await?;
    let status = read_status(&ports, &dead_letters, arguments.since).await?;
    stdout::print(&status, arguments.json)
}

/// Reads the status, with the events and audit rows since `since`; of the last 30 days if `None`.
///
/// # Errors
/// Returns an error if a port fails.
pub async fn read_status(
    ports: &Ports,
    dead_letters: &DeadLetters,
    since: Option<Timestamp>,
) -> anyhow::Result<Status> {
    let at = ports.clock.now();
    let since =
        since.unwrap_or_else(|| at.saturating_sub(DEFAULT_PERIOD).unwrap_or(Timestamp::MIN));
    let log = ports.warehouse.audit_log_since(since).await?;
    let last = |function: Function| {
        log.iter()
            .filter(|row| row.function == function)
            .max_by_key(|row| row.timestamp)
    };
    let dead_letters = dead_letters.of_all().await?;
    let unfinished = ledger::unfinished_since(&ports.store, since).await?;
    let unfinished = unfinished
        .into_iter()
        .filter(|unfinished| is_open(unfinished, &dead_letters))
        .filter_map(|unfinished| UnfinishedStatus::of(unfinished, at))
        .collect();
    let function = |(function, dead_letters): (Function, Vec<DeadLetter>)| FunctionStatus {
        function,
        last: last(function).map(LastEvent::of),
        dead_letters: dead_letters.len(),
    };
    let functions = Function::ALL
        .into_iter()
        .zip(dead_letters)
        .map(function)
        .collect();
    Ok(Status {
        at,
        since,
        // A failure is shown as such, because it says nothing of the rest.
        registry_lock: ports
            .registry
            .describe_lock()
            .await
            .unwrap_or_else(|error| Some(error.to_string())),
        versions: versions(ports).await?,
        functions,
        unfinished,
    })
}

/// Returns `false` for a message that was replaced: it had no valid event, so its entry is named by
/// its message id, and its dead letter was republished or removed.
fn is_open(unfinished: &Unfinished, dead_letters: &[Vec<DeadLetter>]) -> bool {
    let event_id = unfinished.event_id.to_string();
    let is_replaced = matches!(unfinished.entry, Entry::DeadLettered { .. })
        && event_id.starts_with(MESSAGE_PREFIX)
        && !dead_letters.iter().flatten().any(|dead_letter| {
            dead_letter.function == unfinished.function
                && dead_letter.attributes.get(EVENT_ID_ATTRIBUTE) == Some(&event_id)
        });
    !is_replaced
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
            Entry::DeadLettered { at, reason, .. } => {
                (UnfinishedState::DeadLettered, at, Some(reason))
            }
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

impl fmt::Display for Status {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut versions = table(["version", "aliases", "run", "trained as", "test MAE"]);
        for version in &self.versions {
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
        let mut functions = table(["function", "last event", "decision", "at", "dead letters"]);
        for status in &self.functions {
            let last =
                |text: fn(&LastEvent) -> String| status.last.as_ref().map(text).unwrap_or_default();
            functions.add_row([
                status.function.to_string(),
                last(|last| last.event_id.to_string()),
                last(|last| last.decision.clone()),
                last(|last| last.at.strftime("%Y-%m-%d %H:%M:%SZ").to_string()),
                status.dead_letters.to_string(),
            ]);
        }
        if let Some(lock) = &self.registry_lock {
            writeln!(formatter, "{lock}")?;
        }
        let since = self.since.strftime("%Y-%m-%d %H:%M:%SZ");
        writeln!(formatter, "{versions}\nevents since {since}\n{functions}")?;
        if self.unfinished.is_empty() {
            return writeln!(formatter, "no unfinished events");
        }
        let mut unfinished = table(["function", "unfinished event", "state", "since", "reason"]);
        for event in &self.unfinished {
            unfinished.add_row([
                event.function.to_string(),
                event.event_id.to_string(),
                event.state.to_string(),
                event.since.strftime("%Y-%m-%d %H:%M:%SZ").to_string(),
                event.reason.clone().unwrap_or_default(),
            ]);
        }
        writeln!(formatter, "{unfinished}")
    }
}

impl fmt::Display for UnfinishedState {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::InProgress => "in progress",
            Self::Overdue => "overdue",
            Self::Failed => "failed",
            Self::DeadLettered => "dead-lettered",
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
