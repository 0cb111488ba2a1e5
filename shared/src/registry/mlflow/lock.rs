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
use tokio::time::{Instant, timeout_at};

use crate::{
    address::ObjectPath,
    clock::Clock,
    cloud::{ATTEMPT_TIME_LIMIT, TIME_LIMIT},
    store::{Condition, Generation, Store, StoreError, read_json, write_json},
};

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
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use async_trait::async_trait;
    use bytes::Bytes;
    use jiff::SignedDuration;

    use super::*;
    use crate::{
        clock::SimulatedClock,
        store::{MemoryStore, Object},
    };

    const SHORT: Duration = Duration::from_millis(300);

    /// A lock with little patience, on a clock that stands still.
    fn lock(store: Arc<dyn Store>) -> (Lock, SimulatedClock) {
        let clock = SimulatedClock::new("2021-08-02T05:00:00Z".parse().unwrap());
        let path = "registry/model.lock.json".parse().unwrap();
        let lock = Lock::new(store, Arc::new(clock.clone()), path);
        (
            Lock {
                work_limit: SHORT,
                wait_limit: SHORT,
                ..lock
            },
            clock,
        )
    }

    fn memory() -> Arc<dyn Store> {
        Arc::new(MemoryStore::default())
    }

    #[tokio::test]
    async fn what_is_done_under_the_lock_is_done_one_after_another() {
        let (lock, _) = lock(memory());
        let lock = Lock {
            wait_limit: Duration::from_secs(30),
            ..lock
        };
        let (inside, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let work = async || {
            assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
            tokio::time::sleep(Duration::from_millis(1)).await;
            inside.fetch_sub(1, Ordering::SeqCst);
            done.fetch_add(1, Ordering::SeqCst);
        };
        let hold = async || lock.hold("work", |_| work()).await.unwrap();
        tokio::join!(hold(), hold(), hold(), hold());
        assert_eq!(done.load(Ordering::SeqCst), 4);
    }

    #[tokio::test]
    async fn a_lock_that_is_held_is_waited_for_until_patience_ends_and_no_longer() {
        let (lock, _) = lock(memory());
        let dead = lock
            .take("register the run fine-tune-2021-W30")
            .await
            .unwrap();
        let error = lock
            .hold("move an alias", |_| async {})
            .await
            .unwrap_err()
            .to_string();
        let expected = "the lock memory://registry/model.lock.json is held to register the run fine-tune-2021-W30 since \
                        2021-08-02T05:00:00Z and until 2021-08-02T05:01:00.3Z at most";
        assert_eq!(error, expected);
        lock.release(dead).await;
        lock.hold("move an alias", |_| async {}).await.unwrap();
    }

    #[tokio::test]
    async fn a_lock_left_behind_expires_and_its_holder_cannot_give_back_the_next_ones() {
        let (lock, clock) = lock(memory());
        let dead = lock.take("register").await.unwrap();
        clock.set(clock.now() + SignedDuration::from_secs(61));
        let next = lock.take("register").await.unwrap();
        lock.release(dead).await;
        assert!(matches!(
            lock.take("register").await,
            Err(LockError::Held { .. })
        ));
        lock.release(next).await;
        assert!(lock.take("register").await.is_ok());
    }

    #[tokio::test]
    async fn work_that_takes_too_long_is_broken_off_and_the_lock_kept() {
        let (lock, _) = lock(memory());
        let error = lock
            .hold("register", |_| std::future::pending::<()>())
            .await
            .unwrap_err();
        assert!(matches!(error, LockError::TooSlow { .. }), "{error}");
        assert!(matches!(
            lock.take("register").await,
            Err(LockError::Held { .. })
        ));
    }

    /// Nothing breaks off work that goes on after a standstill before it has got to its next pause.
    #[tokio::test]
    async fn work_that_stood_still_until_its_time_was_over_is_told_so() {
        let (lock, clock) = lock(memory());
        let stand_still = |held: Held| async move {
            held.check()?;
            std::thread::sleep(SHORT);
            held.check()
        };
        let sleep = |held: Held| async move {
            held.check()?;
            clock.set(clock.now() + SignedDuration::from_secs(1));
            held.check()
        };
        let told = [
            lock.hold("move an alias", stand_still).await.unwrap(),
            lock.hold("move an alias", sleep).await.unwrap(),
        ];
        for told in told {
            assert!(matches!(told, Err(LockError::TooSlow { .. })), "{told:?}");
        }
    }

    #[tokio::test]
    async fn a_lock_taken_by_a_write_whose_answer_was_lost_is_ones_own() {
        let store = Arc::new(FirstAnswerLost {
            store: MemoryStore::default(),
            lost: AtomicBool::new(false),
        });
        let (lock, _) = lock(Arc::clone(&store) as _);
        lock.hold("register", |_| async {}).await.unwrap();
        assert!(store.lost.load(Ordering::SeqCst));
    }

    /// A store whose client writes, loses the answer, writes again and so finds that its condition does not hold.
    struct FirstAnswerLost {
        store: MemoryStore,
        lost: AtomicBool,
    }

    #[async_trait]
    impl Store for FirstAnswerLost {
        async fn read(&self, path: &ObjectPath) -> Result<Object, StoreError> {
            self.store.read(path).await
        }

        async fn generation(&self, path: &ObjectPath) -> Result<Option<Generation>, StoreError> {
            self.store.generation(path).await
        }

        async fn write(
            &self,
            path: &ObjectPath,
            bytes: Bytes,
            condition: Condition,
        ) -> Result<Generation, StoreError> {
            let written = self.store.write(path, bytes, condition).await;
            if self.lost.swap(true, Ordering::SeqCst) {
                return written;
            }
            Err(StoreError::ConditionFailed {
                address: self.address_of(path),
            })
        }

        async fn list(&self, prefix: &str) -> Result<Vec<ObjectPath>, StoreError> {
            self.store.list(prefix).await
        }

        fn address_of(&self, path: &ObjectPath) -> String {
            self.store.address_of(path)
        }
    }
}
