//! What a delivery gets back, row by row, and what it leaves behind.

use axum::http::StatusCode;
use runtime::MAXIMUM_BODY_BYTES;
use shared::{bus::dead_letter::Offloaded, event::Topic, ledger::Entry, store::read_json};

use super::{DAYS, DAYS_ID, Service, Turn, payload, timestamp, wrapped};

const DONE: StatusCode = StatusCode::NO_CONTENT;
const TRY_LATER: StatusCode = StatusCode::SERVICE_UNAVAILABLE;

#[tokio::test]
async fn an_event_that_is_done_is_acknowledged() {
    let service = Service::start(&[]).await;
    assert_eq!(service.push(DAYS).await, DONE);
    service.assert_handled(1).await;
    let [context] = &service.probe.contexts()[..] else {
        panic!("the handler runs once")
    };
    assert_eq!(context.event_id.to_string(), DAYS_ID);
    assert_eq!(context.published_at, timestamp("2021-07-20T04:00:00.123Z"));
    assert_eq!(context.now, timestamp("2021-07-21T04:00:00Z"));
}

#[tokio::test]
async fn an_event_that_was_done_before_is_acknowledged_and_its_events_are_published_again() {
    let service = Service::start(&[]).await;
    for times in 1..=3 {
        assert_eq!(service.push(DAYS).await, DONE);
        service.assert_handled(times).await;
        service.wait_until_the_lease_expires();
    }
    assert_eq!(service.probe.runs(), 1);
}

