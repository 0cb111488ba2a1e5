//! The spans of deliveries, and the trace context of published messages.
//!
//! The recording of spans belongs to a thread, so these tests run on one thread.

use std::{collections::BTreeMap, time::Instant};

use axum::http::StatusCode;
use runtime::ServiceSettings;
use serde_json::json;
use shared::event::Topic;
use tests::endpoint::Endpoint;
use tokio::net::TcpListener;
use tracing::subscriber::DefaultGuard;

use super::{Action, DAYS, DAYS_ID, Service, wrapped};
use crate::collector::{Collector, PARENT, PARENT_SPAN, TRACE, record, traces_to};

const DONE: StatusCode = StatusCode::NO_CONTENT;
const RETRY: StatusCode = StatusCode::SERVICE_UNAVAILABLE;

/// Starts a service that exports its spans to a collector.
async fn start(actions: &[Action], endpoint: &str) -> (Service, DefaultGuard) {
    let traces = traces_to(endpoint);
    let recording = record(&traces);
    let settings = ServiceSettings {
        traces: Some(traces),
        ..ServiceSettings::default()
    };
    (Service::with_settings(actions, settings).await, recording)
}

/// Delivers a payload with an attribute of the message.
async fn push(service: &Service, payload: &str, name: &str, value: &str) -> StatusCode {
    let mut push = wrapped(payload);
    push["deliveryAttempt"] = 2.into();
    push["message"]["attributes"] = json!({ name: value });
    service.post(push.to_string(), &[]).await
}

/// Returns the attribute `traceparent` of each published event.
async fn published(service: &Service) -> Vec<Option<String>> {
    let messages = service.messages(Topic::DayIngested).await;
    let parent = |attributes: &BTreeMap<String, String>| attributes.get("traceparent").cloned();
    messages
        .iter()
        .map(|message| parent(&message.attributes))
        .collect()
}

#[tokio::test]
async fn delivery_without_a_collector_carries_the_trace_on() {
    for (name, value, expected) in [
        ("traceparent", PARENT, Some(PARENT)),
        ("googclient_traceparent", PARENT, Some(PARENT)),
        ("traceparent", "00-4bf9-00f0-01", None),
        ("origin", "scheduler", None),
    ] {
        let service = Service::start(&[]).await;
        assert_eq!(push(&service, DAYS, name, value).await, DONE, "{value}");
        service.assert_handled(1).await;
        let expected = expected.map(str::to_owned);
        assert_eq!(
            published(&service).await,
            vec![expected; 2],
            "{name}: {value}"
        );
    }
}

#[tokio::test]
async fn delivery_is_a_span_in_the_trace_of_its_message() {
    let collector = Collector::start().await;
    let (service, _recording) = start(&[], &collector.endpoint()).await;
    assert_eq!(push(&service, DAYS, "traceparent", PARENT).await, DONE);
    // The response follows the export.
    let [span] = &collector.deliveries()[..] else {
        panic!("expected one delivery: {:?}", collector.spans())
    };
    assert_eq!(
        (&*span.name, &*span.trace_id, &*span.parent_id),
        ("ingest ingest-requested", TRACE, PARENT_SPAN)
    );
    let attributes: Vec<_> = span
        .attributes
        .iter()
        .map(|(name, value)| (&**name, &**value))
        .collect();
    let expected = [
        ("decision", "ingested"),
        ("delivery_attempt", "2"),
        ("event_id", DAYS_ID),
        ("function", "ingest"),
        ("http.response.status_code", "204"),
        ("message_id", "136969346945"),
        ("topic", "ingest-requested"),
    ];
    assert_eq!(attributes, expected);
    assert!(!span.has_failed);
    assert_eq!(span.resource["service.name"], "ingest");
    let parent = format!("00-{TRACE}-{}-01", span.span_id);
    assert_eq!(published(&service).await, vec![Some(parent); 2]);
}

#[tokio::test]
async fn message_without_a_valid_context_starts_a_trace() {
    for value in ["00-4bf9-00f0-01", ""] {
        let collector = Collector::start().await;
        let (service, _recording) = start(&[], &collector.endpoint()).await;
        assert_eq!(push(&service, DAYS, "traceparent", value).await, DONE);
        let [span] = &collector.deliveries()[..] else {
            panic!("expected one delivery: {:?}", collector.spans())
        };
        assert_eq!((&*span.parent_id, span.trace_id.len()), ("", 32));
        let parent = format!("00-{}-{}-01", span.trace_id, span.span_id);
        assert_eq!(published(&service).await, vec![Some(parent); 2]);
    }
}

#[tokio::test]
async fn each_attempt_is_a_span_of_the_same_trace() {
    let collector = Collector::start().await;
    let (service, _recording) = start(&[Action::FailTransiently], &collector.endpoint()).await;
    for expected in [RETRY, DONE] {
        let status = push(&service, DAYS, "traceparent", PARENT).await;
        assert_eq!(status, expected);
    }
    let attempts: Vec<_> = collector
        .deliveries()
        .iter()
        .map(|span| {
            let decision = span.attributes.get("decision").cloned();
            (span.trace_id.clone(), span.has_failed, decision)
        })
        .collect();
    let decision = Some("ingested".to_owned());
    let expected = [
        (TRACE.to_owned(), true, None),
        (TRACE.to_owned(), false, decision),
    ];
    assert_eq!(attempts, expected);
}

/// A dead letter that is published again continues the trace.
#[tokio::test]
async fn dead_letter_keeps_the_trace_of_its_message() {
    let collector = Collector::start().await;
    let (service, _recording) = start(&[], &collector.endpoint()).await;
    assert_eq!(
        push(&service, "no event", "traceparent", PARENT).await,
        DONE
    );
    let [span] = &collector.deliveries()[..] else {
        panic!("expected one delivery: {:?}", collector.spans())
    };
    assert_eq!(span.attributes["decision"], "dead-lettered");
    assert_eq!((&*span.trace_id, span.has_failed), (TRACE, true));
    let [dead_letter] = &service.dead_letters().await[..] else {
        panic!("expected one dead letter")
    };
    assert_eq!(dead_letter.attributes["traceparent"], PARENT);
}

#[tokio::test]
async fn unsampled_trace_is_carried_on_and_not_exported() {
    let collector = Collector::start().await;
    let (service, _recording) = start(&[], &collector.endpoint()).await;
    let unsampled = PARENT.replace("-01", "-00");
    assert_eq!(push(&service, DAYS, "traceparent", &unsampled).await, DONE);
    assert!(collector.spans().is_empty());
    for parent in published(&service).await {
        let parent = parent.unwrap();
        assert!(parent.starts_with(&format!("00-{TRACE}-")), "{parent}");
        assert!(parent.ends_with("-00"), "{parent}");
    }
}

#[tokio::test]
async fn collector_in_trouble_fails_no_event() {
    let unreachable = "http://127.0.0.1:9".to_owned();
    let refusing = Endpoint::acknowledging().await;
    // Nobody accepts its connections.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = (format!("http://{}", silent.local_addr().unwrap()), silent);
    for endpoint in [&unreachable, &refusing.url(), &silent.0] {
        let (service, _recording) = start(&[], endpoint).await;
        let begin = Instant::now();
        assert_eq!(push(&service, DAYS, "traceparent", PARENT).await, DONE);
        let seconds = begin.elapsed().as_secs();
        assert!(seconds < 8, "{endpoint} delays the response by {seconds} s");
        service.assert_handled(1).await;
    }
}
