mod carried;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::{sync::Barrier, task::JoinSet};

use super::*;
use crate::{
    event::Topic,
    store::{MemoryStore, Object},
};

fn ledger() -> (Ledger, EventId, Timestamp) {
    let ledger = Ledger::new(
        Arc::new(MemoryStore::default()),
        Function::FineTune,
        SignedDuration::from_mins(10),
    );
    (
        ledger,
        EventId::of(Function::DriftCheck, "2021-W30"),
        "2021-08-02T05:00:00Z".parse().unwrap(),
    )
}

fn after(start: Timestamp, minutes: i64) -> Timestamp {
    start + SignedDuration::from_mins(minutes)
}

async fn lease(ledger: &Ledger, id: &EventId, now: Timestamp) -> Lease {
    match ledger.claim(id, now).await.unwrap() {
        Claim::Acquired(lease) => lease,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn completed_event_returns_its_recorded_events() {
    let (ledger, id, now) = ledger();
    let lease = lease(&ledger, &id, now).await;
    let events = [RecordedEvent {
        topic: Topic::ChallengerTrained,
        data: "{}".to_owned(),
    }];
    ledger
        .complete(&lease, now, "trained", &events)
        .await
        .unwrap();
    for minutes in [0, 10_000] {
        match ledger.claim(&id, after(now, minutes)).await.unwrap() {
            Claim::Completed(recorded) => assert_eq!(recorded, events),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn event_in_progress_is_not_acquired_before_it_expires() {
    let (ledger, id, now) = ledger();
    let first = lease(&ledger, &id, now).await;
    assert!(matches!(
        ledger.claim(&id, after(now, 9)).await.unwrap(),
        Claim::InProgress { .. }
    ));
    let second = lease(&ledger, &id, after(now, 10)).await;
    let late = ledger
        .complete(&first, after(now, 11), "trained", &[])
        .await;
    assert!(
        matches!(late, Err(StoreError::ConditionFailed { .. })),
        "a run with an expired lease completed"
    );
    ledger
        .complete(&second, after(now, 11), "trained", &[])
        .await
        .unwrap();
}

#[tokio::test]
async fn lease_can_be_renewed_until_it_is_lost() {
    let (ledger, id, now) = ledger();
    let mut first = lease(&ledger, &id, now).await;
    ledger.renew(&mut first, after(now, 9)).await.unwrap();
    assert!(matches!(
        ledger.claim(&id, after(now, 18)).await.unwrap(),
        Claim::InProgress { .. }
    ));
    let second = lease(&ledger, &id, after(now, 19)).await;
    let lost = ledger.renew(&mut first, after(now, 19)).await;
    assert!(
        matches!(lost, Err(StoreError::ConditionFailed { .. })),
        "{lost:?}"
    );
    ledger
        .complete(&second, after(now, 20), "trained", &[])
        .await
        .unwrap();
}

#[tokio::test]
async fn lease_is_ending_in_its_last_quarter() {
    let (ledger, id, now) = ledger();
    let lease = lease(&ledger, &id, now).await;
    let is_ending = [0, 7, 8, 11].map(|minutes| ledger.is_ending(&lease, after(now, minutes)));
    assert_eq!(is_ending, [false, false, true, true]);
}

#[tokio::test]
async fn released_event_is_acquired_immediately() {
    let (ledger, id, now) = ledger();
    let first = lease(&ledger, &id, now).await;
    ledger
        .release(first, now, "the store was unavailable")
        .await
        .unwrap();
    let _second = lease(&ledger, &id, now).await;
}

#[tokio::test]
async fn dead_letter_is_acquired_by_another_message_only() {
    let (ledger, id, now) = ledger();
    let first = lease(&ledger, &id, now).await;
    ledger
        .dead_letter(&first, after(now, 1), "the day cannot exist", "a checksum")
        .await
        .unwrap();
    // Neither a repeated delivery nor the end of a lease acquires it.
    for minutes in [1, 10_000] {
        match ledger.claim(&id, after(now, minutes)).await.unwrap() {
            Claim::DeadLettered { at, message } => {
                assert_eq!((at, message.as_str()), (after(now, 1), "a checksum"));
            }
            other => panic!("{other:?}"),
        }
    }
    let Claim::Acquired(second) = ledger.claim_again(&id, after(now, 2)).await.unwrap() else {
        panic!("the republished message did not acquire the entry")
    };
    let late = ledger.dead_letter(&first, after(now, 3), "again", "").await;
    assert!(
        matches!(late, Err(StoreError::ConditionFailed { .. })),
        "{late:?}"
    );
    ledger
        .complete(&second, after(now, 3), "trained", &[])
        .await
        .unwrap();
}

#[tokio::test]
async fn dead_letter_is_unfinished_with_its_reason() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    let lasting = SignedDuration::from_mins(1);
    let ledger = Ledger::new(Arc::clone(&store), Function::Ingest, lasting);
    let now: Timestamp = "2021-08-02T05:00:00Z".parse().unwrap();
    let id = EventId::of_message("7");
    let claimed = lease(&ledger, &id, now).await;
    ledger
        .dead_letter(&claimed, now, "not valid JSON", "a checksum")
        .await
        .unwrap();
    let expected = Unfinished {
        function: Function::Ingest,
        event_id: id,
        entry: Entry::DeadLettered {
            at: now,
            reason: "not valid JSON".to_owned(),
            message: "a checksum".to_owned(),
        },
    };
    assert_eq!(unfinished(&store).await.unwrap(), [expected]);
}

/// In the first half of a lease the generation is compared; in the second half the lease is
/// renewed.
#[tokio::test]
async fn confirm_fails_once_another_delivery_has_the_lease() {
    let (ledger, id, now) = ledger();
    let mut first = lease(&ledger, &id, now).await;
    ledger.confirm(&mut first, after(now, 4)).await.unwrap();
    assert_eq!(first.expires, after(now, 10), "renewed too early");
    ledger.confirm(&mut first, after(now, 5)).await.unwrap();
    assert_eq!(first.expires, after(now, 15), "not renewed");

    let _second = lease(&ledger, &id, after(now, 15)).await;
    // With an earlier time, the first process believes that its lease is young.
    for minutes in [6, 15] {
        let lost = ledger.confirm(&mut first, after(now, minutes)).await;
        assert!(
            matches!(lost, Err(StoreError::ConditionFailed { .. })),
            "{minutes}: {lost:?}"
        );
    }
}

#[tokio::test]
async fn unfinished_omits_complete_events_and_other_objects() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    let now = "2021-08-02T05:00:00Z".parse().unwrap();
    let ids =
        ["2021-W29", "2021-W30", "2021-W31"].map(|week| EventId::of(Function::DriftCheck, week));
    let ledger = Ledger::new(
        Arc::clone(&store),
        Function::FineTune,
        SignedDuration::from_mins(1),
    );
    for id in &ids {
        let _ = lease(&ledger, id, now).await;
    }
    let done = lease(&ledger, &ids[0], after(now, 1)).await;
    ledger.complete(&done, now, "trained", &[]).await.unwrap();
    let failed = lease(&ledger, &ids[1], after(now, 1)).await;
    ledger
        .release(failed, now, "the store was unavailable")
        .await
        .unwrap();
    store
        .write(
            &"ledger/a-note".parse().unwrap(),
            "of mine".into(),
            Condition::Always,
        )
        .await
        .unwrap();

    let found = unfinished(&store).await.unwrap();
    let expected = [
        (
            &ids[1],
            Entry::Released {
                at: now,
                reason: "the store was unavailable".to_owned(),
                first: Some(now),
                dead_letter: None,
                outcome: None,
            },
        ),
        (
            &ids[2],
            Entry::InProgress {
                since: now,
                first: Some(now),
                expires: after(now, 1),
                dead_letter: None,
                outcome: None,
            },
        ),
    ];
    let expected = expected.map(|(id, entry)| Unfinished {
        function: Function::FineTune,
        event_id: id.clone(),
        entry,
    });
    assert_eq!(found, expected);
}

#[tokio::test]
async fn last_completed_includes_repeated_days_and_omits_unfinished_events() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    let ledger = Ledger::new(
        Arc::clone(&store),
        Function::Ingest,
        SignedDuration::from_mins(1),
    );
    let now = "2021-08-02T05:00:00Z".parse().unwrap();
    let id = |subject: &str| EventId::of(Function::Ingest, subject);
    let last = async || {
        last_completed(&*store, Function::Ingest, &id("2021-07-19"))
            .await
            .unwrap()
    };
    let first = lease(&ledger, &id("2021-07-19"), now).await;
    assert_eq!(last().await, None);
    ledger.complete(&first, now, "ingested", &[]).await.unwrap();
    assert_eq!(last().await, Some(now));
    for (subject, minutes) in [("2021-07-19@2021-08-02T05-00-00Z", 5), ("2021-07-20", 9)] {
        let next = lease(&ledger, &id(subject), now).await;
        ledger
            .complete(&next, after(now, minutes), "ingested", &[])
            .await
            .unwrap();
    }
    assert_eq!(
        last().await,
        Some(after(now, 5)),
        "the completion of another day was returned"
    );
}

/// A store whose reads return only after [`DELIVERIES`] of them have read. No delivery can then
/// write before every other delivery has read.
struct ReadsMeet {
    inner: Arc<dyn Store>,
    barrier: Barrier,
}

const DELIVERIES: usize = 16;

#[async_trait]
impl Store for ReadsMeet {
    async fn read(&self, path: &ObjectPath) -> Result<Object, StoreError> {
        let object = self.inner.read(path).await;
        self.barrier.wait().await;
        object
    }

    async fn generation(&self, path: &ObjectPath) -> Result<Option<Generation>, StoreError> {
        self.inner.generation(path).await
    }

    async fn write(
        &self,
        path: &ObjectPath,
        bytes: Bytes,
        condition: Condition,
    ) -> Result<Generation, StoreError> {
        self.inner.write(path, bytes, condition).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<ObjectPath>, StoreError> {
        self.inner.list(prefix).await
    }

    fn address_of(&self, path: &ObjectPath) -> String {
        self.inner.address_of(path)
    }
}

/// Claims an event in [`DELIVERIES`] tasks, which all read the same state of the entry. Asserts
/// that one task acquires it, and that its lease is valid.
async fn assert_one_delivery_acquires(ledger: &Ledger, id: &EventId, now: Timestamp) {
    let concurrent = Ledger {
        store: Arc::new(ReadsMeet {
            inner: Arc::clone(&ledger.store),
            barrier: Barrier::new(DELIVERIES),
        }),
        ..ledger.clone()
    };
    let mut claims = JoinSet::new();
    for _ in 0..DELIVERIES {
        let (ledger, id) = (concurrent.clone(), id.clone());
        claims.spawn(async move { ledger.claim(&id, now).await.unwrap() });
    }
    let mut leases = Vec::new();
    for claim in claims.join_all().await {
        match claim {
            Claim::Acquired(lease) => leases.push(lease),
            Claim::InProgress { expires } => assert_eq!(expires, after(now, 10)),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(leases.len(), 1, "{leases:?}");
    ledger
        .complete(&leases[0], now, "trained", &[])
        .await
        .unwrap();
}

/// All deliveries find no entry before the first one writes it. Without the condition `Absent`,
/// each of them would acquire the event.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_of_many_concurrent_deliveries_acquires_a_new_event() {
    let (ledger, id, now) = ledger();
    assert_one_delivery_acquires(&ledger, &id, now).await;
}

/// All deliveries find the same generation. Without the condition `Unchanged`, each of them would
/// acquire the event.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_of_many_concurrent_deliveries_acquires_an_expired_or_released_event() {
    let (ledger, id, now) = ledger();
    let _expired = lease(&ledger, &id, now).await;
    assert_one_delivery_acquires(&ledger, &id, after(now, 10)).await;

    let id = EventId::of(Function::DriftCheck, "2021-W31");
    let failed = lease(&ledger, &id, now).await;
    ledger
        .release(failed, now, "the store was unavailable")
        .await
        .unwrap();
    assert_one_delivery_acquires(&ledger, &id, now).await;
}
