//! Dead letters: their attributes, and the conversion back to the original message.

use std::collections::BTreeMap;

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use forecasting::checksum::Checksum;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{FIRST_PUBLISHED_ATTRIBUTE, Message, log::Payload};
use crate::{
    address::ObjectPath,
    event::{EventId, Function},
};

/// The attribute with the reason why the message was rejected. It is truncated to the limit of
/// Pub/Sub; the audit log has the full reason.
pub const REASON_ATTRIBUTE: &str = "dead_letter_reason";
/// The attribute with the event id, as in the audit log.
pub const EVENT_ID_ATTRIBUTE: &str = "dead_letter_event_id";
/// The attribute with the path of the object that holds an offloaded message, see [`Offloaded`].
pub const OBJECT_ATTRIBUTE: &str = "dead_letter_object";

// The limits of Pub/Sub, see <https://cloud.google.com/pubsub/quotas#resource_limits>.
const MOST_ATTRIBUTES: usize = 100;
const LONGEST_NAME_BYTES: usize = 256;
const LONGEST_VALUE_BYTES: usize = 1_024;
// A publish request has at most 10 MB, including a part that is not the message itself.
const LARGEST_MESSAGE_BYTES: usize = 9_900_000;
const ELLIPSIS: &str = "…";

/// The prefix of the attributes that Pub/Sub adds after the last attempt, see
/// <https://cloud.google.com/pubsub/docs/dead-letter-topics>.
const PUBSUB_PREFIX: &str = "CloudPubSubDeadLetter";
/// The attribute with the number of delivery attempts.
pub const DELIVERY_COUNT_ATTRIBUTE: &str = "CloudPubSubDeadLetterSourceDeliveryCount";
/// The attribute with the subscription that forwarded the message.
pub const SUBSCRIPTION_ATTRIBUTE: &str = "CloudPubSubDeadLetterSourceSubscription";
/// The attribute with the project of that subscription.
pub const PROJECT_ATTRIBUTE: &str = "CloudPubSubDeadLetterSourceSubscriptionProject";
/// The attribute with the time at which the message was published to the subscription's topic.
pub const PUBLISH_TIME_ATTRIBUTE: &str = "CloudPubSubDeadLetterSourceTopicPublishTime";

/// The message to publish to a function's dead-letter topic, and the object to store with it.
pub struct DeadLetter {
    /// The original message with the reason as attribute; without its payload and own attributes if
    /// offloaded.
    pub message: Message,
    /// The path and contents of the object with the original message, if Pub/Sub would reject
    /// message and reason together.
    pub offloaded: Option<(ObjectPath, Bytes)>,
}

/// An original message that is too large for a dead letter, stored at
/// `dead-letters/FUNCTION/CHECKSUM.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Offloaded {
    /// The attributes of the original message.
    pub attributes: BTreeMap<String, String>,
    /// The payload of the original message.
    #[serde(flatten)]
    pub data: Payload,
}

impl DeadLetter {
    /// Creates the dead letter of a message that a function has rejected.
    pub fn new(
        function: Function,
        event_id: &EventId,
        reason: &str,
        first_published: Option<Timestamp>,
        message: Message,
    ) -> Self {
        let mut about = BTreeMap::from([
            (
                REASON_ATTRIBUTE.to_owned(),
                truncate(reason, LONGEST_VALUE_BYTES),
            ),
            (EVENT_ID_ATTRIBUTE.to_owned(), event_id.to_string()),
        ]);
        about.extend(
            first_published.map(|time| (FIRST_PUBLISHED_ATTRIBUTE.to_owned(), time.to_string())),
        );
        let Message {
            data,
            attributes: own,
        } = message;
        let together: BTreeMap<_, _> = own.clone().into_iter().chain(about.clone()).collect();
        if is_accepted(&data, &together) {
            return Self {
                message: Message {
                    data,
                    attributes: together,
                },
                offloaded: None,
            };
        }
        let offloaded = Offloaded {
            attributes: own,
            data: payload(data),
        };
        // Serialization cannot fail: the value consists of strings and string maps.
        let contents: Bytes = serde_json::to_vec(&offloaded).unwrap_or_default().into();
        // The path is derived from the contents, so a repeated dead letter writes the same object.
        let checksum = Checksum::of(&contents);
        let path = ObjectPath::new(format_args!("dead-letters/{function}/{checksum}.json"));
        about.insert(OBJECT_ATTRIBUTE.to_owned(), path.to_string());
        Self {
            message: Message {
                data: Bytes::new(),
                attributes: about,
            },
            offloaded: Some((path, contents)),
        }
    }
}

