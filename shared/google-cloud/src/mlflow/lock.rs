//! A lock that is an object in the store.
//!
//! A conditional write acquires the lock, so only one of two competitors succeeds. While the work
//! goes on, the holder renews the lock, so slow services do not end it. If a holder dies, the lock
//! expires [`WORK_LIMIT`] plus [`MARGIN`] after its last renewal.
//!
//! The generation of the object is a fence: before each change, the work checks that the object
//! still has the generation that its holder wrote. A holder that has lost the lock, for example
//! because its process was suspended, therefore changes nothing. Acquiring the lock never blocks
//! forever, even if a simulated clock stands still.

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
use tokio::{
    sync::Mutex,
    time::{Instant, sleep, timeout},
};

use crate::{ATTEMPT_TIME_LIMIT, TIME_LIMIT};

/// The time from a renewal to the end of the work, unless the lock is renewed again.
const WORK_LIMIT: Duration = Duration::from_secs(TIME_LIMIT.as_secs() / 2);
/// The time limit for acquiring the lock.
const WAIT_LIMIT: Duration = WORK_LIMIT;
/// The time limit of the work, renewals included.
const TOTAL_LIMIT: Duration = Duration::from_secs(TIME_LIMIT.as_secs() * 4);
/// The number of renewals that may fail before the lock expires.
const RENEWALS_PER_LIMIT: u32 = 3;
/// The time between the end of the work and the expiry of the lock. It exceeds the duration of any
/// request in flight at the deadline, and the clock difference between two machines.
const MARGIN: Duration = ATTEMPT_TIME_LIMIT;
/// The delay before the next attempt to acquire the lock; jitter adds at most as much again.
const PAUSE: Duration = Duration::from_millis(100);

/// A lock at a path in a store.
#[derive(Clone)]
pub(super) struct Lock {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    path: ObjectPath,
    work_limit: Duration,
    wait_limit: Duration,
    total_limit: Duration,
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
#[derive(Clone)]
pub(super) struct Held {
    lock: Lock,
    purpose: String,
    key: String,
    since: Timestamp,
    lease: Arc<Mutex<Lease>>,
}

/// The last renewal of an acquired lock.
#[derive(Clone, Copy)]
struct Lease {
    /// The generation of the object after the renewal.
    generation: Generation,
    /// The deadline on the monotonic clock, which is unaffected by changes of the wall clock.
    deadline: Instant,
    /// The deadline on the wall clock, which advances while the machine is suspended.
    until: Timestamp,
}

impl Held {
    /// Returns an error if the time limit has passed, or if the object is no longer the one that
    /// this holder wrote.
    pub(super) async fn check(&self) -> Result<(), LockError> {
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
    async fn renew_always(&self) -> LockError {
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

    async fn renew(&self) -> Result<(), LockError> {
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

    fn too_slow(&self, limit: Duration) -> LockError {
        LockError::TooSlow {
            purpose: self.purpose.clone(),
            seconds: limit.as_secs(),
        }
    }
}

/// The deadlines of a lease whose write is under way.
struct Deadlines {
    deadline: Instant,
    until: Timestamp,
}

impl Deadlines {
    const fn at(&self, generation: Generation) -> Lease {
        Lease {
            generation,
            deadline: self.deadline,
            until: self.until,
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
    /// Another process took the lock over, or broke it.
    #[error("cannot {purpose}: the lock {address} was lost to another process")]
    Lost { address: String, purpose: String },
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
            total_limit: TOTAL_LIMIT,
        }
    }

    /// Runs `work` while holding and renewing the lock.
    ///
    /// `purpose` describes the work, as in "move an alias". The work must call [`Held::check`]
    /// before each change.
    pub(super) async fn hold<T, Work>(
        &self,
        purpose: &str,
        work: impl FnOnce(Held) -> Work + Send,
    ) -> Result<T, LockError>
    where
        Work: Future<Output = T> + Send,
    {
        let held = self.acquire(purpose).await?;
        let work = timeout(self.total_limit, work(held.clone()));
        // The work comes first, so that a result counts although the lock is lost by now.
        let result = tokio::select! {
            biased;
            result = work => result,
            error = held.renew_always() => return Err(error),
        };
        let Ok(result) = result else {
            return Err(held.too_slow(self.total_limit));
        };
        self.release(held).await;
        Ok(result)
    }

    async fn acquire(&self, purpose: &str) -> Result<Held, LockError> {
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

    async fn try_acquire(&self, purpose: &str, key: &str) -> Result<Held, LockError> {
        let address = || self.store.address_of(&self.path);
        // Read before the lock is written, so that the time of the write counts towards the work
        // limit.
        let (entry, deadlines) = self.entry(purpose, key, None);
        let now = self.clock.now();
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
        match write_json(&*self.store, &self.path, &entry, condition).await {
            Ok(generation) => Ok(Held {
                lock: self.clone(),
                purpose: purpose.to_owned(),
                key: key.to_owned(),
                since: now,
                lease: Arc::new(Mutex::new(deadlines.at(generation))),
            }),
            Err(StoreError::ConditionFailed { .. }) => Err(LockError::Race { address: address() }),
            Err(error) => Err(error.into()),
        }
    }

    /// Returns the contents of the object for a holder, and its deadlines. The lock was acquired at
    /// `since`, or is acquired now.
    fn entry(&self, purpose: &str, key: &str, since: Option<Timestamp>) -> (Entry, Deadlines) {
        let (now, deadline) = (self.clock.now(), Instant::now() + self.work_limit);
        let after = |time: Duration| now.saturating_add(time).unwrap_or(Timestamp::MAX);
        let entry = Entry::Held {
            purpose: purpose.to_owned(),
            key: key.to_owned(),
            since: since.unwrap_or(now),
            expires: after(self.work_limit + MARGIN),
        };
        let until = after(self.work_limit);
        (entry, Deadlines { deadline, until })
    }

    /// Releases the lock. If this fails, the lock expires, and the work still counts as done.
    async fn release(&self, held: Held) {
        let generation = held.lease.lock().await.generation;
        let entry = Entry::Free {
            since: self.clock.now(),
        };
        let written = write_json(
            &*self.store,
            &self.path,
            &entry,
            Condition::Unchanged(generation),
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
