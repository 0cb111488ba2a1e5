//! Lists of ledger entries.

use std::{fmt, sync::Arc};

use jiff::Timestamp;
use serde::Serialize;

use super::Entry;
use crate::{
    address::ObjectPath,
    event::{EventId, Function},
    store::{Store, StoreError, read_json},
};

/// An event that a function has begun but not completed; possibly a dead letter.
#[derive(Clone, Debug, PartialEq)]
pub struct Unfinished {
    /// The function that handles the event.
    pub function: Function,
    /// The id of the event.
    pub event_id: EventId,
    /// The state of the event, never [`Entry::Complete`].
    pub entry: Entry,
}

/// The state of an unfinished event at some time, for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
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

impl UnfinishedStatus {
    /// Returns the status of an event at `now`, or `None` if the event is complete.
    pub fn of(unfinished: Unfinished, now: Timestamp) -> Option<Self> {
        let Unfinished {
            function,
            event_id,
            entry,
        } = unfinished;
        let (state, since, reason) = match entry {
            Entry::InProgress { since, expires, .. } if expires > now => {
                (UnfinishedState::InProgress, since, None)
            }
            Entry::InProgress { since, .. } => (UnfinishedState::Overdue, since, None),
            Entry::Released { at, reason, .. } => (UnfinishedState::Failed, at, Some(reason)),
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

/// Returns the unfinished events of all functions, ordered by path.
///
/// # Errors
/// Returns an error if the store fails.
pub async fn unfinished(store: &Arc<dyn Store>) -> Result<Vec<Unfinished>, StoreError> {
    unfinished_since(store, Timestamp::MIN).await
}

/// Returns the unfinished events whose entry was written since an instant, as far as the store
/// knows write times. Skipping older entries saves reading those that were completed long ago.
///
/// # Errors
/// Returns an error if the store fails.
pub async fn unfinished_since(
    store: &Arc<dyn Store>,
    since: Timestamp,
) -> Result<Vec<Unfinished>, StoreError> {
    each_unfinished_since(store, since)
        .await?
        .into_iter()
        .collect()
}

/// Returns the events of [`unfinished_since`], and an error for each entry that cannot be read, so
/// that a single malformed entry does not hide the others.
///
/// # Errors
/// Returns an error if the entries cannot be listed.
pub async fn each_unfinished_since(
    store: &Arc<dyn Store>,
    since: Timestamp,
) -> Result<Vec<Result<Unfinished, StoreError>>, StoreError> {
    let mut found = Vec::new();
    for paths in store
        .list_written_since("ledger/", since)
        .await?
        .chunks(READS_AT_ONCE)
    {
        let reads: Vec<_> = paths
            .iter()
            .cloned()
            .map(|path| tokio::spawn(read_entry(Arc::clone(store), path)))
            .collect();
        for read in reads {
            let unfinished = read
                .await
                .unwrap_or_else(|stopped| std::panic::resume_unwind(stopped.into_panic()));
            found.extend(unfinished.transpose());
        }
    }
    Ok(found)
}

/// Returns the time at which a function last completed an event with this id, or with an id that
/// starts with it. A repeated ingest of a day has such an id.
///
/// # Errors
/// Returns an error if the store fails.
pub async fn last_completed(
    store: &dyn Store,
    function: Function,
    event_id: &EventId,
) -> Result<Option<Timestamp>, StoreError> {
    let mut last = None;
    for path in store.list(&format!("ledger/{function}/{event_id}")).await? {
        if let (Entry::Complete { at, .. }, _) = read_json(store, &path).await? {
            last = last.max(Some(at));
        }
    }
    Ok(last)
}

// Each read keeps a connection to the store open for a while.
const READS_AT_ONCE: usize = 16;

async fn read_entry(
    store: Arc<dyn Store>,
    path: ObjectPath,
) -> Result<Option<Unfinished>, StoreError> {
    let parts = path
        .as_str()
        .strip_prefix("ledger/")
        .and_then(|rest| rest.strip_suffix(".json")?.split_once('/'));
    let names = parts.and_then(|(function, id)| Some((function.parse().ok()?, id.parse().ok()?)));
    // Ignore objects that the ledger has not written.
    let Some((function, event_id)) = names else {
        return Ok(None);
    };
    match read_json::<Entry>(&*store, &path).await?.0 {
        Entry::Complete { .. } => Ok(None),
        entry => Ok(Some(Unfinished {
            function,
            event_id,
            entry,
        })),
    }
}
