//! The facts that an entry carries until the event is complete: dead letter and outcome.

use super::*;
use crate::audit::AuditEntry;

/// The ways in which a lease ends without an end of the event, each with the time of the next claim
/// in minutes.
const INTERRUPTIONS: [(&str, i64); 3] = [("release", 1), ("expiry", 30), ("renewal, expiry", 30)];

/// Ends a lease in one of the [`INTERRUPTIONS`], and returns that of the next delivery.
async fn interrupted(
    ledger: &Ledger,
    id: &EventId,
    mut lease: Lease,
    (interruption, minutes): (&str, i64),
    now: Timestamp,
) -> Lease {
    match interruption {
        "release" => ledger.release(lease, now, "timeout").await.unwrap(),
        "expiry" => drop(lease),
        _ => ledger.renew(&mut lease, after(now, 5)).await.unwrap(),
    }
    self::lease(ledger, id, after(now, minutes)).await
}

#[tokio::test]
async fn dead_letter_is_remembered_until_the_event_is_complete() {
    for interruption in INTERRUPTIONS {
        let (ledger, id, now) = ledger();
        let first = lease(&ledger, &id, now).await;
        assert_eq!(first.dead_letter(), None);
        ledger
            .dead_letter(&first, now, "the week cannot exist", "a checksum")
            .await
            .unwrap();
        let Claim::Acquired(again) = ledger.claim_again(&id, now).await.unwrap() else {
            panic!("the later message did not acquire the entry")
        };
        assert_eq!(again.dead_letter(), Some("a checksum"));
        let next = interrupted(&ledger, &id, again, interruption, now).await;
        let (name, minutes) = interruption;
        assert_eq!(next.dead_letter(), Some("a checksum"), "{name}");
        let now = after(now, minutes);
        let next = interrupted(&ledger, &id, next, interruption, now).await;
        assert_eq!(next.dead_letter(), Some("a checksum"), "{name}");
    }
}

#[tokio::test]
async fn start_of_the_first_handling_is_remembered() {
    for interruption in INTERRUPTIONS {
        let (ledger, id, start) = ledger();
        let first = lease(&ledger, &id, start).await;
        assert_eq!(first.first(), Some(start));
        let (name, minutes) = interruption;
        let second = interrupted(&ledger, &id, first, interruption, start).await;
        assert_eq!(second.first(), Some(start), "{name}");
        let now = after(start, minutes);
        let third = interrupted(&ledger, &id, second, interruption, now).await;
        assert_eq!(third.first(), Some(start), "{name}");
    }
}

#[tokio::test]
async fn forgotten_dead_letter_is_not_remembered_by_the_entry() {
    for interruption in [INTERRUPTIONS[0], INTERRUPTIONS[2]] {
        let (ledger, id, now) = ledger();
        let first = lease(&ledger, &id, now).await;
        ledger
            .dead_letter(&first, now, "the week cannot exist", "a checksum")
            .await
            .unwrap();
        let Claim::Acquired(mut again) = ledger.claim_again(&id, now).await.unwrap() else {
            panic!("the republished message did not acquire the entry")
        };
        again.forget_dead_letter();
        let next = interrupted(&ledger, &id, again, interruption, now).await;
        assert_eq!(next.dead_letter(), None, "{}", interruption.0);
    }
}

fn outcome(at: Timestamp, decision: &str) -> RecordedOutcome {
    RecordedOutcome {
        at,
        entry: AuditEntry {
            mae: Some(14.25),
            detail: serde_json::json!({ "days": [1, 2.5, null] }),
            ..AuditEntry::new(decision, "a reason")
        },
        events: vec![RecordedEvent {
            topic: Topic::ChallengerTrained,
            data: "{}".to_owned(),
        }],
        notification: None,
        is_failure: false,
    }
}

#[tokio::test]
async fn recorded_outcome_is_known_to_the_next_delivery() {
    for interruption in INTERRUPTIONS {
        let (ledger, id, now) = ledger();
        let mut first = lease(&ledger, &id, now).await;
        assert_eq!(first.outcome(), None);
        let decided = outcome(now, "trained");
        ledger.record(&mut first, now, &decided).await.unwrap();
        let next = interrupted(&ledger, &id, first, interruption, now).await;
        let (name, minutes) = interruption;
        assert_eq!(next.outcome(), Some(&decided), "{name}");
        let now = after(now, minutes);
        let next = interrupted(&ledger, &id, next, interruption, now).await;
        assert_eq!(next.outcome(), Some(&decided), "{name}");
    }
}

#[tokio::test]
async fn outcome_is_recorded_by_the_holder_of_the_lease_only() {
    let (ledger, id, now) = ledger();
    let mut first = lease(&ledger, &id, now).await;
    let second = lease(&ledger, &id, after(now, 10)).await;
    let late = ledger
        .record(&mut first, after(now, 10), &outcome(now, "trained"))
        .await;
    assert!(
        matches!(late, Err(StoreError::ConditionFailed { .. })),
        "{late:?}"
    );
    assert_eq!(first.outcome(), None);
    assert_eq!(second.outcome(), None);
    let third = lease(&ledger, &id, after(now, 20)).await;
    assert_eq!(third.outcome(), None);
}

/// The second call would otherwise be a write of its own.
#[tokio::test]
async fn recorded_outcome_is_only_confirmed() {
    let (ledger, id, now) = ledger();
    let mut lease = lease(&ledger, &id, now).await;
    let decided = outcome(now, "trained");
    ledger.record(&mut lease, now, &decided).await.unwrap();
    let generation = lease.generation;
    ledger
        .record(&mut lease, after(now, 1), &decided)
        .await
        .unwrap();
    assert_eq!(lease.generation, generation);
    ledger
        .record(&mut lease, after(now, 1), &outcome(now, "kept"))
        .await
        .unwrap();
    assert_ne!(lease.generation, generation);
}

#[tokio::test]
async fn dead_letter_claimed_again_has_no_outcome() {
    let (ledger, id, now) = ledger();
    let mut first = lease(&ledger, &id, now).await;
    let failed = RecordedOutcome {
        notification: None,
        is_failure: true,
        ..outcome(now, "dead-lettered")
    };
    ledger.record(&mut first, now, &failed).await.unwrap();
    ledger
        .dead_letter(&first, now, "the week cannot exist", "a checksum")
        .await
        .unwrap();
    let Claim::Acquired(again) = ledger.claim_again(&id, now).await.unwrap() else {
        panic!("the later message did not acquire the entry")
    };
    assert_eq!(again.outcome(), None);
}
