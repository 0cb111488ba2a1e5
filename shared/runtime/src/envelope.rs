//! Parsing of message envelopes: wrapped pushes, unwrapped pushes, and CloudEvents in binary,
//! structured and batched mode.

mod wire;

use std::{collections::BTreeMap, io::Read};

use axum::http::{HeaderMap, header::CONTENT_TYPE};
use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use forecasting::checksum::Checksum;
use jiff::Timestamp;
use serde::de::{Error as _, IgnoredAny};
use serde_json::value::RawValue;
use shared::{bus::FIRST_PUBLISHED_ATTRIBUTE, event::EventId};

use self::wire::{BackgroundEvent, Batch, CloudEvent, Push, PushMessage, Shape, Text};

/// The media type of one CloudEvent in structured mode.
const CLOUD_EVENT: &str = "application/cloudevents+json";
/// The media type of CloudEvents in batched mode.
const CLOUD_EVENT_BATCH: &str = "application/cloudevents-batch+json";
/// The CloudEvent type of a Pub/Sub message sent by Eventarc.
const CLOUD_EVENT_TYPE: &str = "google.cloud.pubsub.topic.v1.messagePublished";
/// The headers of an unwrapped push with `writeMetadata`.
const MESSAGE_ID_HEADER: &str = "x-goog-pubsub-message-id";
const PUBLISH_TIME_HEADER: &str = "x-goog-pubsub-publish-time";
const ATTRIBUTE_HEADER_PREFIX: &str = "x-goog-pubsub-attr-";

/// A message, independent of its envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// The message id that Pub/Sub has assigned; empty in a push without metadata.
    pub message_id: String,
    /// The time of the first publication, also after a dead letter is republished. `None` in an
    /// unwrapped push without metadata.
    pub published_at: Option<Timestamp>,
    /// The message's attributes.
    pub attributes: BTreeMap<String, String>,
    /// The decoded payload.
    pub data: Bytes,
}

