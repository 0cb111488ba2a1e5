//! The status and the effects of a delivery, for each row of the status table.

use axum::http::StatusCode;
use runtime::MAXIMUM_BODY_BYTES;
use shared::{bus::dead_letter::Offloaded, event::Topic, ledger::Entry, store::read_json};

use super::{Action, DAYS, DAYS_ID, Service, payload, timestamp, wrapped};

const DONE: StatusCode = StatusCode::NO_CONTENT;
const RETRY: StatusCode = StatusCode::SERVICE_UNAVAILABLE;

#[tokio::test]
async fn handled_event_is_acknowledged() {
    let service = Service::start(&[]).await;
    assert_eq!(service.push(DAYS).await, DONE);
    service.assert_handled(1).await;
    let [context] = &service.probe.contexts()[..] else {
        panic!("expected one run of the handler")
    };
    assert_eq!(context.event_id.to_string(), DAYS_ID);
    assert_eq!(context.published_at, timestamp("2021-07-20T04:00:00.123Z"));
    assert_eq!(context.now, timestamp("2021-07-21T04:00:00Z"));
}

#[tokio::test]
async fn already_handled_event_is_acknowledged_and_its_events_are_republished() {
    let service = Service::start(&[]).await;
    for times in 1..=3 {
        assert_eq!(service.push(DAYS).await, DONE);
        service.assert_handled(times).await;
        service.wait_until_the_lease_expires();
    }
    assert_eq!(service.probe.runs(), 1);
}

#[tokio::test]
async fn invalid_envelope_becomes_a_dead_letter() {
    // Each with the first 16 digits of its SHA-256, as sha256sum prints them.
    let cases = [
        ("", "e3b0c44298fc1c14", "the body is not valid JSON"),
        ("<html>", "b7d082ee12e91b75", "the body is not valid JSON"),
        (
            r#"{"message":7}"#,
            "ac7f25070c148772",
            "cannot parse the push envelope",
        ),
        (
            r#"{"message":{"data":"%%%","messageId":"1"}}"#,
            "3b29aad5bc3a423f",
            "the payload of the message is not valid base64",
        ),
        (
            r#"{"message":{"data":"e30=","publishTime":"soon"}}"#,
            "fa0d8abe4af8496f",
            "cannot parse the push envelope",
        ),
    ];
    for (body, digest, reason) in cases {
        let service = Service::start(&[]).await;
        assert_eq!(service.post(body, &[]).await, DONE, "{body}");
        assert_dead_letter(
            &service,
            body,
            &format!("message/{digest}"),
            &["cannot read the delivery", reason],
        )
        .await;
        assert_eq!(service.probe.runs(), 0);
    }
}

#[tokio::test]
async fn invalid_event_becomes_a_dead_letter() {
    let cases = [
        ("", "the message is not valid JSON"),
        ("counts", "the message is not valid JSON"),
        ("{}", "unknown event ``, expected `ingest-requested`"),
        (
            r#"{"type":"day-ingested","event_id":"ingest/2021-07-19"}"#,
            "unknown event `day-ingested`",
        ),
        (
            r#"{"type":"ingest-requested","from":"2021-02-30"}"#,
            "cannot parse `2021-02-30` as a day",
        ),
        (
            r#"{"type":"ingest-requested","from":7}"#,
            "invalid fields in the event ingest-requested",
        ),
    ];
    for (message, reason) in cases {
        let service = Service::start(&[]).await;
        assert_eq!(service.push(message).await, DONE, "{message}");
        assert_dead_letter(&service, message, "message/136969346945", &[reason]).await;
        assert_eq!(
            service.dead_letters().await[0].attributes["origin"],
            "scheduler"
        );
        assert_eq!(service.probe.runs(), 0);
    }
}

