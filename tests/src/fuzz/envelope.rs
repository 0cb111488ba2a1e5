//! The envelopes of messages.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header::CONTENT_TYPE};
use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use runtime::{Envelope, Unread};
use serde_json::json;

/// The limits of the HTTP server and of the parser.
const MOST_HEADERS: usize = 100;
const MOST_EVENTS: usize = 1_000;

/// Parses a request: header lines, an empty line, and the body. Without an empty line, all is body.
///
/// Asserts that a request has one message, unless it is a batch, that no message is larger than the
/// request, that a message which cannot be read keeps its bytes, and that a push of a message is
/// parsed to the same message.
pub fn envelope(data: &[u8]) {
    let (headers, body) = request(data);
    let messages = Envelope::parse_all(&headers, body.clone());
    if is_batch(&headers) {
        assert!(messages.len() <= MOST_EVENTS, "{}", messages.len());
    } else {
        assert_eq!(messages.len(), 1);
    }
    for message in messages {
        match message {
            Ok(envelope) => {
                assert!(size(&envelope) <= data.len(), "{envelope:?}");
                assert_push_is_parsed(&envelope);
            }
            Err(Unread { data: unread, .. }) => {
                let is_kept = unread == body || (is_batch(&headers) && is_part(&unread, &body));
                assert!(is_kept, "{unread:?}");
            }
        }
    }
}

fn request(data: &[u8]) -> (HeaderMap, Bytes) {
    let (head, body) = match data.windows(2).position(|pair| pair == b"\n\n") {
        Some(end) => (&data[..end], &data[end + 2..]),
        None => (&data[..0], data),
    };
    let mut headers = HeaderMap::new();
    for line in head.split(|byte| *byte == b'\n').take(MOST_HEADERS) {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            continue;
        };
        let name = HeaderName::from_bytes(&line[..colon]);
        let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii());
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.append(name, value);
        }
    }
    (headers, Bytes::copy_from_slice(body))
}

fn is_batch(headers: &HeaderMap) -> bool {
    let media_type = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    media_type.starts_with("application/cloudevents-batch+json")
}

fn size(envelope: &Envelope) -> usize {
    let attributes: usize = envelope
        .attributes
        .iter()
        .map(|(name, value)| name.len() + value.len())
        .sum();
    envelope.message_id.len() + attributes + envelope.data.len()
}

fn is_part(part: &[u8], whole: &[u8]) -> bool {
    let (part, whole) = (part.as_ptr_range(), whole.as_ptr_range());
    whole.start <= part.start && part.end <= whole.end
}

fn assert_push_is_parsed(envelope: &Envelope) {
    let push = json!({
        "message": {
            "data": BASE64_STANDARD.encode(&envelope.data),
            "attributes": envelope.attributes,
            "messageId": envelope.message_id,
            "publishTime": envelope.published_at.map(|time| time.to_string()),
        },
    });
    let body = Bytes::from(push.to_string());
    let parsed = Envelope::parse(&HeaderMap::new(), &body).expect("the push is valid");
    assert_eq!(parsed, *envelope);
}
