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
//!   ensures that only one of several concurrent deliveries succeeds. If the entry has an outcome
//!   already, the delivery does not handle the event again, but continues after the decision.
//!
//! A lease is short, so that a later delivery can acquire the entry before the bus exhausts its
//! attempts. The runtime renews the lease while the handler runs. The entry's generation is a
//! fence: [`Ledger::confirm`] fails as soon as another delivery has acquired the entry, so a process
//! that was paused longer than its lease neither writes nor completes.

mod entry;
mod listing;
mod previous;

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

pub use entry::{Entry, RecordedEvent, RecordedOutcome};
pub use listing::{
    Unfinished, UnfinishedState, UnfinishedStatus, each_unfinished_since, last_completed,
    unfinished, unfinished_since,
};

use previous::Previous;

use crate::{
    address::ObjectPath,
    event::{EventId, Function},
    store::{Condition, Generation, Store, StoreError, read_json, write_json},
};

/// The ledger of one function.
#[derive(Clone)]
pub struct Ledger {
    store: Arc<dyn Store>,
    function: Function,
    lease: SignedDuration,
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
    first: Option<Timestamp>,
    expires: Timestamp,
    generation: Generation,
    dead_letter: Option<String>,
    outcome: Option<Box<RecordedOutcome>>,
}

impl Lease {
    /// Returns the start of the first handling of the event: whatever this event has written, it
    /// has written since. `None` if a version that did not record it began the event.
    pub const fn first(&self) -> Option<Timestamp> {
        self.first
    }

    /// Returns the checksum of the message that is a dead letter of the event, if there is one.
    pub fn dead_letter(&self) -> Option<&str> {
        self.dead_letter.as_deref()
    }

    /// Forgets the dead letter of the event, because it was republished. The entry forgets it with
    /// its next change.
    pub fn forget_dead_letter(&mut self) {
        self.dead_letter = None;
    }

    /// Returns the outcome that this or an earlier delivery has recorded.
    pub fn outcome(&self) -> Option<&RecordedOutcome> {
        self.outcome.as_deref()
    }

    /// Returns the entry of the lease, if it ended at `expires`.
    fn entry(&self, expires: Timestamp) -> Entry {
        Entry::InProgress {
            since: self.since,
            first: self.first,
            expires,
            dead_letter: self.dead_letter.clone(),
            outcome: self.outcome.clone(),
        }
    }
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
    /// not the one that failed: it was republished, or published later. The lease and the entry
    /// remember the dead letter; see [`Lease::dead_letter`].
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
        let previous = match read_json(&*self.store, &path).await {
            Err(StoreError::NotFound { .. }) => Previous::none(now),
            Err(error) => return Err(error),
            Ok((Entry::Complete { events, .. }, _)) => return Ok(Claim::Completed(events)),
            Ok((Entry::InProgress { expires, .. }, _)) if expires > now => {
                return Ok(Claim::InProgress { expires });
            }
            Ok((Entry::DeadLettered { at, message, .. }, _)) if !with_dead_letters => {
                return Ok(Claim::DeadLettered { at, message });
            }
            Ok((
                Entry::InProgress {
                    first,
                    dead_letter,
                    outcome,
                    ..
                }
                | Entry::Released {
                    first,
                    dead_letter,
                    outcome,
                    ..
                },
                generation,
            )) => Previous {
                condition: Condition::Unchanged(generation),
                first,
                dead_letter,
                outcome,
            },
            Ok((Entry::DeadLettered { message, .. }, generation)) => Previous {
                condition: Condition::Unchanged(generation),
                dead_letter: Some(message),
                ..Previous::none(now)
            },
        };
        self.start(path, now, previous).await
    }

    /// Records an event as in progress, if its entry is still the previous one.
    async fn start(
        &self,
        path: ObjectPath,
        now: Timestamp,
        previous: Previous,
    ) -> Result<Claim, StoreError> {
        let Previous {
            condition,
            first,
            dead_letter,
            outcome,
        } = previous;
        let expires = self.expiry(now);
        let entry = Entry::InProgress {
            since: now,
            first,
            expires,
            dead_letter: dead_letter.clone(),
            outcome: outcome.clone(),
        };
        match write_json(&*self.store, &path, &entry, condition).await {
            Ok(generation) => Ok(Claim::Acquired(Lease {
                path,
                since: now,
                first,
                expires,
                generation,
                dead_letter,
                outcome,
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
        let entry = lease.entry(expires);
        lease.generation = self.replace(&lease.path, lease.generation, &entry).await?;
        lease.expires = expires;
        Ok(())
    }

    /// Records the outcome of an event, and extends the lease. The entry has the outcome until it
    /// is complete or a dead letter, also for other deliveries.
    ///
    /// An outcome that the entry has already is not written again: the lease is only confirmed.
    ///
    /// # Errors
    /// Returns the errors of [`Ledger::confirm`].
    pub async fn record(
        &self,
        lease: &mut Lease,
        now: Timestamp,
        outcome: &RecordedOutcome,
    ) -> Result<(), StoreError> {
        if lease.outcome() == Some(outcome) {
            return self.confirm(lease, now).await;
        }
        let before = lease.outcome.replace(Box::new(outcome.clone()));
        let recorded = self.renew(lease, now).await;
        if recorded.is_err() {
            lease.outcome = before;
        }
        recorded
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
        self.replace(&lease.path, lease.generation, &entry)
            .await
            .map(drop)
    }

    /// Releases an event after a failure, so that the next delivery does not wait for the lease to
    /// expire. The entry keeps a recorded outcome, and continues to say that the event has a dead
    /// letter.
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
            first: lease.first,
            dead_letter: lease.dead_letter,
            outcome: lease.outcome,
        };
        self.replace(&lease.path, lease.generation, &entry)
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
        self.replace(&lease.path, lease.generation, &entry)
            .await
            .map(drop)
    }

    /// Writes an entry on the condition that it still has the generation of a lease.
    async fn replace(
        &self,
        path: &ObjectPath,
        generation: Generation,
        entry: &Entry,
    ) -> Result<Generation, StoreError> {
        let condition = Condition::Unchanged(generation);
        write_json(&*self.store, path, entry, condition).await
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
