use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use jiff::SignedDuration;

use super::*;
use shared::{
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