/// Pub/Sub rejects a message with an attribute of more than 1,024 bytes.
#[tokio::test]
async fn long_reason_is_truncated_in_the_dead_letter_only() {
    let service = Service::start(&[]).await;
    let day = "é".repeat(2_000);
    assert_eq!(
        service
            .push(&format!(r#"{{"type":"ingest-requested","from":"{day}"}}"#))
            .await,
        DONE
    );
    let [dead_letter] = &service.dead_letters().await[..] else {
        panic!("expected one dead letter")
    };
    let reason = &dead_letter.attributes["dead_letter_reason"];
    let cut = reason.strip_suffix('…').unwrap();
    assert!((1_000..=1_024).contains(&reason.len()), "{}", reason.len());
    let [row] = &service.ports.warehouse.audit_log().await.unwrap()[..] else {
        panic!("expected one audit row")
    };
    let whole = row.entry.error_message.as_ref().unwrap();
    assert!(whole.starts_with(cut) && whole.contains(&day), "{whole}");
}

/// Pub/Sub accepts 10 MB including the attributes, but the request body limit is 10 MiB.
#[tokio::test]
async fn large_body_of_a_dead_letter_is_offloaded() {
    let service = Service::start(&[]).await;
    let body = vec![b'x'; MAXIMUM_BODY_BYTES];
    for _ in 0..2 {
        assert_eq!(service.post(body.clone(), &[]).await, DONE);
    }
    let dead_letters = service.dead_letters().await;
    let [dead_letter] = &dead_letters[..] else {
        panic!("expected one dead letter")
    };
    assert_eq!(payload(dead_letter), "");
    assert!(dead_letter.attributes["dead_letter_reason"].starts_with("cannot read the delivery"));
    let objects = service
        .ports
        .store
        .list("dead-letters/ingest/")
        .await
        .unwrap();
    assert_eq!(
        objects.iter().map(ToString::to_string).collect::<Vec<_>>(),
        [dead_letter.attributes["dead_letter_object"].clone()]
    );
    let (offloaded, _) = read_json::<Offloaded>(&*service.ports.store, &objects[0])
        .await
        .unwrap();
    assert!(
        offloaded.data.to_bytes() == body,
        "the offloaded data differ from the body"
    );
    let [row] = &service.ports.warehouse.audit_log().await.unwrap()[..] else {
        panic!("expected one audit row")
    };
    assert_eq!(
        row.entry.detail["message"],
        dead_letter.attributes["dead_letter_object"].as_str()
    );
}

#[tokio::test]
async fn permanent_error_becomes_a_dead_letter() {
    let service = Service::start(&[Action::FailPermanently]).await;
    assert_eq!(service.push(DAYS).await, DONE);
    assert_dead_letter(
        &service,
        DAYS,
        DAYS_ID,
        &["cannot ingest the day: the cause"],
    )
    .await;
    assert_eq!(
        service.dead_letters().await[0].attributes["origin"],
        "scheduler"
    );
    let Some(Entry::DeadLettered { at, reason, .. }) = service.ledger(DAYS_ID).await else {
        panic!("expected a dead-lettered ledger entry")
    };
    assert_eq!(
        (at, reason.as_str()),
        (
            timestamp("2021-07-21T04:00:00Z"),
            "cannot ingest the day: the cause"
        )
    );
}

/// In the cloud, the function lacks permission to publish to an undeclared topic.
#[tokio::test]
async fn event_for_undeclared_topic_becomes_a_dead_letter() {
    let service = Service::start(&[Action::PublishToUndeclaredTopic]).await;
    assert_eq!(service.push(DAYS).await, DONE);
    assert_dead_letter(
        &service,
        DAYS,
        DAYS_ID,
        &["ingest may not publish to drift-check-requested"],
    )
    .await;
    assert!(
        service
            .messages(Topic::DriftCheckRequested)
            .await
            .is_empty()
    );
    assert!(matches!(
        service.ledger(DAYS_ID).await,
        Some(Entry::DeadLettered { .. })
    ));
}

#[tokio::test]
async fn transient_error_is_retried_and_leaves_only_a_released_entry() {
    let service = Service::start(&[Action::FailTransiently]).await;
    assert_eq!(service.push(DAYS).await, RETRY);
    assert!(service.dead_letters().await.is_empty());
    assert!(service.audit_log().await.is_empty());
    assert!(service.published().await.is_empty());
    let Some(Entry::Released { reason, .. }) = service.ledger(DAYS_ID).await else {
        panic!("expected a released ledger entry")
    };
    assert_eq!(reason, "cannot reach the open data service: the cause");

    assert_eq!(service.push(DAYS).await, DONE);
    service.assert_handled(1).await;
}

#[tokio::test]
async fn panicking_handler_is_retried() {
    let service = Service::start(&[Action::Panic]).await;
    assert_eq!(service.push(DAYS).await, RETRY);
    assert!(service.dead_letters().await.is_empty());
    assert!(matches!(
        service.ledger(DAYS_ID).await,
        Some(Entry::Released { .. })
    ));
    assert_eq!(service.push(DAYS).await, DONE);
    service.assert_handled(1).await;
}

#[tokio::test]
async fn event_in_progress_is_retried() {
    let service = Service::start(&[Action::WaitAndSucceed]).await;
    let (first, second) = tokio::join!(service.push(DAYS), async {
        service.probe.wait_for_runs(1).await;
        let second = service.push(DAYS).await;
        assert!(matches!(
            service.ledger(DAYS_ID).await,
            Some(Entry::InProgress { .. })
        ));
        service.probe.open_gate();
        second
    });
    assert_eq!((first, second), (DONE, RETRY));
    service.assert_handled(1).await;
    assert_eq!(service.probe.runs(), 1);
}

#[tokio::test]
async fn body_over_the_limit_is_rejected() {
    let service = Service::start(&[]).await;
    let too_large = vec![b' '; MAXIMUM_BODY_BYTES + 1];
    assert_eq!(
        service.post(too_large, &[]).await,
        StatusCode::PAYLOAD_TOO_LARGE
    );
    assert_eq!(
        (service.probe.runs(), service.dead_letters().await.len()),
        (0, 0)
    );
    // A body of exactly the limit is accepted.
    let mut body = wrapped(DAYS).to_string().into_bytes();
    body.resize(MAXIMUM_BODY_BYTES, b' ');
    assert_eq!(service.post(body, &[]).await, DONE);
    service.assert_handled(1).await;
}

#[tokio::test]
async fn health_endpoints_report_liveness_and_readiness() {
    let service = Service::start(&[]).await;
    assert_eq!(service.get("/livez").await, (StatusCode::OK, String::new()));
    assert_eq!(
        service.get("/readyz").await,
        (StatusCode::OK, String::new())
    );
    service.probe.set_ready(false);
    assert_eq!(service.get("/livez").await, (StatusCode::OK, String::new()));
    assert_eq!(
        service.get("/readyz").await,
        (RETRY, "the model is not loaded".to_owned())
    );
}

#[tokio::test]
async fn handler_routes_are_served() {
    let service = Service::start(&[]).await;
    assert_eq!(service.push(DAYS).await, DONE);
    assert_eq!(service.get("/runs").await, (StatusCode::OK, "1".to_owned()));
    assert_eq!(service.get("/elsewhere").await.0, StatusCode::NOT_FOUND);
    assert_eq!(service.get("/").await.0, StatusCode::METHOD_NOT_ALLOWED);
}

/// Asserts that the only effects are one dead letter and one audit row with the same reason.
///
/// The reason contains each of `reasons` once.
async fn assert_dead_letter(service: &Service, text: &str, event_id: &str, reasons: &[&str]) {
    let [dead_letter] = &service.dead_letters().await[..] else {
        panic!("expected one dead letter for {text}")
    };
    assert_eq!(payload(dead_letter), text);
    assert_eq!(dead_letter.attributes["dead_letter_event_id"], event_id);
    let reason = &dead_letter.attributes["dead_letter_reason"];
    for part in reasons {
        assert_eq!(reason.matches(part).count(), 1, "{reason}");
    }
    let [row] = &service.ports.warehouse.audit_log().await.unwrap()[..] else {
        panic!("expected one audit row")
    };
    assert_eq!(
        (row.event_id.to_string(), row.entry.decision.as_str()),
        (event_id.to_owned(), "dead-lettered")
    );
    assert_eq!(row.entry.error_message.as_ref(), Some(reason));
    assert!(
        reason.starts_with(&row.entry.reason) && !row.entry.reason.is_empty(),
        "{}",
        row.entry.reason
    );
    assert!(service.published().await.is_empty());
    assert!(
        service
            .probe
            .effects(&*service.ports.store)
            .await
            .is_empty()
    );
}