/// Returns a payload as text if it is UTF-8 and few of its characters need an escape in JSON, and
/// in base64 otherwise. Either way the object is at most about a third larger than the payload.
fn payload(data: Bytes) -> Payload {
    let extra: usize = data
        .iter()
        .map(|byte| match byte {
            b'"' | b'\\' | b'\n' | b'\r' | b'\t' => 1,
            0..0x20 => 5,
            _ => 0,
        })
        .sum();
    if extra > data.len() / 3 {
        return Payload::Base64(BASE64_STANDARD.encode(&data));
    }
    // Converting the bytes does not copy them unless they are shared: they may be 10 MiB.
    match String::from_utf8(data.into()) {
        Ok(text) => Payload::Text(text),
        Err(error) => Payload::Base64(BASE64_STANDARD.encode(error.as_bytes())),
    }
}

/// Returns `true` if Pub/Sub accepts a message of this size.
fn is_accepted(data: &Bytes, attributes: &BTreeMap<String, String>) -> bool {
    let bytes = data.len()
        + attributes
            .iter()
            .map(|(name, value)| name.len() + value.len())
            .sum::<usize>();
    let is_short = |(name, value): (&String, &String)| {
        (1..=LONGEST_NAME_BYTES).contains(&name.len()) && value.len() <= LONGEST_VALUE_BYTES
    };
    bytes <= LARGEST_MESSAGE_BYTES
        && attributes.len() <= MOST_ATTRIBUTES
        && attributes.iter().all(is_short)
}