/// A body that does not contain a valid message. Every variant is permanent.
#[derive(Debug, thiserror::Error)]
pub enum EnvelopeError {
    /// The body is not valid JSON.
    #[error("the body is not valid JSON")]
    Json(#[source] serde_json::Error),
    /// The push envelope has a missing or malformed field.
    #[error("cannot parse the push envelope")]
    Push(#[source] serde_json::Error),
    /// The CloudEvent in structured mode has a missing or malformed field.
    #[error("cannot parse the CloudEvent")]
    Structured(#[source] serde_json::Error),
    /// The payload is not valid base64.
    #[error("the payload of the message is not valid base64")]
    Base64(#[source] base64::DecodeError),
    /// The CloudEvent has another type.
    #[error("unexpected CloudEvent type `{found}`, expected `{CLOUD_EVENT_TYPE}`")]
    CloudEvent {
        /// The type of the CloudEvent, at most 120 characters.
        found: String,
    },
}

/// A message that cannot be read. Public for the fuzz targets.
#[doc(hidden)]
#[derive(Debug)]
pub struct Unread {
    /// The bytes of the message: the body, or one event of a batch.
    pub data: Bytes,
    /// The reason.
    pub error: EnvelopeError,
}

impl Envelope {
    /// Extracts the messages from a request: one, except in CloudEvents' batched mode. Public for
    /// the fuzz targets.
    #[doc(hidden)]
    pub fn parse_all(headers: &HeaderMap, body: Bytes) -> Vec<Result<Self, Unread>> {
        if media_type(headers) != CLOUD_EVENT_BATCH {
            let parsed = Self::parse(headers, &body);
            return vec![parsed.map_err(|error| Unread { data: body, error })];
        }
        let read = |event: &&RawValue| {
            let event = event.get().as_bytes();
            Self::structured(event)
                .map(Self::first_published)
                .map_err(|error| Unread {
                    data: body.slice_ref(event),
                    error,
                })
        };
        match serde_json::from_slice::<Batch<'_>>(&body) {
            Ok(Batch(events)) => events.iter().map(read).collect(),
            Err(error) => vec![Err(Unread {
                error: json_or(EnvelopeError::Structured, error),
                data: body.clone(),
            })],
        }
    }

    /// Extracts the message from a request.
    ///
    /// The headers identify the kind of envelope. Without matching headers, the body does.
    ///
    /// # Errors
    /// Returns an error if the body does not contain a valid message; see [`EnvelopeError`].
    pub fn parse(headers: &HeaderMap, body: &Bytes) -> Result<Self, EnvelopeError> {
        Self::unpack(headers, body).map(Self::first_published)
    }

    /// Sets the publish time of a republished message to that of its first publication.
    fn first_published(mut self) -> Self {
        let first = self
            .attributes
            .get(FIRST_PUBLISHED_ATTRIBUTE)
            .and_then(|time| time.parse().ok());
        self.published_at = first.or(self.published_at);
        self
    }

    /// Returns `true` if the message was a dead letter that was published again.
    pub(super) fn is_republished(&self) -> bool {
        self.attributes.contains_key(FIRST_PUBLISHED_ATTRIBUTE)
    }

    /// Returns the id of a message without a valid event: its message id, or a checksum of payload
    /// and attributes.
    pub(super) fn event_id(&self) -> EventId {
        if self.message_id.is_empty() {
            EventId::of_message(self.checksum().short(16))
        } else {
            EventId::of_message(&self.message_id)
        }
    }

    /// Returns the id of a message without a valid event whose message id another message has.
    pub(super) fn event_id_with_checksum(&self) -> EventId {
        let checksum = self.checksum();
        EventId::of_message(&format!("{}-{}", self.message_id, checksum.short(16)))
    }

    /// Returns the checksum of payload, message id and attributes. It is equal for repeated
    /// deliveries of one message. A message with a payload only has the checksum of the payload.
    pub(super) fn checksum(&self) -> Checksum {
        let mut rest = Vec::new();
        let mut add = |text: &str| {
            rest.push(0);
            rest.extend_from_slice(text.as_bytes());
        };
        if !self.message_id.is_empty() {
            add(&self.message_id);
        }
        for (name, value) in &self.attributes {
            add(name);
            add(value);
        }
        let all = (&self.data[..]).chain(&rest[..]);
        // Reading from memory does not fail.
        Checksum::from_reader(all).unwrap_or_else(|_| Checksum::of(&self.data))
    }

    fn unpack(headers: &HeaderMap, body: &Bytes) -> Result<Self, EnvelopeError> {
        if media_type(headers) == CLOUD_EVENT {
            return Self::structured(body);
        }
        if let Some(found) = header(headers, "ce-type") {
            check_type(found)?;
            // Eventarc delivers the body of a wrapped push.
            let time = header(headers, "ce-time").and_then(|time| time.parse().ok());
            return Ok(Self::wrapped(body)?.or_metadata(header(headers, "ce-id"), time));
        }
        if let Some(message_id) = header(headers, MESSAGE_ID_HEADER) {
            return Ok(Self::unwrapped(headers, message_id.to_owned(), body));
        }
        let shape = shape(body)?;
        if shape.message.0 {
            Self::wrapped(body)
        } else if shape.specversion.0 {
            Self::structured(body)
        } else if shape.data.0 && (shape.context.0 || shape.event_type.0) {
            Self::background(body)
        } else {
            Ok(Self::unwrapped(headers, String::new(), body))
        }
    }

    fn wrapped(body: &[u8]) -> Result<Self, EnvelopeError> {
        let push: Push<'_> = serde_json::from_slice(body).map_err(EnvelopeError::Push)?;
        Self::of_message(push.message)
    }

    fn of_message(message: PushMessage<'_>) -> Result<Self, EnvelopeError> {
        let data = decode_base64(&message.data.unwrap_or_default())?;
        Ok(Self {
            message_id: message
                .message_id
                .or(message.message_id_snake)
                .unwrap_or_default(),
            published_at: message.publish_time.or(message.publish_time_snake),
            attributes: message
                .attributes
                .map(|attributes| attributes.0)
                .unwrap_or_default(),
            data: data.into(),
        })
    }

    /// Extracts the message from a CloudEvent in structured mode. Its data are a wrapped push: as
    /// JSON, as a text of JSON, or in base64.
    fn structured(body: &[u8]) -> Result<Self, EnvelopeError> {
        let parsed = serde_json::from_slice::<CloudEvent<'_>>(body);
        let event = parsed.map_err(|error| json_or(EnvelopeError::Structured, error))?;
        check_type(&event.event_type)?;
        let envelope = match (event.data, event.data_base64) {
            (Some(data), _) if data.get().starts_with('"') => {
                let text: Text<'_> =
                    serde_json::from_str(data.get()).map_err(EnvelopeError::Structured)?;
                Self::wrapped(text.0.as_bytes())?
            }
            (Some(data), _) => Self::wrapped(data.get().as_bytes())?,
            (None, Some(data)) => Self::wrapped(&decode_base64(&data)?)?,
            (None, None) => {
                let missing = serde_json::Error::missing_field("data");
                return Err(EnvelopeError::Structured(missing));
            }
        };
        Ok(envelope.or_metadata(event.id.as_deref(), event.time))
    }

    fn background(body: &[u8]) -> Result<Self, EnvelopeError> {
        let event: BackgroundEvent<'_> =
            serde_json::from_slice(body).map_err(EnvelopeError::Push)?;
        let context = event.context.unwrap_or_default();
        let message_id = context.event_id.or(event.event_id);
        let time = context.timestamp.or(event.timestamp);
        Ok(Self::of_message(event.data)?.or_metadata(message_id.as_deref(), time))
    }

    /// Sets message id and publish time if the message itself has none.
    fn or_metadata(mut self, message_id: Option<&str>, published_at: Option<Timestamp>) -> Self {
        if self.message_id.is_empty() {
            self.message_id = message_id.unwrap_or_default().to_owned();
        }
        self.published_at = self.published_at.or(published_at);
        self
    }

    fn unwrapped(headers: &HeaderMap, message_id: String, body: &Bytes) -> Self {
        let attribute = |(name, value): (&axum::http::HeaderName, &axum::http::HeaderValue)| {
            let name = name.as_str().strip_prefix(ATTRIBUTE_HEADER_PREFIX)?;
            Some((name.to_owned(), value.to_str().ok()?.to_owned()))
        };
        Self {
            message_id,
            published_at: header(headers, PUBLISH_TIME_HEADER).and_then(|time| time.parse().ok()),
            attributes: headers.iter().filter_map(attribute).collect(),
            data: body.clone(),
        }
    }
}

/// Returns the members of a body that identify its kind; none if it is not an object.
fn shape(body: &[u8]) -> Result<Shape, EnvelopeError> {
    // A derived struct also accepts a list, but an envelope is an object.
    if body.trim_ascii_start().starts_with(b"{") {
        serde_json::from_slice(body).map_err(|error| json_or(EnvelopeError::Push, error))
    } else {
        let parsed = serde_json::from_slice::<IgnoredAny>(body);
        parsed
            .map(|_| Shape::default())
            .map_err(EnvelopeError::Json)
    }
}

/// Returns the error for a body: [`EnvelopeError::Json`] if it is not JSON, `other` otherwise.
fn json_or(
    other: fn(serde_json::Error) -> EnvelopeError,
    error: serde_json::Error,
) -> EnvelopeError {
    if error.is_data() {
        other(error)
    } else {
        EnvelopeError::Json(error)
    }
}

fn check_type(found: &str) -> Result<(), EnvelopeError> {
    if found == CLOUD_EVENT_TYPE {
        return Ok(());
    }
    Err(EnvelopeError::CloudEvent {
        found: found.chars().take(120).collect(),
    })
}

fn decode_base64(text: &Text<'_>) -> Result<Vec<u8>, EnvelopeError> {
    BASE64_STANDARD
        .decode(text.0.as_bytes())
        .map_err(EnvelopeError::Base64)
}

/// Returns the media type of the body in lowercase, without parameters; empty if there is none.
fn media_type(headers: &HeaderMap) -> String {
    let value = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let media_type = value.split(';').next().unwrap_or_default();
    media_type.trim().to_ascii_lowercase()
}

/// Returns the trace id of a request, from `traceparent` or `X-Cloud-Trace-Context`.
pub(super) fn trace_id(headers: &HeaderMap) -> Option<String> {
    let from_w3c = header(headers, "traceparent").and_then(|value| value.split('-').nth(1));
    let from_google =
        || header(headers, "x-cloud-trace-context").and_then(|value| value.split('/').next());
    let id = from_w3c.or_else(from_google)?;
    let is_trace = id.len() == 32 && id.bytes().all(|digit| digit.is_ascii_hexdigit());
    is_trace.then(|| id.to_owned())
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

#[cfg(test)]
mod tests;
