use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use jiff::SignedDuration;
use shared::{
    clock::SimulatedClock,
    store::{MemoryStore, Object},
};

use super::*;

const SHORT: Duration = Duration::from_millis(300);

/// Returns a lock with short time limits, on a clock that stands still.
fn lock(store: Arc<dyn Store>) -> (Lock, SimulatedClock) {
    let clock = SimulatedClock::new("2021-08-02T05:00:00Z".parse().unwrap());
    let path = "registry/model.lock.json".parse().unwrap();
    let lock = Lock::new(store, Arc::new(clock.clone()), path);
    (
        Lock {
            work_limit: SHORT,
            wait_limit: SHORT,
            total_limit: SHORT,
            ..lock
        },
        clock,
    )
}

fn memory() -> Arc<dyn Store> {
    Arc::new(MemoryStore::default())
}

#[tokio::test]
async fn work_under_the_lock_is_serialized() {
    let (lock, _) = lock(memory());
    let lock = Lock {
        work_limit: WORK_LIMIT,
        wait_limit: WORK_LIMIT,
        total_limit: WORK_LIMIT,
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
async fn acquiring_a_held_lock_fails_after_the_wait_limit() {
    let (lock, _) = lock(memory());
    let dead = lock
        .acquire("register the run fine-tune-2021-W30")
        .await
        .unwrap();
    let error = lock
        .hold("move an alias", |_| async {})
        .await
        .unwrap_err()
        .to_string();
    let expected = "the lock memory://registry/model.lock.json is held since 2021-08-02T05:00:00Z to \
                    register the run fine-tune-2021-W30; it expires at 2021-08-02T05:01:00.15Z";
    assert_eq!(error, expected);
    lock.release(dead).await;
    lock.hold("move an alias", |_| async {}).await.unwrap();
}

#[tokio::test]
async fn abandoned_lock_expires_and_its_holder_cannot_release_the_next() {
    let (lock, clock) = lock(memory());
    let dead = lock.acquire("register").await.unwrap();
    clock.set(clock.now() + SignedDuration::from_secs(61));
    let next = lock.acquire("register").await.unwrap();
    lock.release(dead).await;
    assert!(matches!(
        lock.acquire("register").await,
        Err(LockError::Held { .. })
    ));
    lock.release(next).await;
    assert!(lock.acquire("register").await.is_ok());
}

/// By the clock of the second machine, the lock has expired before it was acquired.
#[tokio::test]
async fn holder_with_a_slow_clock_keeps_the_lock_while_it_renews() {
    let store = memory();
    let (first, _) = lock(Arc::clone(&store));
    let (second, clock) = lock(store);
    clock.set(clock.now() + SignedDuration::from_secs(300));
    let held = first.acquire("move an alias").await.unwrap();
    let renewals = async {
        while held.renew().await.is_ok() {
            sleep(SHORT / 3).await
        }
    };
    let taken = tokio::select! {
        taken = second.acquire("move an alias") => taken.err(),
        () = renewals => None,
    };
    assert!(matches!(taken, Some(LockError::Race { .. })), "{taken:?}");
    held.check().await.unwrap();
}

#[tokio::test]
async fn slow_work_is_cancelled_and_the_lock_stays_held() {
    let (lock, _) = lock(memory());
    let error = lock
        .hold("register", |_| std::future::pending::<()>())
        .await
        .unwrap_err();
    assert!(matches!(error, LockError::TooSlow { .. }), "{error}");
    assert!(matches!(
        lock.acquire("register").await,
        Err(LockError::Held { .. })
    ));
}

/// A timeout cannot cancel suspended work before its next await point.
#[tokio::test]
async fn suspended_work_fails_its_check_after_the_deadline() {
    let (lock, clock) = lock(memory());
    let block = |held: Held| async move {
        held.check().await?;
        std::thread::sleep(SHORT);
        held.check().await
    };
    let suspend = |held: Held| async move {
        held.check().await?;
        clock.set(clock.now() + SignedDuration::from_secs(1));
        held.check().await
    };
    let results = [
        lock.hold("move an alias", block).await.unwrap(),
        lock.hold("move an alias", suspend).await.unwrap(),
    ];
    for result in results {
        assert!(
            matches!(result, Err(LockError::TooSlow { .. })),
            "{result:?}"
        );
    }
}

/// Returns a lock with the limits of production, on a clock that stands still.
fn unhurried_lock(store: Arc<dyn Store>) -> (Lock, SimulatedClock) {
    let (lock, clock) = lock(store);
    let lock = Lock {
        work_limit: WORK_LIMIT,
        total_limit: TOTAL_LIMIT,
        ..lock
    };
    (lock, clock)
}

fn pass_seconds(clock: &SimulatedClock, seconds: i64) {
    clock.set(clock.now() + SignedDuration::from_secs(seconds));
}

/// The work limit is 60 s and the margin 60 s: without the renewals, the lock would have expired
/// after 120 s.
#[tokio::test]
async fn renewed_lock_outlives_its_work_limit() {
    let (lock, clock) = unhurried_lock(memory());
    let held = lock.acquire("register").await.unwrap();
    for _ in 0..3 {
        pass_seconds(&clock, 59);
        held.renew().await.unwrap();
    }
    held.check().await.unwrap();
    assert!(matches!(
        lock.acquire("move an alias").await,
        Err(LockError::Held { .. })
    ));
    lock.release(held).await;
    lock.acquire("move an alias").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn holder_of_a_lost_lock_fails_its_check_and_cannot_renew() {
    let (lock, clock) = unhurried_lock(memory());
    let suspended = lock.acquire("register").await.unwrap();
    pass_seconds(&clock, 121);
    let next = lock.acquire("move an alias").await.unwrap();
    // As if the clock of the suspended process were late: only the generation shows the loss.
    pass_seconds(&clock, -121);
    for result in [suspended.check().await, suspended.renew().await] {
        assert!(matches!(result, Err(LockError::Lost { .. })), "{result:?}");
    }
    next.check().await.unwrap();
}

#[tokio::test]
async fn renewal_is_recognized_after_a_lost_response() {
    let store = Arc::new(FirstResponseLost {
        store: MemoryStore::default(),
        lost: AtomicBool::new(true),
    });
    let (lock, _) = unhurried_lock(Arc::clone(&store) as _);
    let held = lock.acquire("register").await.unwrap();
    store.lost.store(false, Ordering::SeqCst);
    held.renew().await.unwrap();
    held.check().await.unwrap();
}

/// A lock of a clock that was an hour ahead, and an object that is no lock.
#[tokio::test]
async fn unusable_lock_is_described_and_broken() {
    let ahead = r#"{"state":"held","purpose":"move","key":"0","since":"2021-08-02T06:00:00Z","expires":"2021-08-02T06:02:00Z"}"#;
    for (contents, expected) in [
        (ahead, "until 2021-08-02T06:02:00Z"),
        ("[]", "has invalid contents"),
    ] {
        let (lock, _) = unhurried_lock(memory());
        lock.store
            .write(&lock.path, contents.into(), Condition::Absent)
            .await
            .unwrap();
        let error = lock
            .hold("register", |_| async {})
            .await
            .unwrap_err()
            .to_string();
        assert!(
            error.contains(expected) && error.contains("bike-traffic registry-unlock"),
            "{error}"
        );
        assert_eq!(lock.describe().await.unwrap().as_ref(), Some(&error));
        assert_eq!(lock.break_open().await.unwrap(), Some(error));
        assert_eq!(lock.describe().await.unwrap(), None);
        lock.hold("register", |_| async {}).await.unwrap();
    }
}

#[tokio::test]
async fn holder_of_a_broken_lock_fails_its_check() {
    let (lock, _) = unhurried_lock(memory());
    let held = lock.acquire("register").await.unwrap();
    let described = lock.break_open().await.unwrap().unwrap();
    assert!(described.contains("to register"), "{described}");
    assert!(matches!(held.check().await, Err(LockError::Lost { .. })));
    assert_eq!(lock.break_open().await.unwrap(), None);
}

#[tokio::test]
async fn lock_is_recognized_after_a_lost_response() {
    let store = Arc::new(FirstResponseLost {
        store: MemoryStore::default(),
        lost: AtomicBool::new(false),
    });
    let (lock, _) = lock(Arc::clone(&store) as _);
    lock.hold("register", |_| async {}).await.unwrap();
    assert!(store.lost.load(Ordering::SeqCst));
}

/// A store whose first write succeeds but loses its response, so that the retry fails its
/// condition.
struct FirstResponseLost {
    store: MemoryStore,
    lost: AtomicBool,
}

#[async_trait]
impl Store for FirstResponseLost {
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
