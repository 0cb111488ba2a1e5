//! Traces: a span for each delivery and for each call of a port, sent to a collector.
//!
//! A trace continues in the messages that a delivery publishes. Without a collector there are no
//! spans, and a message carries on the trace of the message that led to it.

mod context;
mod export;
mod ports;

use std::{sync::Arc, time::Duration};

use opentelemetry::{
    Context, KeyValue,
    trace::{FutureExt, SpanContext, Status, TraceContextExt, TracerProvider},
};
use opentelemetry_sdk::{
    Resource,
    resource::{EnvResourceDetector, TelemetryResourceDetector},
    trace::{SdkTracer, SdkTracerProvider},
};
use serde_json::{Map, Value, json};
use shared::{
    event::Function,
    ports::Ports,
    settings::{SettingsError, Variables, optional},
};
use tokio::time::timeout;
use tracing::{Instrument, Span, Subscriber, level_filters::LevelFilter};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::{Layer, filter::filter_fn, registry::LookupSpan};

use self::{
    context::of_message,
    export::{ENDPOINT, Exporter, HEADERS, Queue},
};
use crate::{Envelope, Reply};

pub(crate) use context::add_to_message;

/// The target of the spans that are exported. Other spans are for logs only.
const TARGET: &str = module_path!();

/// The traces of a process, exported to a collector. Clones share the exporter.
///
/// Spans are exported at the end of each delivery, before its response: afterwards, Cloud Run may
/// throttle the processor. A collector in trouble delays a response by up to 2 s, and fails no
/// event.
#[derive(Clone, Debug)]
pub struct Traces(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    tracer: SdkTracer,
    queue: Queue,
    exporter: Exporter,
    project: String,
}

impl Traces {
    /// Returns the traces of a function, or `None` if `OTEL_EXPORTER_OTLP_ENDPOINT` is not set.
    ///
    /// Also reads `OTEL_EXPORTER_OTLP_HEADERS` and `OTEL_SERVICE_NAME`, which defaults to the name
    /// of the function. The SDK itself reads `OTEL_RESOURCE_ATTRIBUTES`, `OTEL_TRACES_SAMPLER` and
    /// `OTEL_TRACES_SAMPLER_ARG` from the environment of the process.
    ///
    /// # Errors
    /// Returns an error that names the first invalid variable.
    pub fn read(
        variables: &dyn Variables,
        function: Function,
    ) -> Result<Option<Self>, SettingsError> {
        let Some(endpoint) = optional::<String>(variables, ENDPOINT)? else {
            return Ok(None);
        };
        let headers: String = optional(variables, HEADERS)?.unwrap_or_default();
        let resource = resource(variables, function)?;
        let exporter = Exporter::new(&endpoint, &headers, &resource)?;
        let queue = Queue::default();
        let provider = SdkTracerProvider::builder()
            .with_resource(resource)
            .with_span_processor(queue.clone())
            .build();
        Ok(Some(Self(Arc::new(Inner {
            tracer: provider.tracer(env!("CARGO_PKG_NAME")),
            queue,
            exporter,
            project: optional(variables, "GOOGLE_CLOUD_PROJECT")?
                .unwrap_or_else(|| "local".to_owned()),
        }))))
    }

    /// Returns the layer that records the spans of deliveries and port calls, independently of the
    /// log filter.
    pub fn layer<S>(&self) -> impl Layer<S> + Send + Sync + use<S>
    where
        S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync + 'static,
    {
        // Log lines are no part of a trace: they have its id, and may be confidential.
        let is_exported = filter_fn(|metadata| metadata.is_span() && metadata.target() == TARGET);
        tracing_opentelemetry::layer::<S>()
            .with_tracer(self.0.tracer.clone())
            .with_location(false)
            .with_target(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_filter(is_exported.with_max_level_hint(LevelFilter::INFO))
    }

    /// Wraps ports, so that each call of a delivery is a span.
    pub fn wrap(&self, ports: Ports) -> Ports {
        ports::traced(ports)
    }

    /// Adds the ids of the current span and its trace to a log line, under which Cloud Trace shows
    /// it. They replace the trace of the request.
    pub(crate) fn add_span(&self, entry: &mut Map<String, Value>) {
        let Some(span) = current() else {
            return;
        };
        let trace = format!("projects/{}/traces/{}", self.0.project, span.trace_id());
        for (name, value) in [
            ("logging.googleapis.com/trace", json!(trace)),
            (
                "logging.googleapis.com/spanId",
                json!(span.span_id().to_string()),
            ),
            (
                "logging.googleapis.com/trace_sampled",
                json!(span.is_sampled()),
            ),
        ] {
            entry.insert(name.to_owned(), value);
        }
    }

    /// Exports the spans that have ended, within a time limit. A failure is logged, and its spans
    /// are lost.
    pub(crate) async fn flush(&self, limit: Duration) {
        let spans = self.0.queue.take();
        if spans.is_empty() {
            return;
        }
        let number = spans.len();
        let error = match timeout(limit, self.0.exporter.send(spans)).await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.chain(),
            Err(_) => format!("no response within {} s", limit.as_secs()),
        };
        tracing::warn!(error, spans = number, "cannot export spans");
    }
}