#[tokio::test]
async fn a_body_without_a_message_becomes_a_dead_letter() {
    // Each with the first 16 digits of its SHA-256, as sha256sum prints them.
    let cases = [
        ("", "e3b0c44298fc1c14", "the body is no JSON"),
        ("<html>", "b7d082ee12e91b75", "the body is no JSON"),
        (
            r#"{"message":7}"#,
            "ac7f25070c148772",
            "the push envelope cannot be understood",
        ),
        (
            r#"{"message":{"data":"%%%","messageId":"1"}}"#,
            "3b29aad5bc3a423f",
            "the payload of the message is no base64",
        ),
        (
            r#"{"message":{"data":"e30=","publishTime":"soon"}}"#,
            "fa0d8abe4af8496f",
            "the push envelope cannot be understood",
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
async fn a_message_that_is_not_the_functions_event_becomes_a_dead_letter() {
    let cases = [
        ("", "the message is no JSON"),
        ("counts", "the message is no JSON"),
        ("{}", "unknown event ``, expected `ingest-requested`"),
        (
            r#"{"type":"day-ingested","event_id":"ingest/2021-07-19"}"#,
            "unknown event `day-ingested`",
        ),
        (
            r#"{"type":"ingest-requested","from":"2021-02-30"}"#,
            "cannot read `2021-02-30` as a day",
        ),
        (
            r#"{"type":"ingest-requested","from":7}"#,
            "the event ingest-requested has fields that cannot be used",
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

/// Pub/Sub refuses an attribute of more than 1,024 bytes, and the letter with it.
#[tokio::test]
async fn a_reason_that_is_too_long_for_a_letter_is_cut_there_and_whole_in_the_audit_log() {
    let service = Service::start(&[]).await;
    let day = "é".repeat(2_000);
    assert_eq!(
        service
            .push(&format!(r#"{{"type":"ingest-requested","from":"{day}"}}"#))
            .await,
        DONE
    );
    let [dead_letter] = &service.dead_letters().await[..] else {
        panic!("there is one dead letter")
    };
    let reason = &dead_letter.attributes["dead_letter_reason"];
    let cut = reason.strip_suffix('…').unwrap();
    assert!((1_000..=1_024).contains(&reason.len()), "{}", reason.len());
    let [row] = &service.ports.warehouse.audit_log().await.unwrap()[..] else {
        panic!("there is one audit row")
    };
    let whole = row.error_message.as_ref().unwrap();
    assert!(whole.starts_with(cut) && whole.contains(&day), "{whole}");
}

/// Pub/Sub takes 10 MB together with the reason, the door 10 MiB.
#[tokio::test]
async fn a_body_that_is_too_large_for_a_letter_is_offloaded_and_the_letter_names_it() {
    let service = Service::start(&[]).await;
    let body = vec![b'x'; MAXIMUM_BODY_BYTES];
    for _ in 0..2 {
        assert_eq!(service.post(body.clone(), &[]).await, DONE);
    }
    let dead_letters = service.dead_letters().await;
    let [dead_letter, _] = &dead_letters[..] else {
        panic!("there is a dead letter of each delivery")
    };
    assert_eq!(payload(dead_letter), "");
    assert!(dead_letter.attributes["dead_letter_reason"].starts_with("cannot read the delivery"));
    let kept = service
        .ports
        .store
        .list("dead-letters/ingest/")
        .await
        .unwrap();
    assert_eq!(
        kept.iter().map(ToString::to_string).collect::<Vec<_>>(),
        [dead_letter.attributes["dead_letter_object"].clone()]
    );
    let (offloaded, _) = read_json::<Offloaded>(&*service.ports.store, &kept[0])
        .await
        .unwrap();
    assert!(offloaded.data.to_bytes() == body, "it is not the body");
    let [row] = &service.ports.warehouse.audit_log().await.unwrap()[..] else {
        panic!("there is one audit row")
    };
    assert_eq!(
        row.detail["message"],
        dead_letter.attributes["dead_letter_object"].as_str()
    );
}

#[tokio::test]
async fn an_event_that_the_handler_calls_hopeless_becomes_a_dead_letter() {
    let service = Service::start(&[Turn::FailPermanently]).await;
    assert_eq!(service.push(DAYS).await, DONE);
    assert_dead_letter(
        &service,
        DAYS,
        DAYS_ID,
        &["the day cannot be ingested: the cause of it"],
    )
    .await;
    assert_eq!(
        service.dead_letters().await[0].attributes["origin"],
        "scheduler"
    );
    assert!(matches!(
        service.ledger(DAYS_ID).await,
        Some(Entry::Released { .. })
    ));
}

/// In the cloud it has no right to that topic, and nobody would get the event.
#[tokio::test]
async fn an_event_that_leads_to_a_topic_which_the_function_does_not_name_becomes_a_dead_letter() {
    let service = Service::start(&[Turn::ExceedRights]).await;
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
        Some(Entry::Released { .. })
    ));
}

/// After the reason is gone, a replay of the message is not turned away.
#[tokio::test]
async fn a_hopeless_event_can_be_handled_later() {
    let service = Service::start(&[Turn::FailPermanently, Turn::Succeed]).await;
    assert_eq!(service.push(DAYS).await, DONE);
    assert_eq!(service.push(DAYS).await, DONE);
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

#[tokio::test]
async fn passing_trouble_is_tried_again_and_leaves_nothing_but_a_released_entry() {
    let service = Service::start(&[Turn::FailForTheMoment]).await;
    assert_eq!(service.push(DAYS).await, TRY_LATER);
    assert!(service.dead_letters().await.is_empty());
    assert!(service.audit_log().await.is_empty());
    assert!(service.published().await.is_empty());
    let Some(Entry::Released { reason, .. }) = service.ledger(DAYS_ID).await else {
        panic!("it is not released")
    };
    assert_eq!(reason, "the city does not answer: the cause of it");

    assert_eq!(service.push(DAYS).await, DONE);
    service.assert_handled(1).await;
}

#[tokio::test]
async fn a_handler_that_panics_is_tried_again() {
    let service = Service::start(&[Turn::Panic]).await;
    assert_eq!(service.push(DAYS).await, TRY_LATER);
    assert!(service.dead_letters().await.is_empty());
    assert!(matches!(
        service.ledger(DAYS_ID).await,
        Some(Entry::Released { .. })
    ));
    assert_eq!(service.push(DAYS).await, DONE);
    service.assert_handled(1).await;
}

#[tokio::test]
async fn an_event_that_is_handled_elsewhere_comes_again_later() {
    let service = Service::start(&[Turn::WaitAndSucceed]).await;
    let (first, second) = tokio::join!(service.push(DAYS), async {
        service.probe.has_begun(1).await;
        let second = service.push(DAYS).await;
        assert!(matches!(
            service.ledger(DAYS_ID).await,
            Some(Entry::InProgress { .. })
        ));
        service.probe.open_gate();
        second
    });
    assert_eq!((first, second), (DONE, TRY_LATER));
    service.assert_handled(1).await;
    assert_eq!(service.probe.runs(), 1);
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_at_the_door() {
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
    // A body of just that size is read, and what is in it is an event.
    let mut body = wrapped(DAYS).to_string().into_bytes();
    body.resize(MAXIMUM_BODY_BYTES, b' ');
    assert_eq!(service.post(body, &[]).await, DONE);
    service.assert_handled(1).await;
}

#[tokio::test]
async fn the_service_tells_whether_it_lives_and_is_ready() {
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
        (TRY_LATER, "the model is not loaded".to_owned())
    );
}

#[tokio::test]
async fn a_handler_may_have_routes_of_its_own() {
    let service = Service::start(&[]).await;
    assert_eq!(service.push(DAYS).await, DONE);
    assert_eq!(service.get("/runs").await, (StatusCode::OK, "1".to_owned()));
    assert_eq!(service.get("/elsewhere").await.0, StatusCode::NOT_FOUND);
    assert_eq!(service.get("/").await.0, StatusCode::METHOD_NOT_ALLOWED);
}

/// Asserts that there is one dead letter, with this payload and event id and a reason that holds these parts, one audit
/// row that says the same, and nothing else.
async fn assert_dead_letter(service: &Service, text: &str, event_id: &str, reasons: &[&str]) {
    let [dead_letter] = &service.dead_letters().await[..] else {
        panic!("there is one dead letter of {text}")
    };
    assert_eq!(payload(dead_letter), text);
    assert_eq!(dead_letter.attributes["dead_letter_event_id"], event_id);
    let reason = &dead_letter.attributes["dead_letter_reason"];
    for part in reasons {
        assert_eq!(reason.matches(part).count(), 1, "{reason}");
    }
    let [row] = &service.ports.warehouse.audit_log().await.unwrap()[..] else {
        panic!("there is one audit row")
    };
    assert_eq!(
        (row.event_id.to_string(), row.decision.as_str()),
        (event_id.to_owned(), "dead-lettered")
    );
    assert_eq!(row.error_message.as_ref(), Some(reason));
    assert!(
        reason.starts_with(&row.reason) && !row.reason.is_empty(),
        "{}",
        row.reason
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
