//! Dead letters as a state: repeated, republished and new messages of a dead-lettered event, and
//! messages that are never parsed.

use axum::http::StatusCode;
use jiff::SignedDuration;
use shared::{clock::Clock, ledger::Entry};

use super::{Action, DAYS, DAYS_ID, Service, payload, resulting_events, wrapped};

const DONE: StatusCode = StatusCode::NO_CONTENT;
const RETRY: StatusCode = StatusCode::SERVICE_UNAVAILABLE;
const FAIL: Action = Action::FailPermanently;

#[tokio::test]
async fn repeated_delivery_adds_no_second_dead_letter() {
    for payload in [DAYS, "no event"] {
        let service = Service::start(&[FAIL, FAIL]).await;
        for _ in 0..3 {
            assert_eq!(service.push(payload).await, DONE);
            service.wait_until_the_lease_expires();
        }
        assert_eq!(service.dead_letters().await.len(), 1, "{payload}");
        assert_eq!(service.audit_log().await.len(), 1, "{payload}");
        assert!(service.probe.runs() <= 1, "{payload}");
    }
}

#[tokio::test]
async fn events_of_work_before_a_permanent_failure_are_published() {
    let service = Service::start(&[Action::FailAfterFirstDay]).await;
    for _ in 0..2 {
        assert_eq!(service.push(DAYS).await, DONE);
        service.wait_until_the_lease_expires();
    }
    assert_eq!(service.published().await, resulting_events()[..1]);
    assert_eq!(service.dead_letters().await.len(), 1);
    assert_eq!(service.audit_log().await.len(), 1);
}

/// A replay succeeds once the cause of the failure is removed.
#[tokio::test]
async fn republished_dead_letter_is_handled() {
    let service = Service::start(&[FAIL]).await;
    assert_eq!(service.push(DAYS).await, DONE);
    assert_eq!(service.push_republished(DAYS, "7").await, DONE);
    let decisions: Vec<_> = service
        .audit_log()
        .await
        .into_iter()
        .map(|(_, decision)| decision)
        .collect();
    assert_eq!(decisions, ["dead-lettered", "ingested"]);
    assert!(matches!(
        service.ledger(DAYS_ID).await,
        Some(Entry::Complete { .. })
    ));
}

/// Each replay removes the dead letter, so a failed one adds another. A repeated delivery of the
/// replayed message does not.
#[tokio::test]
async fn republished_dead_letter_that_fails_again_is_a_dead_letter_again() {
    let service = Service::start(&[FAIL; 3]).await;
    assert_eq!(service.push(DAYS).await, DONE);
    for (message_id, dead_letters) in [("7", 2), ("7", 2), ("8", 3), ("8", 3)] {
        assert_eq!(service.push_republished(DAYS, message_id).await, DONE);
        assert_eq!(service.dead_letters().await.len(), dead_letters);
    }
    assert_eq!(service.probe.runs(), 3);
}

/// The dead letter has the time of arrival as first publish time, so that its replay is recognized.
#[tokio::test]
async fn dead_letter_without_a_publish_time_can_be_replayed() {
    let service = Service::start(&[FAIL]).await;
    assert_eq!(service.post(DAYS, &[]).await, DONE);
    let [dead_letter] = &service.dead_letters().await[..] else {
        panic!("expected one dead letter")
    };
    assert_eq!(
        dead_letter.attributes["first_published_at"],
        "2021-07-21T04:00:00Z"
    );
}

/// Returns a push of [`DAYS`] that was published at another time.
fn request(message_id: &str, published_at: &str) -> String {
    let mut push = wrapped(DAYS);
    push["message"]["messageId"] = message_id.into();
    push["message"]["publishTime"] = published_at.into();
    push.to_string()
}

/// A later request for the same event, as `bike-traffic ingest` publishes it, is tried again. As long
/// as it fails, the first dead letter stands for both.
#[tokio::test]
async fn later_request_is_handled_again_without_a_second_dead_letter() {
    let service = Service::start(&[FAIL, FAIL]).await;
    assert_eq!(service.push(DAYS).await, DONE);
    // Published before the failure: the same event, published twice.
    let earlier = request("7", "2021-07-21T03:59:59Z");
    assert_eq!(service.post(earlier, &[]).await, DONE);
    assert_eq!(service.probe.runs(), 1);

    service
        .clock
        .set(service.clock.now() + SignedDuration::from_mins(5));
    let later = request("8", "2021-07-21T04:05:00Z");
    assert_eq!(service.post(later.clone(), &[]).await, DONE);
    assert_eq!(service.post(later, &[]).await, DONE);
    assert_eq!(service.probe.runs(), 2);
    assert_eq!(service.dead_letters().await.len(), 1);
    assert!(matches!(
        service.ledger(DAYS_ID).await,
        Some(Entry::DeadLettered { .. })
    ));

    let last = request("9", "2021-07-21T04:06:00Z");
    assert_eq!(service.post(last, &[]).await, DONE);
    assert!(matches!(
        service.ledger(DAYS_ID).await,
        Some(Entry::Complete { .. })
    ));
}