/// Returns the description of the process. `OTEL_RESOURCE_ATTRIBUTES` adds to it and replaces it.
fn resource(variables: &dyn Variables, function: Function) -> Result<Resource, SettingsError> {
    let mut attributes = vec![
        KeyValue::new("service.name", function.name()),
        KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
    ];
    for (attribute, name) in [
        ("deployment.environment.name", "ENVIRONMENT"),
        // Required by Google's collector.
        ("gcp.project_id", "GOOGLE_CLOUD_PROJECT"),
    ] {
        let value = optional::<String>(variables, name)?;
        attributes.extend(value.map(|value| KeyValue::new(attribute, value)));
    }
    let resource = Resource::builder_empty()
        .with_attributes(attributes)
        .with_detector(Box::new(TelemetryResourceDetector))
        .with_detector(Box::new(EnvResourceDetector::new()));
    let name = optional::<String>(variables, "OTEL_SERVICE_NAME")?;
    Ok(match name {
        Some(name) => resource.with_service_name(name).build(),
        None => resource.build(),
    })
}

/// The trace that a delivery continues, and the span of the delivery if traces are exported.
pub(crate) struct DeliveryTrace {
    parent: Context,
    span: Option<Span>,
}

impl DeliveryTrace {
    /// Continues the trace that the attributes of a message name. `attempt` is the number of the
    /// delivery attempt.
    pub(crate) fn new(
        traces: Option<&Traces>,
        function: Function,
        envelope: &Envelope,
        attempt: Option<i64>,
    ) -> Self {
        let parent = of_message(&envelope.attributes);
        let span = traces.map(|_| delivery(function, envelope, &parent, attempt));
        Self { parent, span }
    }

    /// Runs the delivery as a part of its trace.
    pub(crate) async fn run(self, work: impl Future<Output = Reply>) -> Reply {
        let Self { parent, span } = self;
        let Some(span) = span else {
            return work.with_context(parent).await;
        };
        let reply = work.instrument(span.clone()).with_context(parent).await;
        record_reply(&span, reply);
        reply
    }
}

/// Starts the span of a delivery, which continues the trace `parent`. `attempt` is the number of the
/// delivery attempt.
fn delivery(
    function: Function,
    envelope: &Envelope,
    parent: &Context,
    attempt: Option<i64>,
) -> Span {
    let topic = function.topic_of(&envelope.data);
    let span = tracing::info_span!(
        target: TARGET,
        "delivery",
        otel.name = format!("{function} {topic}"),
        otel.kind = "consumer",
        event_id = tracing::field::Empty,
    );
    if let Err(error) = span.set_parent(parent.clone()) {
        tracing::debug!(error = %error, "cannot continue the trace of a message");
    }
    span.set_attribute("function", function.name());
    span.set_attribute("topic", topic.to_string());
    span.set_attribute("message_id", envelope.message_id.clone());
    if let Some(attempt) = attempt {
        span.set_attribute("delivery_attempt", attempt);
    }
    span
}

/// Records the decision about an event in the span of its delivery.
pub(crate) fn record_decision(decision: &str) {
    Span::current().set_attribute("decision", decision.to_owned());
}

/// Records the reply to a delivery in its span.
fn record_reply(span: &Span, reply: Reply) {
    let status = i64::from(reply.status().as_u16());
    span.set_attribute("http.response.status_code", status);
    if matches!(reply, Reply::DeadLettered | Reply::Retry) {
        span.set_status(Status::error(""));
    }
}

/// Returns the span that is being worked on, if it is part of a trace.
fn current() -> Option<SpanContext> {
    Context::map_current(|context| {
        let span = context.span();
        let found = span.span_context();
        found.is_valid().then(|| found.clone())
    })
}
