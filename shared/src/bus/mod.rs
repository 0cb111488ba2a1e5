//! The bus: the port for publishing messages, its embedded log, and dead letters.

pub mod dead_letter;
mod log;

use std::collections::BTreeMap;

use async_trait::async_trait;
use bytes::Bytes;

pub use log::{Log, LogPublisher, LoggedMessage, Payload};

use crate::event::{Event, Topic, encode};

/// The attribute with the time of a message's first publication, for messages that are published
/// again. It takes precedence over the publish time that the bus reports.
pub const FIRST_PUBLISHED_ATTRIBUTE: &str = "first_published_at";

/// The port for publishing messages.
#[async_trait]
pub trait Publisher: Send + Sync {
    /// Publishes a message and returns the id that the bus assigned. The bus delivers the message
    /// at least once.
    async fn publish(&self, topic: Topic, message: Message) -> Result<MessageId, BusError>;
}

/// A message to publish.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// The payload.
    pub data: Bytes,
    /// The attributes, which the bus shows without decoding the payload.
    pub attributes: BTreeMap<String, String>,
}

impl Message {
    /// Creates the message of an event. The attributes have the event's type and id, for people who
    /// inspect a topic.
    pub fn of_event<E: Event>(event: &E) -> Self {
        let mut attributes = BTreeMap::from([("event_type".to_owned(), E::TOPIC.to_string())]);
        // Ids of requests depend on the publish time. All other events have the field `event_id`.
        let value: Option<serde_json::Value> = serde_json::to_value(event).ok();
        let event_id = value.and_then(|value| value.get("event_id")?.as_str().map(str::to_owned));
        attributes.extend(event_id.map(|id| ("event_id".to_owned(), id)));
        Self {
            data: encode(event).into(),
            attributes,
        }
    }
}

/// The id that the bus assigned to a message.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct MessageId(pub String);

/// The error returned when a message cannot be published.
#[derive(Debug, thiserror::Error)]
#[error("cannot publish to the topic {topic}")]
pub struct BusError {
    /// The topic.
    pub topic: Topic,
    /// The cause.
    pub source: Box<dyn std::error::Error + Send + Sync>,
}
