//! The ledger: the state of each event of each function. It makes handling idempotent.
//!
//! Pub/Sub delivers at least once. Before a handler runs, the ledger records its event as in
//! progress, on condition that no other delivery has done so. Afterwards it records the event as
//! complete, with the events that the handler published. A repeated delivery finds one of four
//! states:
//!
//! - complete: the delivery publishes the recorded events again, because the first one may have
//!   failed before publishing them;
//! - dead-lettered: the message failed permanently and is a dead letter; only a republished or new
//!   message acquires the entry;
//! - in progress: another delivery is running, so this one is retried later;
//! - expired or released: the delivery acquires the entry. The condition on the entry's generation
//!   ensures that only one of several concurrent deliveries succeeds.
//!
//! A lease is short, so that a later delivery can acquire the entry before the bus exhausts its
//! attempts. The runtime renews the lease while the handler runs. The entry's generation is a
//! fence: [`Ledger::confirm`] fails as soon as another delivery has acquired the entry, so a process
//! that was paused longer than its lease neither writes nor completes.

mod listing;

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

pub use listing::{
    Unfinished, UnfinishedState, UnfinishedStatus, each_unfinished_since, last_completed,
    unfinished, unfinished_since,
};

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
    /// The message failed permanently and was published as a dead letter.
    DeadLettered {
        /// The time of the failure.
        at: Timestamp,
        /// The error, with all causes.
        reason: String,
        /// The checksum of the message. It tells a repeated delivery of that message from another
        /// message with the same event.
        #[serde(default)]
        message: String,
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
    /// The event is a dead letter. [`Ledger::claim_again`] acquires it nevertheless.
    DeadLettered {
        /// The time of the failure.
        at: Timestamp,
        /// The checksum of the message that failed; empty if it is not known.
        message: String,
    },
}

/// The exclusive right to handle an event, until it is completed or released.
#[derive(Debug)]
#[must_use]
pub struct Lease {
    path: ObjectPath,
    since: Timestamp,
    expires: Timestamp,
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

    /// Records an event as in progress, unless another delivery holds or has completed it, or it is
    /// a dead letter.
    ///
    /// # Errors
    /// Returns an error if the store fails. A lost race is not an error: it returns
    /// [`Claim::InProgress`].
    pub async fn claim(&self, event_id: &EventId, now: Timestamp) -> Result<Claim, StoreError> {
        self.acquire(event_id, now, false).await
    }

    /// Records an event as in progress, also if it is a dead letter. The message of the delivery is
    /// not the one that failed: it was republished, or published later.
    ///
    /// # Errors
    /// Returns the errors of [`Ledger::claim`].
    pub async fn claim_again(
        &self,
        event_id: &EventId,
        now: Timestamp,
    ) -> Result<Claim, StoreError> {
        self.acquire(event_id, now, true).await
    }

    async fn acquire(
        &self,
        event_id: &EventId,
        now: Timestamp,
        with_dead_letters: bool,
    ) -> Result<Claim, StoreError> {
        let path = self.path(event_id);
        let condition = match read_json(&*self.store, &path).await {
            Err(StoreError::NotFound { .. }) => Condition::Absent,
            Err(error) => return Err(error),
            Ok((Entry::Complete { events, .. }, _)) => return Ok(Claim::Completed(events)),
            Ok((Entry::InProgress { expires, .. }, _)) if expires > now => {
                return Ok(Claim::InProgress { expires });
            }
            Ok((Entry::DeadLettered { at, message, .. }, _)) if !with_dead_letters => {
                return Ok(Claim::DeadLettered { at, message });
            }
            Ok((
                Entry::InProgress { .. } | Entry::Released { .. } | Entry::DeadLettered { .. },
                generation,
            )) => Condition::Unchanged(generation),
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
                expires,
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
        let expires = self.expiry(now);
        let entry = Entry::InProgress {
            since: lease.since,
            expires,
        };
        let condition = Condition::Unchanged(lease.generation);
        lease.generation = write_json(&*self.store, &lease.path, &entry, condition).await?;
        lease.expires = expires;
        Ok(())
    }

    /// Checks that the lease is still held. Call it right before a write that must not be repeated
    /// or made by a process whose event was taken over.
    ///
    /// Compares the entry's generation. In the second half of the lease it renews the lease
    /// instead, so that nobody can acquire the entry between the check and the write.
    ///
    /// # Errors
    /// Returns [`StoreError::ConditionFailed`] if another delivery has acquired the entry, and an
    /// error if the store fails.
    pub async fn confirm(&self, lease: &mut Lease, now: Timestamp) -> Result<(), StoreError> {
        if lease.expires.duration_since(now) <= self.lease / 2 {
            return self.renew(lease, now).await;
        }
        if self.store.generation(&lease.path).await? == Some(lease.generation) {
            return Ok(());
        }
        Err(StoreError::ConditionFailed {
            address: self.store.address_of(&lease.path),
        })
    }

    /// Returns `true` if at most a quarter of a lease is left: too little for a write that follows
    /// its check.
    pub fn is_ending(&self, lease: &Lease, now: Timestamp) -> bool {
        lease.expires.duration_since(now) <= self.lease / 4
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

    /// Records that the message of an event is a dead letter. `message` is the checksum of the
    /// message.
    ///
    /// # Errors
    /// Returns the errors of [`Ledger::complete`].
    pub async fn dead_letter(
        &self,
        lease: &Lease,
        now: Timestamp,
        reason: &str,
        message: &str,
    ) -> Result<(), StoreError> {
        let entry = Entry::DeadLettered {
            at: now,
            reason: reason.to_owned(),
            message: message.to_owned(),
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

#[cfg(test)]
mod tests;
