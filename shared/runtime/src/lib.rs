#![doc = include_str!("../README.md")]

mod deliver;
mod envelope;
mod error;
mod fence;
mod http;
#[cfg(feature = "cloud")]
mod keys;
mod logs;
mod oidc;
mod open;
mod ready;
mod redact;
mod request_time;
mod server;
mod settings;
mod status;
#[cfg(feature = "cloud")]
mod traces;
#[cfg(not(feature = "cloud"))]
#[path = "no_traces.rs"]
mod traces;
mod week;

use std::{future::Future, sync::Arc};

use axum::Router;
use jiff::Timestamp;
use shared::{
    audit::AuditEntry,
    event::{Event, EventId, Function, Input, Topic, encode},
    ledger::RecordedEvent,
    notifier::Notification,
};

#[doc(hidden)]
pub use envelope::Unread;
pub use envelope::{Envelope, EnvelopeError};
pub use error::Error;
pub use fence::Fence;
pub use http::{HttpLimits, serve};
pub use logs::{init as init_logs, init_plain as init_plain_logs};
pub use oidc::PushAuthentication;
pub use open::{NoClients, open, open_store, require_clients};
pub use ready::{check_store, check_warehouse};
pub use request_time::check_is_past;
pub use server::{router, run};
pub use settings::ServiceSettings;
pub use status::{MAXIMUM_BODY_BYTES, Reply};
pub use traces::Traces;
pub use week::check_is_over;

/// The event handler of a function.
pub trait Handler: Send + Sync + 'static {
    /// The function that this handler implements.
    const FUNCTION: Function;

    /// The topics that the handler may publish to. IAM grants the function exactly these in the
    /// cloud.
    const PUBLISHES: &'static [Topic];

    /// The type of events that the handler consumes: an event, or an enum of several events.
    type Event: Input;

    /// Handles an event.
    ///
    /// May run several times for one event, even concurrently. All effects must therefore be
    /// idempotent and keyed by the event id. Before a write that replaces something, the handler
    /// calls [`Fence::check`].
    ///
    /// # Errors
    /// Returns a permanent error if a retry cannot help, and a transient error otherwise.
    fn handle(
        &self,
        event: Self::Event,
        context: &Context,
    ) -> impl Future<Output = Result<Outcome, Error>> + Send;

    /// Shows a handled event or a dead letter, for example on a page. Its audit row is written by
    /// now.
    ///
    /// The delivery of a handled event still holds its lease. That of a dead letter does not: its
    /// ledger entry is final, and the fence in the context allows writing.
    ///
    /// Cannot fail the event: the runtime ends it after a minute, and logs a panic. A repeated
    /// delivery of a complete event or of a dead letter does not call it.
    fn show(&self, _context: &Context, _entry: &AuditEntry) -> impl Future<Output = ()> + Send {
        async {}
    }

    /// Checks that the handler can process events, with a small request to each port that it needs;
    /// the readiness probe calls it.
    ///
    /// # Errors
    /// Returns an error with the reason if the handler is not ready.
    fn ready(&self) -> impl Future<Output = Result<(), Error>> + Send {
        async { Ok(()) }
    }

    /// Returns additional routes of the service. They require the same token as deliveries, except
    /// behind Cloud Run's check of callers ([`PushAuthentication::CloudRun`]).
    fn routes(self: Arc<Self>) -> Router {
        Router::new()
    }
}

/// The context of a delivery.
#[derive(Clone, Debug)]
pub struct Context {
    /// The id of the event, and the key of all its effects.
    pub event_id: EventId,
    /// The publish time of the message; identical on every delivery of it. An event that was
    /// published again has another.
    pub published_at: Timestamp,
    /// The start of the first delivery of the event: its earlier deliveries have written nothing
    /// before.
    pub first_started_at: Timestamp,
    /// The start time of this delivery.
    pub now: Timestamp,
    /// The right to write. Check it right before every write that replaces something.
    pub fence: Fence,
}

/// The result of handling an event: an audit entry, the events to publish, and a message to people.
#[derive(Clone, Debug)]
#[must_use]
pub struct Outcome {
    entry: AuditEntry,
    events: Vec<RecordedEvent>,
    notification: Option<Notification>,
}

impl Outcome {
    /// Creates an outcome with an audit entry and no events.
    pub fn new(entry: AuditEntry) -> Self {
        Self {
            entry,
            events: Vec::new(),
            notification: None,
        }
    }

    /// Adds an event to publish.
    pub fn publish<E: Event>(mut self, event: &E) -> Self {
        let data = String::from_utf8_lossy(&encode(event)).into_owned();
        self.events.push(RecordedEvent {
            topic: E::TOPIC,
            data,
        });
        self
    }

    /// Adds a message to people, which is sent once the event is complete. A failure to send it is
    /// logged and changes nothing.
    pub fn notify(mut self, notification: Notification) -> Self {
        self.notification = Some(notification);
        self
    }

    /// Returns the audit entry.
    pub fn entry(&self) -> &AuditEntry {
        &self.entry
    }

    /// Returns the events to publish.
    pub fn events(&self) -> &[RecordedEvent] {
        &self.events
    }

    /// Returns the message to people, if there is one.
    pub fn notification(&self) -> Option<&Notification> {
        self.notification.as_ref()
    }
}
