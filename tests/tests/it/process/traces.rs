//! Spans of a process, and the log lines that refer to them.

use reqwest::StatusCode;
use serde_json::json;
use tests::eventually::eventually;

use super::{EX_CONFIG, PROMOTE, child::Process, files, free_port, memory, post, push};
use crate::collector::{Collector, PARENT, PARENT_SPAN, TRACE};

#[tokio::test]
async fn delivery_and_port_calls_are_exported_before_the_response() {
    let collector = Collector::start().await;
    let folder = tempfile::tempdir().unwrap();
    let mut variables = files(&folder);
    variables.extend([
        ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint()),
        ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=a%20key".to_owned()),
        ("OTEL_RESOURCE_ATTRIBUTES", "team=bikes".to_owned()),
        ("ENVIRONMENT", "dev".to_owned()),
        ("GOOGLE_CLOUD_PROJECT", "demo".to_owned()),
    ]);
    let process = Process::start(PROMOTE, &variables);
    let port = process.port().await;
    // "no event" in base64.
    let message = json!({ "data": "bm8gZXZlbnQ=", "attributes": { "traceparent": PARENT } });
    let status = post(port, &json!({ "message": message })).await;
    let spans = collector.spans();
    process.terminate();
    let ended = process.end().await;
    assert_eq!((status, ended.code()), (StatusCode::NO_CONTENT, Some(0)));

    let [delivery] = &collector.deliveries()[..] else {
        panic!("expected one delivery: {spans:?}")
    };
    assert_eq!(
        (&*delivery.name, &*delivery.trace_id, &*delivery.parent_id),
        ("promote challenger-evaluated", TRACE, PARENT_SPAN)
    );
    assert_eq!(delivery.api_key.as_deref(), Some("a key"));
    for (name, expected) in [
        ("service.name", "promote"),
        ("deployment.environment.name", "dev"),
        ("gcp.project_id", "demo"),
        ("team", "bikes"),
    ] {
        assert_eq!(delivery.resource[name], expected);
    }
    let calls: Vec<_> = spans.iter().filter(|span| !span.is_delivery).collect();
    for call in &calls {
        assert_eq!(
            (&call.trace_id, &call.parent_id),
            (&delivery.trace_id, &delivery.span_id),
            "{call:?}"
        );
    }
    for (name, object) in [
        ("store write", "ledger/promote/"),
        ("warehouse record", "message/"),
        ("bus publish", "promote-dead-letter"),
    ] {
        let call = calls.iter().find(|call| call.name == name);
        let call = call.unwrap_or_else(|| panic!("no span `{name}`: {calls:?}"));
        assert!(call.attributes["object"].starts_with(object), "{call:?}");
    }

    // The request has another trace.
    let line = ended.line("moving message to dead-letter topic");
    for (name, expected) in [
        ("trace", json!(format!("projects/demo/traces/{TRACE}"))),
        ("spanId", json!(delivery.span_id)),
        ("trace_sampled", json!(true)),
    ] {
        assert_eq!(line[&format!("logging.googleapis.com/{name}")], expected);
    }
    assert!(
        !line.keys().any(|name| name.starts_with("otel")),
        "{line:?}"
    );
}

#[tokio::test]
async fn log_level_does_not_apply_to_traces() {
    let collector = Collector::start().await;
    let mut variables = memory();
    let port = free_port();
    variables.extend([
        ("PORT", port.to_string()),
        ("RUST_LOG", "error".to_owned()),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint()),
    ]);
    let process = Process::start(PROMOTE, &variables);
    let url = format!("http://127.0.0.1:{port}/livez");
    eventually("the process to listen", async || {
        reqwest::get(&url).await.ok()
    })
    .await;
    push(port, "no event").await;
    assert_eq!(collector.deliveries().len(), 1);
    process.terminate();
    let ended = process.end().await;
    let messages: Vec<_> = ended.lines.iter().map(|line| &line["message"]).collect();
    assert_eq!(messages, ["moving message to dead-letter topic"]);
}

#[tokio::test]
async fn invalid_collector_is_named() {
    let (endpoint, headers) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_HEADERS");
    for (address, header, invalid) in [
        ("collector:4318", "", endpoint),
        ("http://127.0.0.1:9", "api-key", headers),
    ] {
        let mut variables = memory();
        variables.insert(endpoint, address.to_owned());
        variables.insert(headers, header.to_owned());
        let ended = Process::start(PROMOTE, &variables).end().await;
        assert_eq!(ended.code(), Some(EX_CONFIG), "{invalid}");
        ended.assert_error(&format!("the environment variable {invalid} is invalid"));
    }
}
