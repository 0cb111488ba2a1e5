//! `bike-traffic status`: what whoever is on call wants to know first.

use std::{collections::BTreeMap, fmt, sync::Arc};

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
    support::{
        dead_letters::{DeadLetter, DeadLetters},
        stdout,
    },
};

/// How many of the last versions are shown.
const VERSIONS_SHOWN: usize = 8;
/// How far back is looked by default. The ledger and the audit log keep everything; messages are kept for a week.
const USUAL_SPAN: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Options of `status`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  bike-traffic status
  bike-traffic status --cloud --json | jq .unfinished
  bike-traffic status --cloud --since 2021-01-01T00:00:00Z")]
pub struct StatusArguments {
    /// The places to look at.
    #[command(flatten)]
    pub place: TargetArguments,
    /// Events and audit rows since this instant; those of the last 30 days if not given.
    #[arg(long, value_name = "TIME")]
    pub since: Option<Timestamp>,
    /// Print the status as JSON.
    #[arg(long)]
    pub json: bool,
}

/// The state of the system.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    /// When it was looked at.
    pub at: Timestamp,
    /// How far back.
    pub since: Timestamp,
    /// The last versions of the model, newest first, and whoever has an alias.
    pub versions: Vec<VersionStatus>,
    /// Each function, in the order of the flow.
    pub functions: Vec<FunctionStatus>,
    /// Events that were begun and are not complete.
    pub unfinished: Vec<UnfinishedStatus>,
}

/// A version of the model.
#[derive(Clone, Debug, Serialize)]
pub struct VersionStatus {
    /// Its number.
    pub version: Version,
    /// The aliases that point to it.
    pub aliases: Vec<Alias>,
    /// Its run.
    pub run: RunName,
    /// How it was trained: `champion` or `fine_tune`.
    pub training_type: Option<String>,
    /// Its mean absolute error on the fixed test set, in bicycles an hour.
    pub test_mae: Option<f64>,
}

/// A function.
#[derive(Clone, Debug, Serialize)]
pub struct FunctionStatus {
    /// Which.
    pub function: Function,
    /// The last event in its audit log, in the time that was looked at.
    pub last: Option<LastEvent>,
    /// How many dead letters it has.
    pub dead_letters: usize,
}

/// The last event of a function.
#[derive(Clone, Debug, Serialize)]
pub struct LastEvent {
    /// When it was decided.
    pub at: Timestamp,
    /// Its id.
    pub event_id: EventId,
    /// What was decided.
    pub decision: String,
    /// Why.
    pub reason: String,
}

/// An event that was begun and is not complete.
#[derive(Clone, Debug, Serialize)]
pub struct UnfinishedStatus {
    /// Which function began it.
    pub function: Function,
    /// The event.
    pub event_id: EventId,
    /// How it stands.
    pub state: UnfinishedState,
    /// Since when.
    pub since: Timestamp,
    /// With what it failed last.
    pub reason: Option<String>,
}

/// How an unfinished event stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum UnfinishedState {
    /// A delivery is being worked on.
    InProgress,
    /// The delivery that began it has died; the next one takes over.
    Overdue,
    /// The last delivery failed; the next one tries again.
    Failed,
}

/// Runs the command.
pub(crate) async fn command(arguments: StatusArguments) -> anyhow::Result<()> {
    let ports = arguments.place.open(Arc::new(SystemClock)).await?;
    let dead_letters = DeadLetters::open(&arguments.place).await?;
    let status = look(&ports, &dead_letters, arguments.since).await?;
    stdout::print(&status, arguments.json)
}

/// Looks at everything; at events as far back as `since`, or 30 days.
///
/// # Errors
/// When a port fails.
pub async fn look(
    ports: &Ports,
    dead_letters: &DeadLetters,
    since: Option<Timestamp>,
) -> anyhow::Result<Status> {
    let at = ports.clock.now();
    let since = since.unwrap_or_else(|| at.saturating_sub(USUAL_SPAN).unwrap_or(Timestamp::MIN));
    let log = ports.warehouse.audit_log_since(since).await?;
    let last = |function: Function| {
        log.iter()
            .filter(|row| row.function == function)
            .max_by_key(|row| row.timestamp)
    };
    let dead_letters = dead_letters.of_all().await?;
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
    let unfinished = ledger::unfinished_since(&ports.store, since).await?;
    let unfinished = unfinished
        .into_iter()
        .filter_map(|unfinished| UnfinishedStatus::of(unfinished, at))
        .collect();
    Ok(Status {
        at,
        since,
        versions: versions(ports).await?,
        functions,
        unfinished,
    })
}

async fn versions(ports: &Ports) -> anyhow::Result<Vec<VersionStatus>> {
    let mut aliases = BTreeMap::<Version, Vec<Alias>>::new();
    for alias in [Alias::Champion, Alias::Challenger, Alias::Previous] {
        if let Some(version) = ports.registry.alias(alias).await? {
            aliases.entry(version).or_default().push(alias);
        }
    }
    let all = ports.registry.versions().await?;
    let shown = |(position, known): &(usize, &ModelVersion)| {
        *position < VERSIONS_SHOWN || aliases.contains_key(&known.version)
    };
    let status = |(_, known): (usize, &ModelVersion)| VersionStatus {
        version: known.version,
        aliases: aliases.get(&known.version).cloned().unwrap_or_default(),
        run: known.run.name.clone(),
        training_type: known.run.tags.get("training_type").cloned(),
        test_mae: known.run.metrics.get("test_mae").copied(),
    };
    Ok(all
        .iter()
        .rev()
        .enumerate()
        .filter(shown)
        .map(status)
        .collect())
}

impl LastEvent {
    fn of(row: &AuditRow) -> Self {
        Self {
            at: row.timestamp,
            event_id: row.event_id.clone(),
            decision: row.decision.clone(),
            reason: row.reason.clone(),
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

impl fmt::Display for Status {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut versions = table(["version", "aliases", "run", "trained as", "test MAE"]);
        for known in &self.versions {
            versions.add_row([
                known.version.to_string(),
                known
                    .aliases
                    .iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
                    .join(", "),
                known.run.to_string(),
                known.training_type.clone().unwrap_or_default(),
                known
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
        let since = self.since.strftime("%Y-%m-%d %H:%M:%SZ");
        writeln!(formatter, "{versions}\nevents since {since}\n{functions}")?;
        if self.unfinished.is_empty() {
            return writeln!(formatter, "no event is in progress");
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