/// The released entry still knows the dead letter.
#[tokio::test]
async fn later_request_that_fails_transiently_first_adds_no_second_dead_letter() {
    let service = Service::start(&[FAIL, Action::FailTransiently, FAIL]).await;
    assert_eq!(service.push(DAYS).await, DONE);
    let later = request("8", "2021-07-21T04:05:00Z");
    assert_eq!(service.post(later.clone(), &[]).await, RETRY);
    assert_eq!(service.post(later, &[]).await, DONE);
    assert_eq!(service.probe.runs(), 3);
    assert_eq!(service.dead_letters().await.len(), 1);
    assert!(matches!(
        service.ledger(DAYS_ID).await,
        Some(Entry::DeadLettered { .. })
    ));
}

/// A later request has claimed the entry and failed transiently. The replayed message has no dead
/// letter any more, so its failure adds one, but its repeated delivery does not.
#[tokio::test]
async fn republished_dead_letter_is_a_dead_letter_again_after_a_released_request() {
    let later = || request("8", "2021-07-21T04:05:00Z");
    let service = Service::start(&[FAIL, Action::FailTransiently, FAIL]).await;
    assert_eq!(service.push(DAYS).await, DONE);
    assert_eq!(service.post(later(), &[]).await, RETRY);
    assert_eq!(service.push_republished(DAYS, "7").await, DONE);
    assert_eq!(service.dead_letters().await.len(), 2);

    let service = Service::start(&[FAIL, FAIL, Action::FailTransiently, FAIL]).await;
    assert_eq!(service.push(DAYS).await, DONE);
    assert_eq!(service.push_republished(DAYS, "7").await, DONE);
    assert_eq!(service.post(later(), &[]).await, RETRY);
    assert_eq!(service.push_republished(DAYS, "7").await, DONE);
    assert_eq!(service.probe.runs(), 4);
    assert_eq!(service.dead_letters().await.len(), 2);
}

/// Its dead letter is gone, and its first delivery fails transiently.
#[tokio::test]
async fn republished_dead_letter_that_fails_transiently_first_is_a_dead_letter_again() {
    let service = Service::start(&[FAIL, Action::FailTransiently, FAIL]).await;
    assert_eq!(service.push(DAYS).await, DONE);
    assert_eq!(service.push_republished(DAYS, "7").await, RETRY);
    for _ in 0..2 {
        assert_eq!(service.push_republished(DAYS, "7").await, DONE);
        assert_eq!(service.dead_letters().await.len(), 2);
    }
}

/// Two messages that were pushed without wrapper and metadata.
#[tokio::test]
async fn messages_without_an_id_have_audit_rows_of_their_own() {
    let service = Service::start(&[]).await;
    let bodies = [
        r#"{"type":"ingest-requested","from":"2026-13-45"}"#,
        r#"{"type":"day-ingested"}"#,
    ];
    for body in bodies.into_iter().chain(bodies) {
        assert_eq!(service.post(body, &[]).await, DONE);
    }
    let mut ids: Vec<_> = service
        .audit_log()
        .await
        .into_iter()
        .map(|(event_id, decision)| {
            assert_eq!(decision, "dead-lettered");
            event_id
        })
        .collect();
    ids.sort();
    // The first 16 digits of their SHA-256, as sha256sum prints them.
    assert_eq!(
        ids,
        ["message/1daf47d05039528d", "message/9f682f18974fcbcf"]
    );
    assert_eq!(service.dead_letters().await.len(), 2);
}

/// A sender of CloudEvents may use an id twice.
#[tokio::test]
async fn different_messages_with_one_id_are_both_dead_letters_with_an_audit_row() {
    let service = Service::start(&[]).await;
    for text in ["one", "another", "another", "one"] {
        assert_eq!(service.push(text).await, DONE);
    }
    let dead_letters = service.dead_letters().await;
    let payloads: Vec<_> = dead_letters.iter().map(payload).collect();
    assert_eq!(payloads, ["one", "another"]);
    let audit_log = service.audit_log().await;
    let ids: Vec<_> = audit_log.iter().map(|(event_id, _)| event_id).collect();
    // With the first 16 digits of the SHA-256 of payload, message id and attributes, separated by
    // null characters.
    assert_eq!(
        ids,
        [
            "message/136969346945",
            "message/136969346945-8f3776aa5d9daf1d"
        ]
    );
    let ids_of_dead_letters: Vec<_> = dead_letters
        .iter()
        .map(|dead_letter| &dead_letter.attributes["dead_letter_event_id"])
        .collect();
    assert_eq!(ids_of_dead_letters, ids);
}

#[tokio::test]
async fn payload_over_64_kib_becomes_a_dead_letter_unparsed() {
    let service = Service::start(&[]).await;
    // A valid event, padded with whitespace.
    let mut text = DAYS.to_owned();
    text.extend(std::iter::repeat_n(' ', 65_536 - text.len()));
    assert_eq!(service.push(&text).await, DONE);
    assert_eq!(
        (service.probe.runs(), service.dead_letters().await.len()),
        (1, 0)
    );
    text.push(' ');
    assert_eq!(service.push(&text).await, DONE);
    assert_eq!(service.probe.runs(), 1);
    let [dead_letter] = &service.dead_letters().await[..] else {
        panic!("expected one dead letter")
    };
    assert_eq!(
        dead_letter.attributes["dead_letter_reason"],
        "the message has 65537 bytes, but an event has at most 65536"
    );
    assert!(payload(dead_letter) == text);
}
