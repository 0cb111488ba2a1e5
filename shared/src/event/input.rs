//! The input of a function: one event, or the events of several topics.

use jiff::Timestamp;

use super::{
    DecodeError, Event, EventId, Function, MAXIMUM_EVENT_BYTES, Topic, decode, event_type,
};

/// The input of a function: an event, or an enum of the events of several topics.
pub trait Input: Sized + Send + Sync + 'static {
    /// The topics of the events. They are the inputs of the function, in the same order.
    const TOPICS: &'static [Topic];

    /// Decodes a message.
    ///
    /// # Errors
    /// Returns an error if the message is not a valid event of one of the topics; see
    /// [`decode`](super::decode()).
    fn decode(bytes: &[u8]) -> Result<Self, DecodeError>;

    /// Returns the id of the event; see [`Event::event_id`].
    fn id(&self, published_at: Timestamp) -> EventId;
}

impl<E: Event> Input for E {
    const TOPICS: &'static [Topic] = &[E::TOPIC];

    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        decode(bytes)
    }

    fn id(&self, published_at: Timestamp) -> EventId {
        self.event_id(published_at)
    }
}

impl Function {
    /// Returns the input topic for a message: the topic of its `type`, or the first input topic if
    /// the message has no such type or is too large for an event.
    pub fn topic_of(self, message: &[u8]) -> Topic {
        let inputs = self.inputs();
        if message.len() > MAXIMUM_EVENT_BYTES {
            return inputs[0];
        }
        let found = event_type(message).unwrap_or_default();
        let topic = inputs.iter().find(|topic| topic.to_string() == found);
        *topic.unwrap_or(&inputs[0])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_goes_to_the_topic_of_its_type() {
        let topic = |message: &str| Function::FineTune.topic_of(message.as_bytes());
        assert_eq!(
            topic(r#"{"type":"fine-tune-requested"}"#),
            Topic::FineTuneRequested
        );
        for other in [
            r#"{"type":"drift-detected"}"#,
            r#"{"type":"day-ingested"}"#,
            "{",
        ] {
            assert_eq!(topic(other), Topic::DriftDetected, "{other}");
        }
        assert_eq!(
            Function::Ingest.topic_of(br#"{"type":"fine-tune-requested"}"#),
            Topic::IngestRequested
        );
    }

    #[test]
    fn subscriptions_have_different_names() {
        let mut names = Vec::new();
        for function in Function::ALL {
            let of_function = |topic: &Topic| function.subscription(*topic);
            names.extend(function.inputs().iter().map(of_function));
        }
        assert_eq!(
            names,
            [
                "ingest",
                "predict",
                "drift-check",
                "fine-tune",
                "fine-tune-requested",
                "evaluate",
                "promote",
            ]
        );
    }
}
