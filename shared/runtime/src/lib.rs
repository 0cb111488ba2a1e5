#![doc = include_str!("../README.md")]

mod deliver;
mod envelope;
mod error;
mod keys;
mod logs;
mod oidc;
mod open;
mod server;
mod status;

use std::{future::Future, sync::Arc};

use axum::Router;
use jiff::Timestamp;
use shared::{
    audit::AuditEntry,
    event::{Event, EventId, Function, Topic, encode},
    ledger::RecordedEvent,
};

pub use envelope::{Envelope, EnvelopeError};
pub use error::Error;
pub use logs::init as init_logs;
pub use oidc::PushAuthentication;
pub use open::{open, open_store};
pub use server::{ServiceSettings, router, run};
pub use status::{MAXIMUM_BODY_BYTES, Reply};

/// What a function's author writes.
pub trait Handler: Send + Sync + 'static {
    /// Which function it is.
    const FUNCTION: Function;

    /// The topics that it publishes to. In the cloud it may publish to these and no others.
    const PUBLISHES: &'static [Topic];

    /// The event that it reacts to.
    type Event: Event;

    /// Handles an event. May run twice for one event, also at the same time, so all effects are keyed by the event.
    fn handle(
        &self,
        event: Self::Event,
        context: &Context,
    ) -> impl Future<Output = Result<Outcome, Error>> + Send;

    /// Tells whether events can be handled yet.
    fn ready(&self) -> impl Future<Output = Result<(), Error>> + Send {
        async { Ok(()) }
    }

    /// Returns further routes of the service.
    fn routes(self: Arc<Self>) -> Router {
        Router::new()
    }
}

/// What a handler is told beside the event.
#[derive(Clone, Debug)]
pub struct Context {
    /// The id of the event: the key of everything it leads to.
    pub event_id: EventId,
    /// When the event was published: the same on every delivery.
    pub published_at: Timestamp,
    /// When this delivery began.
    pub now: Timestamp,
}

/// What came of an event.
#[derive(Clone, Debug)]
#[must_use]
pub struct Outcome {
    entry: AuditEntry,
    events: Vec<RecordedEvent>,
}

impl Outcome {
    /// Ends with an audit row and no event.
    pub fn of(entry: AuditEntry) -> Self {
        Self {
            entry,
            events: Vec::new(),
        }
    }

    /// Adds an event to be published.
    pub fn publish<E: Event>(mut self, event: &E) -> Self {
        let data = String::from_utf8_lossy(&encode(event)).into_owned();
        self.events.push(RecordedEvent {
            topic: E::TOPIC,
            data,
        });
        self
    }

    /// Returns what goes into the audit log.
    pub fn entry(&self) -> &AuditEntry {
        &self.entry
    }

    /// Returns what is to be published.
    pub fn events(&self) -> &[RecordedEvent] {
        &self.events
    }
}
