//! A lock that is an object in the store.
//!
//! A conditional write acquires the lock, so only one of two competitors succeeds. If a holder
//! dies, the lock expires [`WORK_LIMIT`] plus [`MARGIN`] after it was acquired.
//!
//! Work under the lock ends well before the expiry, so that a holder that has lost the lock changes
//! nothing. The work is cancelled at its deadline. A suspended process is cancelled only after it
//! resumes, so the work also checks its deadline before each irreversible change. Acquiring the
//! lock never blocks forever, even if a simulated clock stands still.

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

/// The time limits for the work and for acquiring the lock; together they equal the time limit of a
/// service call.
const WORK_LIMIT: Duration = Duration::from_secs(TIME_LIMIT.as_secs() / 2);
const WAIT_LIMIT: Duration = WORK_LIMIT;
/// The time between the end of the work and the expiry of the lock. It exceeds the duration of any
/// request in flight at the deadline, and the clock difference between two machines.
const MARGIN: Duration = ATTEMPT_TIME_LIMIT;
/// The delay before the next attempt to acquire the lock; jitter adds at most as much again.
const PAUSE: Duration = Duration::from_millis(100);

/// A lock at a path in a store.
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
    /// A process holds the lock.
    Held {
        /// The work of the holder, as in "move an alias".
        purpose: String,
        /// A random key per acquisition, by which a holder recognizes its own lock.
        key: String,
        /// The time of the acquisition.
        since: Timestamp,
        /// The time after which another process may acquire the lock.
        expires: Timestamp,
    },
    /// The lock is free.
    Free {
        /// The time of the release.
        since: Timestamp,
    },
}

/// An acquired lock.
struct Acquired {
    generation: Generation,
    held: Held,
}

/// The time limit of work under the lock.
#[derive(Clone)]
pub(super) struct Held {
    purpose: String,
    limit: Duration,
    clock: Arc<dyn Clock>,
    /// The deadline on the monotonic clock, which is unaffected by changes of the wall clock.
    deadline: Instant,
    /// The deadline on the wall clock, which advances while the machine is suspended.
    until: Timestamp,
}

impl Held {
    /// Returns an error if the time limit has passed.
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

/// An error of the lock or of work under it.
#[derive(Debug, thiserror::Error)]
pub(super) enum LockError {
    /// Another process holds the lock.
    #[error("the lock {address} is held since {since} to {purpose}; it expires at {expires}")]
    Held {
        address: String,
        purpose: String,
        since: Timestamp,
        expires: Timestamp,
    },
    /// Another process acquired the lock first.
    #[error("other processes acquired the lock {address} first")]
    Race { address: String },
    /// The work exceeded its time limit and was cancelled. The lock is left to expire, since the
    /// last request may still be processed.
    #[error("cannot {purpose} within {seconds} s")]
    TooSlow { purpose: String, seconds: u64 },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Lock {
    /// Returns the lock at `path` in a store.
    pub(super) fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, path: ObjectPath) -> Self {
        Self {
            store,
            clock,
            path,
            work_limit: WORK_LIMIT,
            wait_limit: WAIT_LIMIT,
        }
    }

    /// Runs `work` while holding the lock.
    ///
    /// `purpose` describes the work, as in "move an alias". The work must call [`Held::check`]
    /// before each irreversible change.
    pub(super) async fn hold<T, Work>(
        &self,
        purpose: &str,
        work: impl FnOnce(Held) -> Work + Send,
    ) -> Result<T, LockError>
    where
        Work: Future<Output = T> + Send,
    {
        let acquired = self.acquire(purpose).await?;
        let Ok(result) = timeout_at(acquired.held.deadline, work(acquired.held.clone())).await
        else {
            return Err(acquired.held.too_slow());
        };
        self.release(acquired).await;
        Ok(result)
    }

    async fn acquire(&self, purpose: &str) -> Result<Acquired, LockError> {
        // The standard library's only source of randomness.
        let key = format!("{:016x}", RandomState::new().build_hasher().finish());
        let backoff = ExponentialBuilder::default()
            .with_factor(1.0)
            .with_min_delay(PAUSE)
            .with_jitter()
            .without_max_times()
            .with_total_delay(Some(self.wait_limit));
        (|| self.try_acquire(purpose, &key))
            .retry(backoff)
            .when(LockError::is_retryable)
            .await
    }

    async fn try_acquire(&self, purpose: &str, key: &str) -> Result<Acquired, LockError> {
        let address = || self.store.address_of(&self.path);
        // Read before the lock is written, so that the time of the write counts towards the work
        // limit.
        let (now, deadline) = (self.clock.now(), Instant::now() + self.work_limit);
        let condition = match read_json(&*self.store, &self.path).await {
            Err(StoreError::NotFound { .. }) => Condition::Absent,
            Err(error) => return Err(error.into()),
            // The holder's own key is present if the response to an earlier write was lost.
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
                Ok(Acquired { generation, held })
            }
            Err(StoreError::ConditionFailed { .. }) => Err(LockError::Race { address: address() }),
            Err(error) => Err(error.into()),
        }
    }

    /// Releases the lock. If this fails, the lock expires, and the work still counts as done.
    async fn release(&self, acquired: Acquired) {
        let entry = Entry::Free {
            since: self.clock.now(),
        };
        let written = write_json(
            &*self.store,
            &self.path,
            &entry,
            Condition::Unchanged(acquired.generation),
        )
        .await;
        if let Err(error) = written {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "cannot release lock"
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
