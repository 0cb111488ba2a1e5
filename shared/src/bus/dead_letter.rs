//! What a dead letter says beside its payload, and how it becomes a message again.

use std::collections::BTreeMap;

use bytes::Bytes;
use forecasting::checksum::Checksum;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{FIRST_PUBLISHED_ATTRIBUTE, Message, log::Payload};
use crate::{
    address::ObjectPath,
    event::{EventId, Function},
};

/// The attribute with why the message could not be used. What Pub/Sub has no room for is cut off; the audit log has it.
pub const REASON_ATTRIBUTE: &str = "dead_letter_reason";
/// The attribute with the id of the event, under which the audit log has it.
pub const EVENT_ID_ATTRIBUTE: &str = "dead_letter_event_id";
/// The attribute with the object that holds the message, where it is too large for a letter; see [`Offloaded`].
pub const OBJECT_ATTRIBUTE: &str = "dead_letter_object";

/// What Pub/Sub takes, see <https://cloud.google.com/pubsub/quotas#resource_limits>.
const MOST_ATTRIBUTES: usize = 100;
const LONGEST_NAME_BYTES: usize = 256;
const LONGEST_VALUE_BYTES: usize = 1_024;
/// A request to publish has 10 MB at most, some of which are about the message and not in it.
const LARGEST_MESSAGE_BYTES: usize = 9_900_000;
const ELLIPSIS: &str = "…";

/// What Pub/Sub adds when the attempts have run out, see <https://cloud.google.com/pubsub/docs/dead-letter-topics>.
const PUBSUB_PREFIX: &str = "CloudPubSubDeadLetter";
/// How many attempts there were.
pub const DELIVERY_COUNT_ATTRIBUTE: &str = "CloudPubSubDeadLetterSourceDeliveryCount";
/// From which subscription it came.
pub const SUBSCRIPTION_ATTRIBUTE: &str = "CloudPubSubDeadLetterSourceSubscription";
/// From which project it came.
pub const PROJECT_ATTRIBUTE: &str = "CloudPubSubDeadLetterSourceSubscriptionProject";
/// When it was published to the topic that the subscription reads.
pub const PUBLISH_TIME_ATTRIBUTE: &str = "CloudPubSubDeadLetterSourceTopicPublishTime";

/// What is published to the dead letters of a function.
pub struct DeadLetter {
    /// The message with its reason, or the reason alone.
    pub message: Message,
    /// The message itself, where Pub/Sub would refuse it together with its reason: an object, and its contents.
    pub offloaded: Option<(ObjectPath, Bytes)>,
}

/// A message that is too large for a letter, stored at `dead-letters/FUNCTION/CHECKSUM.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Offloaded {
    /// The attributes that it came with.
    pub attributes: BTreeMap<String, String>,
    /// Its payload.
    #[serde(flatten)]
    pub data: Payload,
}

impl DeadLetter {
    /// Makes the letter of a message that a function could not use.
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
                cut(reason, LONGEST_VALUE_BYTES),
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
            data: Payload::of(&data),
        };
        // Texts are all there is in it: JSON has room for them.
        let contents: Bytes = serde_json::to_vec(&offloaded).unwrap_or_default().into();
        // Of the same message it is the same object, and of another one another.
        let path = format!("dead-letters/{function}/{}.json", Checksum::of(&contents));
        let path: ObjectPath = path
            .parse()
            .unwrap_or_else(|_| unreachable!("{path} is made of valid segments"));
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

/// Tells whether Pub/Sub takes a message.
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

/// Cuts a text that is longer than so many bytes, at the end of a letter, and shows that by an ellipsis.
pub fn cut(text: &str, bytes: usize) -> String {
    if text.len() <= bytes {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(bytes.saturating_sub(ELLIPSIS.len()));
    format!("{}{ELLIPSIS}", &text[..end])
}

/// Says why a message became a dead letter, from its attributes.
pub fn reason(attributes: &BTreeMap<String, String>) -> String {
    let said = attributes.get(REASON_ATTRIBUTE).cloned();
    let counted = || {
        let count = attributes.get(DELIVERY_COUNT_ATTRIBUTE)?;
        Some(format!(
            "refused {count} times; the function's logs say why"
        ))
    };
    said.or_else(counted)
        .unwrap_or_else(|| "unknown".to_owned())
}

/// Returns the attributes that the message had before it became a dead letter, and when it was published first.
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
    fn a_letter_of_pubsub_is_republished_with_the_time_of_its_first_publishing() {
        let dead_letter = map(&[
            ("event_type", "drift-check-requested"),
            (DELIVERY_COUNT_ATTRIBUTE, "10"),
            (SUBSCRIPTION_ATTRIBUTE, "drift-check"),
            (PROJECT_ATTRIBUTE, "a-project"),
            (PUBLISH_TIME_ATTRIBUTE, "2021-08-02T05:00:00Z"),
        ]);
        assert_eq!(
            reason(&dead_letter),
            "refused 10 times; the function's logs say why"
        );
        let expected = map(&[
            ("event_type", "drift-check-requested"),
            ("first_published_at", "2021-08-02T05:00:00Z"),
        ]);
        assert_eq!(restore(&dead_letter), expected);
    }

    #[test]
    fn a_letter_of_the_runtime_keeps_the_time_that_it_names() {
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
    fn a_text_is_cut_at_the_end_of_a_letter() {
        assert_eq!(cut("vélo", 5), "vélo");
        for (bytes, expected) in [
            (9, "vélos…"),
            (8, "vélo…"),
            (7, "vél…"),
            (6, "vé…"),
            (5, "v…"),
            (4, "v…"),
            (3, "…"),
        ] {
            assert_eq!(cut("vélos à Paris", bytes), expected, "{bytes}");
        }
    }

    #[test]
    fn a_letter_has_no_more_than_pubsub_takes_and_what_does_not_fit_is_offloaded_whole() {
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
            let kept: Offloaded = serde_json::from_slice(&contents).unwrap();
            assert!(
                kept.data.to_bytes() == message.data && kept.attributes == message.attributes,
                "{path}"
            );
            assert_eq!(
                dead_letter("again", message).offloaded.unwrap().0,
                path,
                "the same message has the same object"
            );
        }
        let kept = dead_letter(&"é".repeat(2_000), small);
        assert_eq!((kept.message.data, kept.offloaded), ("{}".into(), None));
        assert_eq!(kept.message.attributes[REASON_ATTRIBUTE].len(), 1_023);
        assert_eq!(kept.message.attributes["origin"], "scheduler");
    }
}
