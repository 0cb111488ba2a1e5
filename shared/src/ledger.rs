//! The ledger: which function has done which event. Twice is once.
//!
//! Pub/Sub delivers at least once, so before a handler runs, its event is entered as in progress, on condition that
//! nobody else has entered it; afterwards it is entered as complete, together with the events it led to. What a second
//! delivery sees:
//!
//! - complete: it publishes the recorded events again (the first one may have died before it did) and is done;
//! - in progress: somebody is at it, so it is to come again later;
//! - in progress but expired, or released after a failure: it takes the entry over. The condition on the entry's
//!   generation makes sure that of two deliveries which see the same expired entry only one does.
//!
//! A lease is short, so that a message whose delivery died is taken over before the bus gives up on it, and is renewed
//! while the handler works. A run that outlives its lease all the same finds its entry changed when it completes, and fails as a lost race does; what it wrote
//! is keyed by the event and has the same contents as what the other run writes.

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
    /// A delivery is being worked on.
    InProgress {
        /// When it began.
        since: Timestamp,
        /// When it counts as dead.
        expires: Timestamp,
    },
    /// The last delivery failed; the next may begin at once.
    Released {
        /// When it failed.
        at: Timestamp,
        /// With what.
        reason: String,
    },
    /// It is done.
    Complete {
        /// When it was done.
        at: Timestamp,
        /// What was decided.
        decision: String,
        /// What it led to.
        events: Vec<RecordedEvent>,
    },
}

/// An event as it was published, to be published again word for word.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RecordedEvent {
    /// Where to.
    pub topic: Topic,
    /// The JSON text.
    pub data: String,
}

/// What the ledger says to a delivery.
#[derive(Debug)]
#[must_use]
pub enum Claim {
    /// Go ahead.
    Acquired(Lease),
    /// All done before; these are the events it led to.
    Completed(Vec<RecordedEvent>),
    /// Another delivery is at it until then.
    InProgress {
        /// When that one counts as dead.
        expires: Timestamp,
    },
}

/// The right to work on an event, until it is completed or released.
#[derive(Debug)]
#[must_use]
pub struct Lease {
    path: ObjectPath,
    since: Timestamp,
    generation: Generation,
}

impl Ledger {
    /// Opens a function's ledger. A delivery counts as dead after `lease`.
    pub fn new(store: Arc<dyn Store>, function: Function, lease: SignedDuration) -> Self {
        Self {
            store,
            function,
            lease,
        }
    }

    /// Enters an event as in progress, if it may be worked on.
    ///
    /// # Errors
    /// When the store fails. A lost race is no error but [`Claim::InProgress`].
    pub async fn begin(&self, event_id: &EventId, now: Timestamp) -> Result<Claim, StoreError> {
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

    /// Puts off the expiry of an event that is being worked on.
    ///
    /// # Errors
    /// [`StoreError::ConditionFailed`] when the lease had expired and somebody else took over.
    pub async fn renew(&self, lease: &mut Lease, now: Timestamp) -> Result<(), StoreError> {
        let entry = Entry::InProgress {
            since: lease.since,
            expires: self.expiry(now),
        };
        let condition = Condition::Unchanged(lease.generation);
        lease.generation = write_json(&*self.store, &lease.path, &entry, condition).await?;
        Ok(())
    }

    /// Returns how long a delivery may be silent.
    pub const fn lease(&self) -> SignedDuration {
        self.lease
    }

    /// Enters an event as complete, with the events it led to.
    ///
    /// # Errors
    /// [`StoreError::ConditionFailed`] when the lease had expired and somebody else took over.
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

    /// Gives an event back after a failure, so that the next delivery need not wait for the lease to expire.
    ///
    /// # Errors
    /// As [`Ledger::complete`].
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
        let text = format!("ledger/{}/{event_id}.json", self.function);
        text.parse()
            .unwrap_or_else(|_| unreachable!("{text} is made of valid segments"))
    }
}

/// An event that was begun and is not complete.
#[derive(Clone, Debug, PartialEq)]
pub struct Unfinished {
    /// Which function began it.
    pub function: Function,
    /// The event.
    pub event_id: EventId,
    /// What the ledger says of it.
    pub entry: Entry,
}

/// Returns the events of all functions that were begun and are not complete, in the order of their paths.
///
/// # Errors
/// When the store fails.
pub async fn unfinished(store: &Arc<dyn Store>) -> Result<Vec<Unfinished>, StoreError> {
    unfinished_since(store, Timestamp::MIN).await
}

/// As [`unfinished`], without the events about which nothing was entered since an instant, as far as the store knows: of
/// what is there, most was completed long ago.
///
/// # Errors
/// When the store fails.
pub async fn unfinished_since(
    store: &Arc<dyn Store>,
    since: Timestamp,
) -> Result<Vec<Unfinished>, StoreError> {
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
                .unwrap_or_else(|stopped| std::panic::resume_unwind(stopped.into_panic()))?;
            found.extend(unfinished);
        }
    }
    Ok(found)
}

/// Returns when a function last completed an event about a subject: the event of that id, or one whose id goes on after
/// it, such as that of the same day again.
///
/// # Errors
/// When the store fails.
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
    let named = path
        .as_str()
        .strip_prefix("ledger/")
        .and_then(|rest| rest.strip_suffix(".json")?.split_once('/'));
    let names = named
        .and_then(|(function, id)| Some((function.parse().ok()?, id.to_owned().try_into().ok()?)));
    // What somebody else put there is none of ours.
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
