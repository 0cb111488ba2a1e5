//! Parsing of message envelopes: wrapped pushes, unwrapped pushes, and Eventarc's CloudEvents.

use std::collections::BTreeMap;

use axum::http::HeaderMap;
use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use jiff::Timestamp;
use serde::Deserialize;
use shared::bus::FIRST_PUBLISHED_ATTRIBUTE;

/// The CloudEvent type of a Pub/Sub message sent by Eventarc.
const CLOUD_EVENT_TYPE: &str = "google.cloud.pubsub.topic.v1.messagePublished";
/// The headers of an unwrapped push with `writeMetadata`.
const MESSAGE_ID_HEADER: &str = "x-goog-pubsub-message-id";
const PUBLISH_TIME_HEADER: &str = "x-goog-pubsub-publish-time";
const ATTRIBUTE_HEADER_PREFIX: &str = "x-goog-pubsub-attr-";

/// A message, independent of its envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// The message id that Pub/Sub has assigned; empty in an unwrapped push without metadata.
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

impl Envelope {
    /// Extracts the message from a request.
    ///
    /// The headers identify the kind of envelope. Without matching headers, the body does.
    ///
    /// # Errors
    /// Returns an error if the body does not contain a valid message; see [`EnvelopeError`].
    pub fn parse(headers: &HeaderMap, body: &Bytes) -> Result<Self, EnvelopeError> {
        let mut envelope = Self::unpack(headers, body)?;
        let first = envelope
            .attributes
            .get(FIRST_PUBLISHED_ATTRIBUTE)
            .and_then(|time| time.parse().ok());
        envelope.published_at = first.or(envelope.published_at);
        Ok(envelope)
    }

    fn unpack(headers: &HeaderMap, body: &Bytes) -> Result<Self, EnvelopeError> {
        if let Some(found) = header(headers, "ce-type") {
            if found != CLOUD_EVENT_TYPE {
                return Err(EnvelopeError::CloudEvent {
                    found: found.chars().take(120).collect(),
                });
            }
            // Eventarc delivers the body of a wrapped push.
            return Self::wrapped(body);
        }
        if let Some(message_id) = header(headers, MESSAGE_ID_HEADER) {
            return Ok(Self::unwrapped(headers, message_id.to_owned(), body));
        }
        let value: serde_json::Value = serde_json::from_slice(body).map_err(EnvelopeError::Json)?;
        if value.get("message").is_some() {
            Self::wrapped(body)
        } else {
            Ok(Self::unwrapped(headers, String::new(), body))
        }
    }

    fn wrapped(body: &Bytes) -> Result<Self, EnvelopeError> {
        let push: Push = serde_json::from_slice(body).map_err(EnvelopeError::Push)?;
        let message = push.message;
        let data = BASE64_STANDARD
            .decode(message.data.unwrap_or_default())
            .map_err(EnvelopeError::Base64)?;
        Ok(Self {
            message_id: message
                .message_id
                .or(message.message_id_snake)
                .unwrap_or_default(),
            published_at: message.publish_time.or(message.publish_time_snake),
            attributes: message.attributes.unwrap_or_default(),
            data: data.into(),
        })
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

#[derive(Deserialize)]
struct Push {
    message: PushMessage,
}

/// One message contains both spellings of id and time, so they cannot be aliases of one field.
#[derive(Deserialize)]
struct PushMessage {
    data: Option<String>,
    attributes: Option<BTreeMap<String, String>>,
    #[serde(rename = "messageId")]
    message_id: Option<String>,
    #[serde(rename = "message_id")]
    message_id_snake: Option<String>,
    #[serde(rename = "publishTime")]
    publish_time: Option<Timestamp>,
    #[serde(rename = "publish_time")]
    publish_time_snake: Option<Timestamp>,
}

#[cfg(test)]
mod tests;
