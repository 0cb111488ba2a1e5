//! Messages: publishing them, and the embedded bus that delivers them as Pub/Sub does.

pub mod dead_letter;
mod log;

use std::collections::BTreeMap;

use async_trait::async_trait;
use bytes::Bytes;

pub use log::{Log, LogPublisher, LoggedMessage, Payload};

use crate::event::{Event, Topic, encode};

/// The attribute of a message that was published before: when that was, for the first time. A dead letter that is put
/// back and a message that is published again are about that time, whatever the bus says of this publishing.
pub const FIRST_PUBLISHED_ATTRIBUTE: &str = "first_published_at";

/// Publishes messages.
#[async_trait]
pub trait Publisher: Send + Sync {
    /// Publishes a message and returns the id that the bus gave it. It will be delivered at least once.
    async fn publish(&self, topic: Topic, message: Message) -> Result<MessageId, BusError>;
}

/// A message to be published.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// The payload.
    pub data: Bytes,
    /// What the bus shows without reading the payload.
    pub attributes: BTreeMap<String, String>,
}

impl Message {
    /// Wraps an event; its id stands in the attribute `event_id` too, for people who look through a topic.
    pub fn of_event<E: Event>(event: &E) -> Self {
        let mut attributes = BTreeMap::from([("event_type".to_owned(), E::TOPIC.to_string())]);
        // Only requests have an id that depends on the time of publishing; the others carry it.
        let value: Option<serde_json::Value> = serde_json::to_value(event).ok();
        let event_id = value.and_then(|value| value.get("event_id")?.as_str().map(str::to_owned));
        attributes.extend(event_id.map(|id| ("event_id".to_owned(), id)));
        Self {
            data: encode(event).into(),
            attributes,
        }
    }
}

/// The id that a bus gave to a message.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct MessageId(pub String);

/// A message that could not be published.
#[derive(Debug, thiserror::Error)]
#[error("cannot publish to the topic {topic}")]
pub struct BusError {
    /// Where to.
    pub topic: Topic,
    /// Why not.
    pub source: Box<dyn std::error::Error + Send + Sync>,
}
