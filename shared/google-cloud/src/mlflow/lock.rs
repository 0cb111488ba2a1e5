//! A lock that is an object in the store.
//!
//! A conditional write acquires the lock, so only one of two competitors succeeds. While the work
//! goes on, the holder renews the lock, so slow services do not end it. If a holder dies, another
//! process acquires the lock [`WORK_LIMIT`] plus [`MARGIN`] after its last renewal.
//!
//! The time of the expiry comes from the holder's clock, which may be slow. Another process therefore
//! watches an expired lock for half of the work limit, in which a live holder renews it, and acquires
//! it only if it is unchanged.
//!
//! The generation of the object is a fence: before each change, the work checks that the object
//! still has the generation that its holder wrote. A holder that has lost the lock, for example
//! because its process was suspended, therefore changes nothing. Acquiring the lock never blocks
//! forever, even if a simulated clock stands still.

mod held;

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

use self::held::Deadlines;
use crate::{ATTEMPT_TIME_LIMIT, TIME_LIMIT};

pub(super) use held::Held;

/// The time from a renewal to the end of the work, unless the lock is renewed again.
const WORK_LIMIT: Duration = Duration::from_secs(TIME_LIMIT.as_secs() / 2);
/// The time limit for acquiring the lock.
const WAIT_LIMIT: Duration = WORK_LIMIT;
/// The time limit of the work, renewals included.
const TOTAL_LIMIT: Duration = Duration::from_secs(TIME_LIMIT.as_secs() * 4);
/// The number of renewals that may fail before the lock expires.
const RENEWALS_PER_LIMIT: u32 = 3;
/// The time between the end of the work and the takeover of the lock. It exceeds the duration of any
/// request in flight at the deadline.
const MARGIN: Duration = ATTEMPT_TIME_LIMIT;
/// The clock difference between two machines beyond which a lock counts as one of a wrong clock.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(300);
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
        /// The time after which another process may acquire the lock, unless it is renewed.
        expires: Timestamp,
    },
    /// The lock is free.
    Free {
        /// The time of the release.
        since: Timestamp,
    },
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
    /// The lock expires later than any lock does.
    #[error(
        "the lock {address} is held to {purpose} until {expires}, which is later than any lock lasts; if no process is at \
         work, break it with `bike-traffic registry-unlock`"
    )]
    WrongClock {
        address: String,
        purpose: String,
        expires: Timestamp,
    },
    /// Another program or a person wrote the object.
    #[error(
        "the lock {address} has invalid contents; if no process is at work, break it with `bike-traffic registry-unlock`"
    )]
    Malformed {
        address: String,
        source: Box<dyn std::error::Error + Send + Sync>,
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
        // The total delay leaves out the time of the attempts, which may watch the lock.
        let deadline = Instant::now() + self.wait_limit;
        (|| self.try_acquire(purpose, &key))
            .retry(backoff)
            .when(|error| error.is_retryable() && Instant::now() < deadline)
            .await
    }

    async fn try_acquire(&self, purpose: &str, key: &str) -> Result<Held, LockError> {
        let address = || self.store.address_of(&self.path);
        let now = self.clock.now();
        let condition = match read_json(&*self.store, &self.path).await {
            Err(StoreError::NotFound { .. }) => Condition::Absent,
            Err(StoreError::Malformed { address, source }) => {
                return Err(LockError::Malformed { address, source });
            }
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
                return Err(self.held_by_another(purpose, since, expires));
            }
            Ok((entry, generation)) => {
                if entry.is_of_another(key) {
                    sleep(self.watch_time()).await;
                }
                Condition::Unchanged(generation)
            }
        };
        // Before the lock is written, so that the time of the write counts towards the work limit.
        let now = self.clock.now();
        let (entry, deadlines) = self.entry(purpose, key, None);
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

    fn held_by_another(&self, purpose: String, since: Timestamp, expires: Timestamp) -> LockError {
        let address = self.store.address_of(&self.path);
        let longest = self.work_limit + MARGIN + CLOCK_TOLERANCE;
        let latest = self.clock.now().saturating_add(longest);
        if expires > latest.unwrap_or(Timestamp::MAX) {
            return LockError::WrongClock {
                address,
                purpose,
                expires,
            };
        }
        LockError::Held {
            address,
            purpose,
            since,
            expires,
        }
    }

    /// Describes the lock if it keeps other processes waiting.
    pub(super) async fn describe(&self) -> Result<Option<String>, LockError> {
        Ok(self
            .obstacle()
            .await?
            .map(|(obstacle, _)| obstacle.to_string()))
    }

    /// Releases the lock of another process, and describes it. Its holder fails its next check.
    pub(super) async fn break_open(&self) -> Result<Option<String>, LockError> {
        let Some((obstacle, generation)) = self.obstacle().await? else {
            return Ok(None);
        };
        let since = self.clock.now();
        let condition = Condition::Unchanged(generation);
        match write_json(&*self.store, &self.path, &Entry::Free { since }, condition).await {
            Ok(_) => Ok(Some(obstacle.to_string())),
            Err(StoreError::ConditionFailed { address }) => Err(LockError::Race { address }),
            Err(error) => Err(error.into()),
        }
    }

    /// Returns the error of an attempt to acquire the lock now, with the object's generation.
    async fn obstacle(&self) -> Result<Option<(LockError, Generation)>, LockError> {
        let object = match self.store.read(&self.path).await {
            Ok(object) => object,
            Err(StoreError::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let obstacle = match serde_json::from_slice(&object.bytes) {
            Ok(Entry::Held {
                purpose,
                since,
                expires,
                ..
            }) if expires > self.clock.now() => self.held_by_another(purpose, since, expires),
            Ok(Entry::Held { .. } | Entry::Free { .. }) => return Ok(None),
            Err(error) => LockError::Malformed {
                address: self.store.address_of(&self.path),
                source: error.into(),
            },
        };
        Ok(Some((obstacle, object.generation)))
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
            expires: after(self.work_limit + MARGIN - self.watch_time()),
        };
        let until = after(self.work_limit);
        (entry, Deadlines { deadline, until })
    }

    /// Returns the time for which an expired lock is watched. It exceeds the time between two renewals.
    fn watch_time(&self) -> Duration {
        self.work_limit / 2
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

impl Entry {
    fn is_of_another(&self, own_key: &str) -> bool {
        matches!(self, Self::Held { key, .. } if key != own_key)
    }
}

impl LockError {
    const fn is_retryable(&self) -> bool {
        matches!(self, Self::Held { .. } | Self::Race { .. })
    }
}

#[cfg(test)]
mod tests;
