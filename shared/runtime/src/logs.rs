//! Logging as JSON in the format of Cloud Logging, or as plain lines for people.

use std::io::{self, IsTerminal, Write};

use serde_json::{Map, Value, json};
use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{
    EnvFilter, Layer, Registry,
    layer::{Context, SubscriberExt},
    registry::LookupSpan,
    util::SubscriberInitExt,
};

use crate::{redact::redact, traces::Traces};

/// Initializes the logging of a service to standard error, and the recording of its traces.
///
/// On a terminal, events are plain lines; otherwise one JSON object per line, see
/// <https://cloud.google.com/logging/docs/structured-logging>. `filter` has the syntax of
/// `RUST_LOG`; an invalid filter means `info`. It does not apply to traces.
///
/// Does nothing if logging is already initialized.
pub fn init(filter: &str, traces: Option<&Traces>) {
    let cloud = CloudLogging {
        traces: traces.cloned(),
    };
    let Some(traces) = traces else {
        if io::stderr().is_terminal() {
            return init_plain(filter);
        }
        let registry = tracing_subscriber::registry().with(parsed(filter));
        drop(registry.with(cloud).try_init());
        return;
    };
    let lines: Box<dyn Layer<Registry> + Send + Sync> = if io::stderr().is_terminal() {
        plain::<Registry>().boxed()
    } else {
        cloud.boxed()
    };
    let registry = tracing_subscriber::registry().with(lines.with_filter(parsed(filter)));
    drop(registry.with(traces.layer()).try_init());
}

/// Initializes the logging of a command to standard error, as plain lines also without a terminal.
///
/// Does nothing if logging is already initialized. `filter` is that of [`init`].
pub fn init_plain(filter: &str) {
    let registry = tracing_subscriber::registry().with(parsed(filter));
    drop(registry.with(plain()).try_init());
}

/// Returns the layer that writes plain lines.
fn plain<S>() -> impl Layer<S> + Send + Sync
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let lines = tracing_subscriber::fmt::layer::<S>()
        .with_writer(|| Redacted)
        .with_target(false);
    if io::stderr().is_terminal() {
        lines
    } else {
        lines.with_ansi(false)
    }
}

fn parsed(filter: &str) -> EnvFilter {
    EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("info"))
}

/// Standard error, for whole lines without credentials.
struct Redacted;

impl Write for Redacted {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        io::stderr().lock().write_all(redact(&text).as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().lock().flush()
    }
}

/// Writes each event as one line of JSON that includes the fields of its spans.
struct CloudLogging {
    /// The traces that lines refer to, if traces are exported.
    traces: Option<Traces>,
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for CloudLogging {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(fields);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(fields) = span.extensions_mut().get_mut::<Fields>() {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        for span in context
            .event_scope(event)
            .into_iter()
            .flat_map(|scope| scope.from_root())
        {
            if let Some(known) = span.extensions().get::<Fields>() {
                fields.0.extend(known.0.clone());
            }
        }
        event.record(&mut fields);
        let mut entry = entry(event, fields.0);
        if let Some(traces) = &self.traces {
            traces.add_span(&mut entry);
        }
        let line = Value::Object(entry).to_string();
        // A failure to write a log line cannot be reported. Cloud Run adds the timestamp.
        drop(writeln!(std::io::stderr().lock(), "{line}"));
    }
}

fn entry(event: &Event<'_>, mut fields: Map<String, Value>) -> Map<String, Value> {
    let metadata = event.metadata();
    let severity = match *metadata.level() {
        Level::ERROR => "ERROR",
        Level::WARN => "WARNING",
        Level::INFO => "INFO",
        Level::DEBUG | Level::TRACE => "DEBUG",
    };
    fields.insert("severity".to_owned(), json!(severity));
    if let Some(trace) = fields.remove("trace") {
        fields.insert("logging.googleapis.com/trace".to_owned(), trace);
    }
    if let (Some(file), Some(line)) = (metadata.file(), metadata.line()) {
        let location = json!({ "file": file, "line": line.to_string() });
        fields.insert("logging.googleapis.com/sourceLocation".to_owned(), location);
    }
    fields
}

/// The fields of a span or event as JSON, without credentials. The text of an event is in the field
/// `message`.
#[derive(Default)]
struct Fields(Map<String, Value>);

impl Fields {
    fn set(&mut self, field: &Field, value: Value) {
        // Name and kind of an exported span are no facts about an event.
        if !field.name().starts_with("otel.") {
            self.0.insert(field.name().to_owned(), value);
        }
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.set(field, json!(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field, json!(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field, json!(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field, json!(value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.set(field, json!(redact(value)));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.set(field, json!(redact(&format!("{value:?}"))));
    }
}
