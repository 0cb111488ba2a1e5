//! The ledger: the state of each event of each function. It makes handling idempotent.
//!
//! Pub/Sub delivers at least once. Before a handler runs, the ledger records its event as in
//! progress, on condition that no other delivery has done so. Afterwards it records the event as
//! complete, with the events that the handler published. A repeated delivery finds one of three
//! states:
//!
//! - complete: the delivery publishes the recorded events again, because the first one may have
//!   failed before publishing them;
//! - in progress: another delivery is running, so this one is retried later;
//! - expired or released: the delivery acquires the entry. The condition on the entry's generation
//!   ensures that only one of several concurrent deliveries succeeds.
//!
//! A lease is short, so that a later delivery can acquire the entry before the bus exhausts its
//! attempts. The runtime renews the lease while the handler runs. A handler that outlives its lease
//! fails when it completes, because the entry's generation has changed. Its writes are keyed by the
//! event and equal those of the other run.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{
    address::ObjectPath,
    event::{EventId, Function, Topic},
    store::{Condition, Generation, Store, StoreError, read_json, write_json},
};

/// The ledger of one function.
#[derive(Clone)]
pub struct Ledger {
    store: Arc<dyn Store>,
    function: Function,
    lease: SignedDuration,
}

/// An entry of the ledger, stored at `ledger/FUNCTION/EVENT_ID.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum Entry {
    /// A delivery is being handled.
    InProgress {
        /// The start of the handling.
        since: Timestamp,
        /// The end of the lease.
        expires: Timestamp,
    },
    /// The last delivery failed; the next one can start immediately.
    Released {
        /// The time of the failure.
        at: Timestamp,
        /// The error, with all causes.
        reason: String,
    },
    /// The event has been handled.
    Complete {
        /// The time of completion.
        at: Timestamp,
        /// The decision, as in the audit log.
        decision: String,
        /// The events that the handler published.
        events: Vec<RecordedEvent>,
    },
}

/// A published event, stored so that it can be published again byte for byte.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RecordedEvent {
    /// The topic it was published to.
    pub topic: Topic,
    /// The event as JSON text.
    pub data: String,
}

/// The result of [`Ledger::claim`] for a delivery.
#[derive(Debug)]
#[must_use]
pub enum Claim {
    /// The delivery may handle the event.
    Acquired(Lease),
    /// The event was completed before and led to these events.
    Completed(Vec<RecordedEvent>),
    /// Another delivery is handling the event.
    InProgress {
        /// The end of that delivery's lease.
        expires: Timestamp,
    },
}

/// The exclusive right to handle an event, until it is completed or released.
#[derive(Debug)]
#[must_use]
pub struct Lease {
    path: ObjectPath,
    since: Timestamp,
    generation: Generation,
}

impl Ledger {
    /// Creates the ledger of a function. `lease` is the time after which an unrenewed entry
    /// expires.
    pub fn new(store: Arc<dyn Store>, function: Function, lease: SignedDuration) -> Self {
        Self {
            store,
            function,
            lease,
        }
    }

    /// Records an event as in progress, if no other delivery holds or has completed it.
    ///
    /// # Errors
    /// Returns an error if the store fails. A lost race is not an error: it returns
    /// [`Claim::InProgress`].
    pub async fn claim(&self, event_id: &EventId, now: Timestamp) -> Result<Claim, StoreError> {
        let path = self.path(event_id);
        let condition = match read_json(&*self.store, &path).await {
            Err(StoreError::NotFound { .. }) => Condition::Absent,
            Err(error) => return Err(error),
            Ok((Entry::Complete { events, .. }, _)) => return Ok(Claim::Completed(events)),
            Ok((Entry::InProgress { expires, .. }, _)) if expires > now => {
                return Ok(Claim::InProgress { expires });
            }
            Ok((Entry::InProgress { .. } | Entry::Released { .. }, generation)) => {
                Condition::Unchanged(generation)
            }
        };
        let expires = self.expiry(now);
        match write_json(
            &*self.store,
            &path,
            &Entry::InProgress {
                since: now,
                expires,
            },
            condition,
        )
        .await
        {
            Ok(generation) => Ok(Claim::Acquired(Lease {
                path,
                since: now,
                generation,
            })),
            Err(StoreError::ConditionFailed { .. }) => Ok(Claim::InProgress { expires }),
            Err(error) => Err(error),
        }
    }

    /// Extends the lease of an event in progress.
    ///
    /// # Errors
    /// Returns [`StoreError::ConditionFailed`] if the lease has expired and another delivery has
    /// acquired it.
    pub async fn renew(&self, lease: &mut Lease, now: Timestamp) -> Result<(), StoreError> {
        let entry = Entry::InProgress {
            since: lease.since,
            expires: self.expiry(now),
        };
        let condition = Condition::Unchanged(lease.generation);
        lease.generation = write_json(&*self.store, &lease.path, &entry, condition).await?;
        Ok(())
    }

    /// Returns the duration of a lease.
    pub const fn lease(&self) -> SignedDuration {
        self.lease
    }

    /// Records an event as complete, with the events it led to.
    ///
    /// # Errors
    /// Returns [`StoreError::ConditionFailed`] if the lease has expired and another delivery has
    /// acquired it.
    pub async fn complete(
        &self,
        lease: &Lease,
        now: Timestamp,
        decision: &str,
        events: &[RecordedEvent],
    ) -> Result<(), StoreError> {
        let entry = Entry::Complete {
            at: now,
            decision: decision.to_owned(),
            events: events.to_vec(),
        };
        write_json(
            &*self.store,
            &lease.path,
            &entry,
            Condition::Unchanged(lease.generation),
        )
        .await
        .map(drop)
    }

    /// Releases an event after a failure, so that the next delivery does not wait for the lease to
    /// expire.
    ///
    /// # Errors
    /// Returns the errors of [`Ledger::complete`].
    pub async fn release(
        &self,
        lease: Lease,
        now: Timestamp,
        reason: &str,
    ) -> Result<(), StoreError> {
        let entry = Entry::Released {
            at: now,
            reason: reason.to_owned(),
        };
        write_json(
            &*self.store,
            &lease.path,
            &entry,
            Condition::Unchanged(lease.generation),
        )
        .await
        .map(drop)
    }

    fn expiry(&self, now: Timestamp) -> Timestamp {
        now.saturating_add(self.lease).unwrap_or(Timestamp::MAX)
    }

    fn path(&self, event_id: &EventId) -> ObjectPath {
        ObjectPath::new(format_args!("ledger/{}/{event_id}.json", self.function))
    }
}

/// An event that a function has begun but not completed.
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

#[cfg(test)]
mod tests;
