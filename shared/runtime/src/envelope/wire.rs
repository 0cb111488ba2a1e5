//! The JSON of envelopes as types. Payloads borrow from the body, and other values are skipped.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use jiff::Timestamp;
use serde::{
    Deserialize, Deserializer,
    de::{Error, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

/// The maximum number of attributes. Pub/Sub accepts 100.
const MOST_ATTRIBUTES: usize = 1_000;
/// The maximum number of events in a batch.
const MOST_EVENTS: usize = 1_000;

/// The members by which an object without matching headers is recognized.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Shape {
    /// A wrapped push.
    pub(super) message: Present,
    /// A CloudEvent in structured mode.
    pub(super) specversion: Present,
    /// An event of Cloud Functions before CloudEvents, together with `data`.
    pub(super) context: Present,
    #[serde(rename = "eventType")]
    pub(super) event_type: Present,
    pub(super) data: Present,
}

/// The presence of a member, also if it is null.
#[derive(Clone, Copy, Default)]
pub(super) struct Present(pub(super) bool);

impl<'de> Deserialize<'de> for Present {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Self(true))
    }
}

/// A wrapped push, and the data of Eventarc's CloudEvent.
#[derive(Deserialize)]
pub(super) struct Push<'a> {
    #[serde(borrow)]
    pub(super) message: PushMessage<'a>,
}

/// One message contains both spellings of id and time, so they cannot be aliases of one field.
#[derive(Deserialize)]
pub(super) struct PushMessage<'a> {
    #[serde(borrow)]
    pub(super) data: Option<Text<'a>>,
    pub(super) attributes: Option<Attributes>,
    #[serde(rename = "messageId")]
    pub(super) message_id: Option<String>,
    #[serde(rename = "message_id")]
    pub(super) message_id_snake: Option<String>,
    #[serde(rename = "publishTime")]
    pub(super) publish_time: Option<Timestamp>,
    #[serde(rename = "publish_time")]
    pub(super) publish_time_snake: Option<Timestamp>,
}

/// A CloudEvent in structured mode, see
/// <https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md>.
#[derive(Deserialize)]
pub(super) struct CloudEvent<'a> {
    #[serde(rename = "type", borrow)]
    pub(super) event_type: Cow<'a, str>,
    pub(super) id: Option<String>,
    pub(super) time: Option<Timestamp>,
    #[serde(borrow)]
    pub(super) data: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) data_base64: Option<Text<'a>>,
}

/// An event as Cloud Functions wrote it before CloudEvents, see
/// <https://cloud.google.com/functions/docs/writing/write-event-driven-functions>. Id and time are
/// in the context, or beside it.
#[derive(Deserialize)]
pub(super) struct BackgroundEvent<'a> {
    #[serde(borrow)]
    pub(super) data: PushMessage<'a>,
    pub(super) context: Option<BackgroundContext>,
    #[serde(rename = "eventId")]
    pub(super) event_id: Option<String>,
    pub(super) timestamp: Option<Timestamp>,
}

#[derive(Default, Deserialize)]
pub(super) struct BackgroundContext {
    #[serde(rename = "eventId")]
    pub(super) event_id: Option<String>,
    pub(super) timestamp: Option<Timestamp>,
}

/// A text that borrows from the body if it has no escapes.
#[derive(Default, Deserialize)]
pub(super) struct Text<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

/// The attributes of a message, up to [`MOST_ATTRIBUTES`].
pub(super) struct Attributes(pub(super) BTreeMap<String, String>);

impl<'de> Deserialize<'de> for Attributes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(AttributesVisitor)
    }
}

struct AttributesVisitor;

impl<'de> Visitor<'de> for AttributesVisitor {
    type Value = Attributes;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "an object of at most {MOST_ATTRIBUTES} texts")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Attributes, A::Error> {
        let mut attributes = BTreeMap::new();
        while let Some((name, value)) = map.next_entry()? {
            attributes.insert(name, value);
            if attributes.len() > MOST_ATTRIBUTES {
                return Err(A::Error::invalid_length(attributes.len(), &self));
            }
        }
        Ok(Attributes(attributes))
    }
}

/// The events of a batch, up to [`MOST_EVENTS`].
pub(super) struct Batch<'a>(pub(super) Vec<&'a RawValue>);

impl<'de: 'a, 'a> Deserialize<'de> for Batch<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(BatchVisitor).map(Batch)
    }
}

struct BatchVisitor;

impl<'de> Visitor<'de> for BatchVisitor {
    type Value = Vec<&'de RawValue>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "a list of at most {MOST_EVENTS} events")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut events = Vec::new();
        while let Some(event) = list.next_element()? {
            events.push(event);
            if events.len() > MOST_EVENTS {
                return Err(A::Error::invalid_length(events.len(), &self));
            }
        }
        Ok(events)
    }
}
