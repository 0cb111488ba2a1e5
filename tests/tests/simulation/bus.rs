//! The bus: every message ever published, and the queue of those that wait for a delivery.
//!
//! Messages are delivered in any order and at least once.

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};
use shared::{
    Timestamp,
    bus::{Message, MessageId, dead_letter::EVENT_ID_ATTRIBUTE},
    event::{
        ChallengerEvaluated, DayIngested, Event, EventId, Function, IngestRequested, Topic, decode,
    },
};

/// The functions of the simulation.
pub(crate) const FUNCTIONS: [Function; 3] =
    [Function::Ingest, Function::Predict, Function::Promote];

/// A published message.
#[derive(Clone, Debug)]
pub(crate) struct Published {
    pub(crate) id: String,
    pub(crate) topic: Topic,
    pub(crate) message: Message,
    pub(crate) at: Timestamp,
}

impl Published {
    /// Returns the function that subscribes to the topic, and the id of the event in the message.
    pub(crate) fn key(&self) -> Option<(Function, EventId)> {
        let function = FUNCTIONS
            .into_iter()
            .find(|function| function.inputs().contains(&self.topic))?;
        let event_id = match function {
            Function::Ingest => self.decoded::<IngestRequested>(),
            Function::Predict => self.decoded::<DayIngested>(),
            _ => self.decoded::<ChallengerEvaluated>(),
        };
        let unreadable = || EventId::of_message(&self.id);
        Some((function, event_id.unwrap_or_else(unreadable)))
    }

    fn decoded<E: Event>(&self) -> Option<EventId> {
        let event = decode::<E>(&self.message.data).ok()?;
        Some(event.event_id(self.at))
    }

    /// Returns the body of a wrapped push.
    pub(crate) fn push(&self) -> Value {
        json!({
            "message": {
                "data": BASE64_STANDARD.encode(&self.message.data),
                "attributes": self.message.attributes,
                "messageId": self.id,
                "publishTime": self.at.to_string(),
            },
        })
    }

    /// Returns function and event of a dead letter.
    pub(crate) fn dead_letter(&self) -> Option<(Function, EventId)> {
        dead_letter(self.topic, &self.message)
    }
}

/// Returns function and event of a dead letter.
pub(crate) fn dead_letter(topic: Topic, message: &Message) -> Option<(Function, EventId)> {
    let Topic::DeadLetter(function) = topic else {
        return None;
    };
    let event_id = message.attributes.get(EVENT_ID_ATTRIBUTE)?.parse().ok()?;
    Some((function, event_id))
}

/// All messages, and the positions of those that wait.
#[derive(Default)]
pub(crate) struct Bus {
    pub(crate) messages: Vec<Published>,
    pub(crate) queue: Vec<usize>,
}

impl Bus {
    /// Publishes a message. It waits for a delivery if a function subscribes to the topic.
    pub(crate) fn publish(&mut self, topic: Topic, message: Message, at: Timestamp) -> MessageId {
        let position = self.messages.len();
        let published = Published {
            id: format!("m{position}"),
            topic,
            message,
            at,
        };
        if published.key().is_some() {
            self.queue.push(position);
        }
        let id = MessageId(published.id.clone());
        self.messages.push(published);
        id
    }
}
