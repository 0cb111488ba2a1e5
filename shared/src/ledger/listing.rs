//! Lists of ledger entries.

use std::sync::Arc;

use jiff::Timestamp;

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

/// Returns `true` if a delivery holds the lease of an event at the time `now`.
///
/// # Errors
/// Returns an error if the store fails.
pub async fn is_in_progress(
    store: &dyn Store,
    function: Function,
    event_id: &EventId,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let path = ObjectPath::new(format_args!("ledger/{function}/{event_id}.json"));
    match read_json(store, &path).await {
        Ok((Entry::InProgress { expires, .. }, _)) => Ok(expires > now),
        Ok(_) | Err(StoreError::NotFound { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

const READS_AT_ONCE: usize = 32;

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
