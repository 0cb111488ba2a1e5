//! A lock that is one object in the store.
//!
//! It is taken by a write on condition that the object is as it was read, so of two that want it one gets it. A holder
//! that dies leaves it behind; then it expires, [`WORK_LIMIT`] and [`MARGIN`] after it was taken. The work under the lock
//! ends well before, so that whoever has lost the lock changes nothing any more: it is broken off, and looks at its time
//! once more before a change that cannot be taken back, since a process that stood still is not broken off before it has
//! gone on. The lock never waits for ever, not even where a simulated clock stands still.

use std::{
    future::Future,
    hash::{BuildHasher, Hasher, RandomState},
    sync::Arc,
    time::Duration,
};

use backon::{ExponentialBuilder, Retryable};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use shared::{
    address::ObjectPath,
    clock::Clock,
    store::{Condition, Generation, Store, StoreError, read_json, write_json},
};
use tokio::time::{Instant, timeout_at};

use crate::{ATTEMPT_TIME_LIMIT, TIME_LIMIT};

/// How long the work may take, and how long the lock is waited for: together as long as a call to a service.
const WORK_LIMIT: Duration = Duration::from_secs(TIME_LIMIT.as_secs() / 2);
const WAIT_LIMIT: Duration = WORK_LIMIT;
/// How much longer than the work the lock holds: no request that is under way when the time is up lasts longer, and the
/// clocks of two machines differ by less.
const MARGIN: Duration = ATTEMPT_TIME_LIMIT;
/// The pause before the next look at a lock that is taken; a random one as long at most is added.
const PAUSE: Duration = Duration::from_millis(100);

/// A lock.
pub(super) struct Lock {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    path: ObjectPath,
    work_limit: Duration,
    wait_limit: Duration,
}

/// The contents of the object.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
enum Entry {
    /// Somebody has it.
    Held {
        /// What for.
        purpose: String,
        /// Which attempt to take the lock this is, to know one's own again.
        key: String,
        /// Since when.
        since: Timestamp,
        /// When the holder counts as dead.
        expires: Timestamp,
    },
    /// Nobody has it.
    Free {
        /// Since when.
        since: Timestamp,
    },
}

/// The lock in our hand.
struct Taken {
    generation: Generation,
    held: Held,
}

/// The time in which the work has to be done.
#[derive(Clone)]
pub(super) struct Held {
    purpose: String,
    limit: Duration,
    clock: Arc<dyn Clock>,
    /// By the time of the process, which goes on while the clock is set.
    deadline: Instant,
    /// By the clock, which goes on while the machine sleeps.
    until: Timestamp,
}

impl Held {
    /// Fails where the time is over.
    pub(super) fn check(&self) -> Result<(), LockError> {
        if Instant::now() < self.deadline && self.clock.now() < self.until {
            return Ok(());
        }
        Err(self.too_slow())
    }

    fn too_slow(&self) -> LockError {
        LockError::TooSlow {
            purpose: self.purpose.clone(),
            seconds: self.limit.as_secs(),
        }
    }
}

/// Why something was not done, or not to the end, under the lock.
#[derive(Debug, thiserror::Error)]
pub(super) enum LockError {
    /// Somebody else has the lock, and keeps it.
    #[error("the lock {address} is held to {purpose} since {since} and until {expires} at most")]
    Held {
        address: String,
        purpose: String,
        since: Timestamp,
        expires: Timestamp,
    },
    /// Somebody else was faster.
    #[error("the lock {address} was taken by others each time it was free")]
    Race { address: String },
    /// The work was broken off. The lock is left to expire, since the last request may still be carried out.
    #[error("it takes longer than {seconds} s to {purpose}")]
    TooSlow { purpose: String, seconds: u64 },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Lock {
    /// Keeps the lock at `path` of a store.
    pub(super) fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, path: ObjectPath) -> Self {
        Self {
            store,
            clock,
            path,
            work_limit: WORK_LIMIT,
            wait_limit: WAIT_LIMIT,
        }
    }

    /// Does some work while nobody else does any under this lock. `purpose` says what for, as in "move an alias". The work
    /// is to check before each change that cannot be taken back whether it still has time.
    pub(super) async fn hold<T, Work>(
        &self,
        purpose: &str,
        work: impl FnOnce(Held) -> Work + Send,
    ) -> Result<T, LockError>
    where
        Work: Future<Output = T> + Send,
    {
        let taken = self.take(purpose).await?;
        let Ok(result) = timeout_at(taken.held.deadline, work(taken.held.clone())).await else {
            return Err(taken.held.too_slow());
        };
        self.release(taken).await;
        Ok(result)
    }

    async fn take(&self, purpose: &str) -> Result<Taken, LockError> {
        // The standard library's way to random numbers.
        let key = format!("{:016x}", RandomState::new().build_hasher().finish());
        let backoff = ExponentialBuilder::default()
            .with_factor(1.0)
            .with_min_delay(PAUSE)
            .with_jitter()
            .without_max_times()
            .with_total_delay(Some(self.wait_limit));
        (|| self.try_take(purpose, &key))
            .retry(backoff)
            .when(LockError::is_retryable)
            .await
    }

    async fn try_take(&self, purpose: &str, key: &str) -> Result<Taken, LockError> {
        let address = || self.store.address_of(&self.path);
        // Read before the lock is written, so that the work does not gain the time that writing takes.
        let (now, deadline) = (self.clock.now(), Instant::now() + self.work_limit);
        let condition = match read_json(&*self.store, &self.path).await {
            Err(StoreError::NotFound { .. }) => Condition::Absent,
            Err(error) => return Err(error.into()),
            // One's own is there where the answer to the write was lost.
            Ok((
                Entry::Held {
                    purpose,
                    key: other,
                    since,
                    expires,
                },
                _,
            )) if expires > now && other != key => {
                return Err(LockError::Held {
                    address: address(),
                    purpose,
                    since,
                    expires,
                });
            }
            Ok((_, generation)) => Condition::Unchanged(generation),
        };
        let after = |time: Duration| now.saturating_add(time).unwrap_or(Timestamp::MAX);
        let expires = after(self.work_limit + MARGIN);
        let entry = Entry::Held {
            purpose: purpose.to_owned(),
            key: key.to_owned(),
            since: now,
            expires,
        };
        match write_json(&*self.store, &self.path, &entry, condition).await {
            Ok(generation) => {
                let (purpose, clock) = (purpose.to_owned(), Arc::clone(&self.clock));
                let held = Held {
                    purpose,
                    limit: self.work_limit,
                    clock,
                    deadline,
                    until: after(self.work_limit),
                };
                Ok(Taken { generation, held })
            }
            Err(StoreError::ConditionFailed { .. }) => Err(LockError::Race { address: address() }),
            Err(error) => Err(error.into()),
        }
    }

    /// Gives the lock back. Where this fails the lock expires, and the work is done all the same.
    async fn release(&self, taken: Taken) {
        let entry = Entry::Free {
            since: self.clock.now(),
        };
        let written = write_json(
            &*self.store,
            &self.path,
            &entry,
            Condition::Unchanged(taken.generation),
        )
        .await;
        if let Err(error) = written {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "cannot give the lock back"
            );
        }
    }
}

impl LockError {
    const fn is_retryable(&self) -> bool {
        matches!(self, Self::Held { .. } | Self::Race { .. })
    }
}

#[cfg(test)]
mod tests;
