//! The same event in each supported envelope.

use axum::http::StatusCode;
use serde_json::{Value, json};
use shared::event::Function;

use super::{Action, DAYS, Service, timestamp, wrapped};

const DONE: StatusCode = StatusCode::NO_CONTENT;

#[tokio::test]
async fn eventarc_cloud_event_is_accepted() {
    let service = Service::start(&[]).await;
    let headers = [
        ("ce-id", "136969346945"),
        (
            "ce-source",
            "//pubsub.googleapis.com/projects/demo/topics/ingest-requested",
        ),
        ("ce-specversion", "1.0"),
        ("ce-type", "google.cloud.pubsub.topic.v1.messagePublished"),
        ("content-type", "application/json"),
    ];
    assert_eq!(
        service.post(wrapped(DAYS).to_string(), &headers).await,
        DONE
    );
    service.assert_handled(1).await;
    assert_eq!(
        service.probe.contexts()[0].published_at,
        timestamp("2021-07-20T04:00:00.123Z")
    );
}

/// As Eventarc writes it in structured mode.
#[tokio::test]
async fn structured_cloud_event_is_accepted() {
    let service = Service::start(&[]).await;
    let headers = [(
        "content-type",
        "application/cloudevents+json; charset=utf-8",
    )];
    let event = structured(wrapped(DAYS)).to_string();
    assert_eq!(service.post(event, &headers).await, DONE);
    service.assert_handled(1).await;
    assert_eq!(
        service.probe.contexts()[0].published_at,
        timestamp("2021-07-20T04:00:00.123Z")
    );
}

/// The first event fails, the second is invalid, and the third is handled.
#[tokio::test]
async fn every_event_of_a_batch_is_handled_and_the_worst_decides() {
    let service = Service::start(&[Action::FailTransiently]).await;
    let headers = [("content-type", "application/cloudevents-batch+json")];
    let other = r#"{"type":"ingest-requested","from":"2021-07-18"}"#;
    let batch = json!([
        structured(wrapped(other)),
        { "id": "2", "type": "com.example.unknown" },
        structured(wrapped(DAYS)),
    ]);
    let status = service.post(batch.to_string(), &headers).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(
        (service.probe.runs(), service.dead_letters().await.len()),
        (2, 1)
    );
    assert_eq!(service.published().await.len(), 2);

    assert_eq!(service.post(batch.to_string(), &headers).await, DONE);
    assert_eq!(
        (service.probe.runs(), service.dead_letters().await.len()),
        (3, 1)
    );
    assert_eq!(service.post("[]", &headers).await, DONE);
}

#[tokio::test]
async fn other_cloud_event_becomes_a_dead_letter() {
    let service = Service::start(&[]).await;
    let headers = [("ce-type", "google.cloud.storage.object.v1.finalized")];
    assert_eq!(
        service.post(wrapped(DAYS).to_string(), &headers).await,
        DONE
    );
    let [dead_letter] = &service.dead_letters().await[..] else {
        panic!("expected one dead letter")
    };
    let reason = &dead_letter.attributes["dead_letter_reason"];
    assert!(
        reason.contains("google.cloud.storage.object.v1.finalized"),
        "{reason}"
    );
    assert_eq!(service.probe.runs(), 0);
}

#[tokio::test]
async fn unwrapped_push_with_metadata_is_accepted() {
    let service = Service::start(&[]).await;
    let headers = [
        (
            "x-goog-pubsub-subscription-name",
            "projects/demo/subscriptions/ingest",
        ),
        ("x-goog-pubsub-message-id", "136969346945"),
        ("x-goog-pubsub-publish-time", "2021-07-20T04:00:00.123Z"),
        ("x-goog-pubsub-attr-origin", "scheduler"),
    ];
    assert_eq!(service.post(DAYS, &headers).await, DONE);
    service.assert_handled(1).await;
    assert_eq!(
        service.probe.contexts()[0].published_at,
        timestamp("2021-07-20T04:00:00.123Z")
    );

    assert_eq!(service.post("no event", &headers).await, DONE);
    let [dead_letter] = &service.dead_letters().await[..] else {
        panic!("expected one dead letter")
    };
    assert_eq!(dead_letter.attributes["origin"], "scheduler");
    assert_eq!(
        dead_letter.attributes["dead_letter_event_id"],
        "message/136969346945"
    );
}

/// The time of arrival replaces the missing publish time.
#[tokio::test]
async fn unwrapped_push_without_metadata_is_accepted() {
    let service = Service::start(&[]).await;
    assert_eq!(service.post(DAYS, &[]).await, DONE);
    service.assert_handled(1).await;
    assert_eq!(
        service.probe.contexts()[0].published_at,
        timestamp("2021-07-21T04:00:00Z")
    );
}

/// The scheduler's message has neither days nor id. Both derive from its publish time in Paris.
#[tokio::test]
async fn request_without_days_ingests_the_day_before_publishing() {
    let service = Service::start(&[]).await;
    let mut push = wrapped(r#"{"type":"ingest-requested"}"#);
    push["message"]["publishTime"] = "2021-07-19T22:30:00Z".into();
    assert_eq!(service.post(push.to_string(), &[]).await, DONE);
    assert_eq!(
        service.audit_log().await,
        [("ingest/2021-07-19".to_owned(), "ingested".to_owned())]
    );
    let rows = service.ports.warehouse.audit_log().await.unwrap();
    assert_eq!(rows[0].function, Function::Ingest);
}

#[tokio::test]
async fn unknown_fields_are_ignored() {
    let service = Service::start(&[]).await;
    let days = DAYS.replace('}', r#","requested_by":"a person"}"#);
    let mut push = wrapped(&days);
    push["message"]["orderingKey"] = "paris".into();
    push["deliveryAttempt"] = 7.into();
    assert_eq!(service.post(push.to_string(), &[]).await, DONE);
    service.assert_handled(1).await;
}

/// Returns a push as the data of a CloudEvent in structured mode.
fn structured(push: Value) -> Value {
    json!({
        "specversion": "1.0",
        "id": "136969346945",
        "source": "//pubsub.googleapis.com/projects/demo/topics/ingest-requested",
        "type": "google.cloud.pubsub.topic.v1.messagePublished",
        "datacontenttype": "application/json",
        "time": "2021-07-20T04:00:00.123Z",
        "data": push,
    })
}
