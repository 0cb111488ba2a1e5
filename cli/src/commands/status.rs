//! `bike-traffic status`: the versions, the last events and the problems of a deployment.

mod display;
mod unreadable;

use std::collections::BTreeMap;

use anyhow::bail;
use clap::Args;
use jiff::SignedDuration;
use serde::Serialize;
use shared::{
    Timestamp,
    audit::AuditRow,
    bus::dead_letter::EVENT_ID_ATTRIBUTE,
    event::{EventId, Function},
    ledger::{self, Entry, Unfinished},
    ports::Ports,
    registry::{self, Alias, ModelVersion, RunName, Version},
    store::StoreError,
};

use crate::{
    args::{Since, StateArguments},
    support::{
        dead_letters::{DeadLetter, DeadLetters},
        progress, stdout,
    },
};
use unreadable::{LEDGER, readable};

pub use shared::ledger::{UnfinishedState, UnfinishedStatus};
pub use unreadable::Unreadable;

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
  bike-traffic status --since 2021-07-19
  bike-traffic status --cloud --json | jq .unfinished
  bike-traffic status --cloud --since 36h

The first line names the local state. A period such as 7d ends with the last event of a local \
state, because the dates of a simulated run lie in the past, and now with --cloud.

If a part cannot be read, the others are shown, the reason is named, and the exit code is 1.")]
pub struct StatusArguments {
    /// The local state.
    #[command(flatten)]
    pub state: StateArguments,
    /// Show the services that the environment variables name, as the functions do: GCS_BUCKET,
    /// GOOGLE_CLOUD_PROJECT, MLFLOW_TRACKING_URI and the others in docs/settings.md.
    #[arg(long)]
    pub cloud: bool,
    /// Show events and audit rows since this day, this instant, or for this period, as in 7d or 36h
    /// [default: 30d].
    #[arg(long, value_name = "TIME")]
    pub since: Option<Since>,
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
    /// The reason why the functions have no champion, with the next command: there is none, it was
    /// deleted, or its version has no run of bike-traffic.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub champion_problem: Option<String>,
    /// The address of the page that shows the training runs, if the registry has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runs_page: Option<String>,
    /// The most recent versions and all versions with an alias, newest first; `None` if the registry
    /// cannot be read.
    pub versions: Option<Vec<VersionStatus>>,
    /// The address of the on-call page, if it was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page: Option<String>,
    /// The functions in the order of the event flow.
    pub functions: Vec<FunctionStatus>,
    /// The events that were started and are not complete, with those that are dead letters; `None`
    /// if the ledger cannot be listed.
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
    /// The number of messages that the bus of a local state has not delivered; `None` if it cannot be
    /// read, and on Pub/Sub.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waiting: Option<usize>,
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

/// Runs the command.
pub(crate) async fn command(arguments: StatusArguments) -> anyhow::Result<()> {
    let opened = arguments.state.open_chosen(arguments.cloud, arguments.json);
    let (target, ports) = opened.await?;
    let dead_letters = DeadLetters::open(&target).await?;
    let since = start_of_period(&ports, arguments.since, target.cloud).await;
    let status = read_status(&ports, &dead_letters, Some(since));
    let status = progress::noting(
        "reading registry, audit log, ledger and dead letters",
        status,
    )
    .await;
    stdout::print(&status, arguments.json)?;
    match &status.unreadable[..] {
        [] => Ok(()),
        [first, others @ ..] => bail!(
            "the status is incomplete: {}: {}{}; {}",
            first.part,
            first.reason,
            match others.len() {
                0 => String::new(),
                more => format!(", and {more} more"),
            },
            first.advice
        ),
    }
}

/// Returns the start of the period to show. It ends now or, in a local state, with the last audit
/// row: the dates of a simulated run lie in the past.
async fn start_of_period(ports: &Ports, since: Option<Since>, cloud: bool) -> Timestamp {
    let now = ports.clock.now();
    let mut last = None;
    if !cloud {
        // The status names a log that cannot be read.
        let log = ports.warehouse.audit_log().await.unwrap_or_default();
        last = log.iter().map(|row| row.timestamp).max();
    }
    let end = last.map_or(now, |last| last.min(now));
    since.unwrap_or(Since::Before(DEFAULT_PERIOD)).start(end)
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
    let lock = ports.registry.describe_lock().await;
    let registry_lock = readable("registry lock", lock, &mut unreadable).flatten();
    let versions = readable("versions", versions(ports).await, &mut unreadable);
    let mut champion_problem = None;
    if versions.is_some() {
        let problem = registry::find_champion_problem(&*ports.registry).await;
        champion_problem = readable("champion", problem, &mut unreadable).flatten();
    }
    let page = readable("on-call page", find_page(ports).await, &mut unreadable).flatten();
    // A registry that cannot be read is named above.
    let runs_page = ports.registry.runs_page().await.unwrap_or_default();
    let log = ports.warehouse.audit_log_since(since).await;
    let log = readable("audit log", log, &mut unreadable);
    let (functions, known_dead_letters) =
        read_functions(dead_letters, log.as_deref(), &mut unreadable).await;
    let entries = ledger::each_unfinished_since(&ports.store, since).await;
    let unfinished = readable(LEDGER, entries, &mut unreadable).map(|entries| {
        let known = entries
            .into_iter()
            .filter_map(|entry| readable(LEDGER, entry, &mut unreadable));
        known
            .filter(|unfinished| is_open(unfinished, &known_dead_letters))
            .filter_map(|unfinished| UnfinishedStatus::of(unfinished, at))
            .collect()
    });
    Status {
        at,
        since,
        registry_lock,
        champion_problem,
        runs_page,
        versions,
        page,
        functions,
        unfinished,
        unreadable,
    }
}

/// Returns the status of each function, and the dead letters of the functions whose dead letters can
/// be read.
async fn read_functions(
    bus: &DeadLetters,
    log: Option<&[AuditRow]>,
    unreadable: &mut Vec<Unreadable>,
) -> (Vec<FunctionStatus>, BTreeMap<Function, Vec<DeadLetter>>) {
    let last = |function: Function| {
        let rows = log?.iter().filter(|row| row.function == function);
        Some(rows.max_by_key(|row| row.timestamp).map(LastEvent::of))
    };
    let mut known_dead_letters = BTreeMap::new();
    let mut functions = Vec::new();
    for (function, dead_letters) in Function::ALL.into_iter().zip(bus.of_each().await) {
        let part = format!("dead letters of {function}");
        let dead_letters = readable(&part, dead_letters, unreadable);
        let part = format!("waiting messages of {function}");
        let waiting = bus.waiting(function).await;
        let waiting = readable(&part, waiting, unreadable).flatten();
        functions.push(FunctionStatus {
            function,
            last: last(function),
            dead_letters: dead_letters.as_ref().map(Vec::len),
            waiting,
        });
        known_dead_letters.extend(dead_letters.map(|dead_letters| (function, dead_letters)));
    }
    (functions, known_dead_letters)
}

/// Returns `false` for a message that was replaced: it had no valid event, so its entry is named by
/// its message id, and its dead letter was republished or removed.
///
/// `dead_letters` are those of the functions whose dead letters can be read. The messages of other
/// functions count as open.
fn is_open(unfinished: &Unfinished, dead_letters: &BTreeMap<Function, Vec<DeadLetter>>) -> bool {
    let event_id = unfinished.event_id.to_string();
    let is_message = matches!(unfinished.entry, Entry::DeadLettered { .. })
        && event_id.starts_with(MESSAGE_PREFIX);
    let Some(dead_letters) = dead_letters.get(&unfinished.function) else {
        return true;
    };
    let is_of_message = |dead_letter: &DeadLetter| {
        dead_letter.attributes.get(EVENT_ID_ATTRIBUTE) == Some(&event_id)
    };
    !is_message || dead_letters.iter().any(is_of_message)
}

/// Returns the address of the on-call page, or `None` if no function has written it yet.
async fn find_page(ports: &Ports) -> Result<Option<String>, StoreError> {
    let path = ::report::index::path();
    let address = ports.store.web_address_of(&path);
    Ok(ports.store.generation(&path).await?.map(|_| address))
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

#[cfg(test)]
mod tests;
