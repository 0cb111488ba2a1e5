//! A collector of traces that records the spans it receives.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode, header::CONTENT_TYPE},
    routing::post,
};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{KeyValue, any_value::Value},
    trace::v1::{Span, span::SpanKind, status::StatusCode as SpanStatus},
};
use prost::Message;
use runtime::Traces;
use shared::event::Function;
use tokio::{net::TcpListener, task::JoinHandle};
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::layer::SubscriberExt;

/// The trace context of messages in tests: the second example of the specification.
pub(crate) const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
/// The trace of [`PARENT`].
pub(crate) const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
/// The span of [`PARENT`].
pub(crate) const PARENT_SPAN: &str = "00f067aa0ba902b7";

/// A collector on a local port. Dropping it closes the port.
pub(crate) struct Collector {
    address: SocketAddr,
    spans: Spans,
    server: JoinHandle<()>,
}

type Spans = Arc<Mutex<Vec<ReceivedSpan>>>;

/// A received span.
#[derive(Clone, Debug)]
pub(crate) struct ReceivedSpan {
    /// The header `api-key` of the request.
    pub(crate) api_key: Option<String>,
    /// The description of the process.
    pub(crate) resource: BTreeMap<String, String>,
    pub(crate) name: String,
    pub(crate) trace_id: String,
    pub(crate) span_id: String,
    /// Empty for the first span of a trace.
    pub(crate) parent_id: String,
    /// `true` for the span of a delivery.
    pub(crate) is_delivery: bool,
    pub(crate) attributes: BTreeMap<String, String>,
    pub(crate) has_failed: bool,
}

impl Collector {
    pub(crate) async fn start() -> Self {
        let spans = Spans::default();
        let router = Router::new()
            .route("/v1/traces", post(receive))
            .with_state(Arc::clone(&spans));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            address,
            spans,
            server,
        }
    }

    /// Returns the value of `OTEL_EXPORTER_OTLP_ENDPOINT`.
    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns the spans received so far.
    pub(crate) fn spans(&self) -> Vec<ReceivedSpan> {
        self.spans.lock().unwrap().clone()
    }

    /// Returns the received spans of deliveries.
    pub(crate) fn deliveries(&self) -> Vec<ReceivedSpan> {
        let mut spans = self.spans();
        spans.retain(|span| span.is_delivery);
        spans
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// Returns the traces of `ingest`, exported to an address.
pub(crate) fn traces_to(endpoint: &str) -> Traces {
    let endpoint = endpoint.to_owned();
    let variables =
        move |name: &str| (name == "OTEL_EXPORTER_OTLP_ENDPOINT").then(|| endpoint.clone());
    let traces = Traces::read(&variables, Function::Ingest).unwrap();
    traces.expect("the variable is set")
}

/// Records the spans of the present thread until the guard is dropped.
pub(crate) fn record(traces: &Traces) -> DefaultGuard {
    tracing::subscriber::set_default(tracing_subscriber::registry().with(traces.layer()))
}

async fn receive(State(spans): State<Spans>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let header = |name: &str| Some(headers.get(name)?.to_str().unwrap().to_owned());
    assert_eq!(headers[CONTENT_TYPE], "application/x-protobuf");
    let request = ExportTraceServiceRequest::decode(body).unwrap();
    for process in request.resource_spans {
        let resource = texts(&process.resource.unwrap().attributes);
        for span in process.scope_spans.iter().flat_map(|scope| &scope.spans) {
            let received = received(span, resource.clone(), header("api-key"));
            spans.lock().unwrap().push(received);
        }
    }
    StatusCode::OK
}

fn received(
    span: &Span,
    resource: BTreeMap<String, String>,
    api_key: Option<String>,
) -> ReceivedSpan {
    let status = span.status.as_ref();
    ReceivedSpan {
        api_key,
        resource,
        name: span.name.clone(),
        trace_id: hex(&span.trace_id),
        span_id: hex(&span.span_id),
        parent_id: hex(&span.parent_span_id),
        is_delivery: span.kind() == SpanKind::Consumer,
        attributes: texts(&span.attributes),
        has_failed: status.is_some_and(|status| status.code() == SpanStatus::Error),
    }
}

fn texts(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |attribute: &KeyValue| match attribute.value.clone().and_then(|any| any.value) {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    };
    let pair = |attribute: &KeyValue| (attribute.key.clone(), text(attribute));
    attributes.iter().map(pair).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
