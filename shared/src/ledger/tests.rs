use super::*;
use crate::store::MemoryStore;

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
            },
        ),
        (
            &ids[2],
            Entry::InProgress {
                since: now,
                expires: after(now, 1),
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

#[tokio::test]
async fn one_of_many_concurrent_deliveries_acquires_the_event() {
    let (ledger, id, now) = ledger();
    let mut claims = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let (ledger, id) = (ledger.clone(), id.clone());
        claims.spawn(
            async move { matches!(ledger.claim(&id, now).await.unwrap(), Claim::Acquired(_)) },
        );
    }
    let winners = claims
        .join_all()
        .await
        .into_iter()
        .filter(|won| *won)
        .count();
    assert_eq!(winners, 1);
}