/// Truncates a text to at most `bytes` bytes, at a character boundary, and marks the cut by an
/// ellipsis.
pub fn truncate(text: &str, bytes: usize) -> String {
    if text.len() <= bytes {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(bytes.saturating_sub(ELLIPSIS.len()));
    format!("{}{ELLIPSIS}", &text[..end])
}

/// Returns the reason why a message became a dead letter, from its attributes.
///
/// A function states its reason. Without one, Pub/Sub has forwarded the message after the last
/// attempt. Its emulator adds no attributes.
pub fn reason(attributes: &BTreeMap<String, String>) -> String {
    let stated = attributes.get(REASON_ATTRIBUTE).cloned();
    let counted = || {
        let count = attributes.get(DELIVERY_COUNT_ATTRIBUTE)?;
        Some(format!(
            "rejected {count} times; see the logs of the function"
        ))
    };
    stated
        .or_else(counted)
        .unwrap_or_else(|| "all attempts failed; see the logs of the function".to_owned())
}

/// Returns the attributes of the original message, with the time of its first publication.
pub fn restore(attributes: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let is_of_dead_letter = |name: &str| {
        name.starts_with(PUBSUB_PREFIX)
            || matches!(
                name,
                REASON_ATTRIBUTE | EVENT_ID_ATTRIBUTE | OBJECT_ATTRIBUTE
            )
    };
    let mut restored: BTreeMap<_, _> = attributes
        .iter()
        .filter(|(name, _)| !is_of_dead_letter(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    if let Some(time) = attributes.get(PUBLISH_TIME_ATTRIBUTE) {
        restored
            .entry(FIRST_PUBLISHED_ATTRIBUTE.to_owned())
            .or_insert_with(|| time.clone());
    }
    restored
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn restoring_a_pubsub_dead_letter_adds_the_first_publish_time() {
        let dead_letter = map(&[
            ("event_type", "drift-check-requested"),
            (DELIVERY_COUNT_ATTRIBUTE, "10"),
            (SUBSCRIPTION_ATTRIBUTE, "drift-check"),
            (PROJECT_ATTRIBUTE, "a-project"),
            (PUBLISH_TIME_ATTRIBUTE, "2021-08-02T05:00:00Z"),
        ]);
        assert_eq!(
            reason(&dead_letter),
            "rejected 10 times; see the logs of the function"
        );
        let expected = map(&[
            ("event_type", "drift-check-requested"),
            ("first_published_at", "2021-08-02T05:00:00Z"),
        ]);
        assert_eq!(restore(&dead_letter), expected);
    }

    #[test]
    fn dead_letter_without_a_reason_names_the_attempts() {
        let forwarded = map(&[("event_type", "challenger-evaluated")]);
        assert_eq!(
            reason(&forwarded),
            "all attempts failed; see the logs of the function"
        );
    }

    #[test]
    fn restoring_a_runtime_dead_letter_keeps_the_first_publish_time() {
        let dead_letter = map(&[
            (REASON_ATTRIBUTE, "the day cannot exist"),
            (EVENT_ID_ATTRIBUTE, "message/7"),
            (FIRST_PUBLISHED_ATTRIBUTE, "2021-08-01T05:00:00Z"),
            (PUBLISH_TIME_ATTRIBUTE, "2021-08-02T05:00:00Z"),
        ]);
        assert_eq!(reason(&dead_letter), "the day cannot exist");
        assert_eq!(
            restore(&dead_letter),
            map(&[(FIRST_PUBLISHED_ATTRIBUTE, "2021-08-01T05:00:00Z")])
        );
    }

    fn dead_letter(reason: &str, message: Message) -> DeadLetter {
        DeadLetter::new(
            Function::Ingest,
            &EventId::of_message("7"),
            reason,
            None,
            message,
        )
    }

    #[test]
    fn cut_ends_at_a_character_boundary() {
        assert_eq!(truncate("vélo", 5), "vélo");
        for (bytes, expected) in [
            (9, "vélos…"),
            (8, "vélo…"),
            (7, "vél…"),
            (6, "vé…"),
            (5, "v…"),
            (4, "v…"),
            (3, "…"),
        ] {
            assert_eq!(truncate("vélos à Paris", bytes), expected, "{bytes}");
        }
    }

    /// A control character has six characters in JSON.
    #[test]
    fn offloaded_message_is_at_most_a_third_larger() {
        for (byte, length) in [(b'x', 9_000), (0x01, 9_000), (b'"', 9_000), (0xff, 9_000)] {
            let data = Bytes::from(vec![byte; length]);
            let stored = serde_json::to_string(&payload(data.clone())).unwrap();
            assert!(stored.len() <= 12_020, "{byte}: {}", stored.len());
            assert!(payload(data.clone()).to_bytes() == data, "{byte}");
        }
    }

    #[test]
    fn message_over_the_pubsub_limits_is_offloaded() {
        let small = Message {
            data: "{}".into(),
            attributes: map(&[("origin", "scheduler")]),
        };
        let large = Message {
            data: vec![b'x'; LARGEST_MESSAGE_BYTES - 40].into(),
            ..small.clone()
        };
        let many = (0..99)
            .map(|number| (number.to_string(), String::new()))
            .collect();
        let messages = [
            large,
            Message {
                data: vec![0xff; 10 * 1024 * 1024].into(),
                ..small.clone()
            },
            Message {
                attributes: map(&[("origin", "é".repeat(513).as_str())]),
                ..small.clone()
            },
            Message {
                attributes: map(&[("n".repeat(257).as_str(), "")]),
                ..small.clone()
            },
            Message {
                attributes: many,
                ..small.clone()
            },
        ];
        for message in messages {
            let DeadLetter {
                message: published,
                offloaded,
            } = dead_letter("too large", message.clone());
            let (path, contents) = offloaded.unwrap();
            assert_eq!(published.attributes[OBJECT_ATTRIBUTE], path.to_string());
            assert!(is_accepted(&published.data, &published.attributes));
            let stored: Offloaded = serde_json::from_slice(&contents).unwrap();
            assert!(
                stored.data.to_bytes() == message.data && stored.attributes == message.attributes,
                "{path}"
            );
            assert_eq!(
                dead_letter("again", message).offloaded.unwrap().0,
                path,
                "the same message was offloaded to another object"
            );
        }
        let truncated = dead_letter(&"é".repeat(2_000), small);
        assert_eq!(
            (truncated.message.data, truncated.offloaded),
            ("{}".into(), None)
        );
        assert_eq!(truncated.message.attributes[REASON_ATTRIBUTE].len(), 1_023);
        assert_eq!(truncated.message.attributes["origin"], "scheduler");
    }
}
