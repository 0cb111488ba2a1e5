//! Logging as JSON in the format of Cloud Logging, or as plain lines for people.

use std::io::{self, IsTerminal, Write};

use serde_json::{Map, Value, json};
use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{
    EnvFilter, Layer,
    layer::{Context, SubscriberExt},
    registry::LookupSpan,
    util::SubscriberInitExt,
};

use crate::redact::redact;

/// Initializes the logging of a service to standard error.
///
/// On a terminal, events are plain lines; otherwise one JSON object per line, see
/// <https://cloud.google.com/logging/docs/structured-logging>. `filter` has the syntax of
/// `RUST_LOG`; an invalid filter means `info`.
///
/// Does nothing if logging is already initialized.
pub fn init(filter: &str) {
    if io::stderr().is_terminal() {
        return init_plain(filter);
    }
    let registry = tracing_subscriber::registry().with(parsed(filter));
    drop(registry.with(CloudLogging).try_init());
}

/// Initializes the logging of a command to standard error, as plain lines also without a terminal.
///
/// Does nothing if logging is already initialized. `filter` is that of [`init`].
pub fn init_plain(filter: &str) {
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(|| Redacted)
        .with_target(false);
    let lines = if io::stderr().is_terminal() {
        lines
    } else {
        lines.with_ansi(false)
    };
    let registry = tracing_subscriber::registry().with(parsed(filter));
    drop(registry.with(lines).try_init());
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
struct CloudLogging;

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
        let line = Value::Object(entry(event, fields.0)).to_string();
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
        self.0.insert(field.name().to_owned(), value);
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
