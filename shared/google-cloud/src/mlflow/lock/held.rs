//! An acquired lock, with its renewals and its check.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use shared::store::{Condition, Generation, StoreError, read_json, write_json};
use tokio::{
    sync::Mutex,
    time::{Instant, sleep},
};

use super::{Entry, Lock, LockError, RENEWALS_PER_LIMIT};

/// An acquired lock.
#[derive(Clone)]
pub(in crate::mlflow) struct Held {
    pub(super) lock: Lock,
    pub(super) purpose: String,
    pub(super) key: String,
    pub(super) since: Timestamp,
    pub(super) lease: Arc<Mutex<Lease>>,
}

/// The last renewal of an acquired lock.
#[derive(Clone, Copy)]
pub(super) struct Lease {
    /// The generation of the object after the renewal.
    pub(super) generation: Generation,
    /// The deadline on the monotonic clock, which is unaffected by changes of the wall clock.
    deadline: Instant,
    /// The deadline on the wall clock, which advances while the machine is suspended.
    until: Timestamp,
}

impl Held {
    /// Returns an error if the time limit has passed, or if the object is no longer the one that
    /// this holder wrote.
    pub(in crate::mlflow) async fn check(&self) -> Result<(), LockError> {
        // Holding the guard delays a concurrent renewal, which would change the generation.
        let lease = self.lease.lock().await;
        self.check_time(&lease)?;
        let present = self.lock.store.generation(&self.lock.path).await?;
        if present != Some(lease.generation) {
            return Err(self.lost());
        }
        // The store may have been slow.
        self.check_time(&lease)
    }

    fn check_time(&self, lease: &Lease) -> Result<(), LockError> {
        if Instant::now() < lease.deadline && self.lock.clock.now() < lease.until {
            return Ok(());
        }
        Err(self.too_slow(self.lock.work_limit))
    }

    /// Renews the lock again and again. Returns the error that prevents it.
    pub(super) async fn renew_always(&self) -> LockError {
        loop {
            sleep(self.lock.work_limit / RENEWALS_PER_LIMIT).await;
            match self.renew().await {
                Ok(()) => {}
                // The next renewal may succeed before the deadline.
                Err(LockError::Store(error)) => tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "cannot renew lock"
                ),
                Err(error) => return error,
            }
        }
    }

    pub(super) async fn renew(&self) -> Result<(), LockError> {
        let mut lease = self.lease.lock().await;
        self.check_time(&lease)?;
        let Lock { store, path, .. } = &self.lock;
        let (entry, next) = self.lock.entry(&self.purpose, &self.key, Some(self.since));
        let condition = Condition::Unchanged(lease.generation);
        let generation = match write_json(&**store, path, &entry, condition).await {
            Ok(generation) => generation,
            // The response to a successful write may have been lost.
            Err(StoreError::ConditionFailed { .. }) => match read_json(&**store, path).await? {
                (Entry::Held { key, .. }, generation) if key == self.key => generation,
                _ => return Err(self.lost()),
            },
            Err(error) => return Err(error.into()),
        };
        *lease = next.at(generation);
        Ok(())
    }

    fn lost(&self) -> LockError {
        LockError::Lost {
            address: self.lock.store.address_of(&self.lock.path),
            purpose: self.purpose.clone(),
        }
    }

    pub(super) fn too_slow(&self, limit: Duration) -> LockError {
        LockError::TooSlow {
            purpose: self.purpose.clone(),
            seconds: limit.as_secs(),
        }
    }
}

/// The deadlines of a lease whose write is under way.
pub(super) struct Deadlines {
    pub(super) deadline: Instant,
    pub(super) until: Timestamp,
}

impl Deadlines {
    pub(super) const fn at(&self, generation: Generation) -> Lease {
        Lease {
            generation,
            deadline: self.deadline,
            until: self.until,
        }
    }
}
