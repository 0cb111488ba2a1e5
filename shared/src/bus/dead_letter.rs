//! What a dead letter says beside its payload, and how it becomes a message again.

use std::collections::BTreeMap;

use super::FIRST_PUBLISHED_ATTRIBUTE;

/// The attribute with why the message could not be used.
pub const REASON_ATTRIBUTE: &str = "dead_letter_reason";
/// The attribute with the id of the event, under which the audit log has it.
pub const EVENT_ID_ATTRIBUTE: &str = "dead_letter_event_id";

/// What Pub/Sub adds when the attempts have run out, see <https://cloud.google.com/pubsub/docs/dead-letter-topics>.
const PUBSUB_PREFIX: &str = "CloudPubSubDeadLetter";
/// How many attempts there were.
pub(super) const DELIVERY_COUNT_ATTRIBUTE: &str = "CloudPubSubDeadLetterSourceDeliveryCount";
/// From which subscription it came.
pub(super) const SUBSCRIPTION_ATTRIBUTE: &str = "CloudPubSubDeadLetterSourceSubscription";
/// From which project it came.
pub(super) const PROJECT_ATTRIBUTE: &str = "CloudPubSubDeadLetterSourceSubscriptionProject";
/// When it was published to the topic that the subscription reads.
pub(super) const PUBLISH_TIME_ATTRIBUTE: &str = "CloudPubSubDeadLetterSourceTopicPublishTime";

/// Says why a message became a dead letter, from its attributes.
pub fn reason(attributes: &BTreeMap<String, String>) -> String {
    let said = attributes.get(REASON_ATTRIBUTE).cloned();
    let counted = || {
        let count = attributes.get(DELIVERY_COUNT_ATTRIBUTE)?;
        Some(format!("refused {count} times; the function's logs say why"))
    };
    said.or_else(counted).unwrap_or_else(|| "unknown".to_owned())
}

/// Returns the attributes that the message had before it became a dead letter, and when it was published first.
pub fn restore(attributes: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let is_of_letter =
        |name: &str| name.starts_with(PUBSUB_PREFIX) || matches!(name, REASON_ATTRIBUTE | EVENT_ID_ATTRIBUTE);
    let mut restored: BTreeMap<_, _> = attributes
        .iter()
        .filter(|(name, _)| !is_of_letter(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    if let Some(time) = attributes.get(PUBLISH_TIME_ATTRIBUTE) {
        restored.entry(FIRST_PUBLISHED_ATTRIBUTE.to_owned()).or_insert_with(|| time.clone());
    }
    restored
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_letter_of_pubsub_is_put_back_with_the_time_of_its_first_publishing() {
        let letter = map(&[
            ("event_type", "drift-check-requested"),
            (DELIVERY_COUNT_ATTRIBUTE, "10"),
            (SUBSCRIPTION_ATTRIBUTE, "drift-check"),
            (PROJECT_ATTRIBUTE, "a-project"),
            (PUBLISH_TIME_ATTRIBUTE, "2021-08-02T05:00:00Z"),
        ]);
        assert_eq!(reason(&letter), "refused 10 times; the function's logs say why");
        let expected = map(&[("event_type", "drift-check-requested"), ("first_published_at", "2021-08-02T05:00:00Z")]);
        assert_eq!(restore(&letter), expected);
    }

    #[test]
    fn a_letter_of_the_runtime_keeps_the_time_that_it_names() {
        let letter = map(&[
            (REASON_ATTRIBUTE, "the day cannot exist"),
            (EVENT_ID_ATTRIBUTE, "message/7"),
            (FIRST_PUBLISHED_ATTRIBUTE, "2021-08-01T05:00:00Z"),
            (PUBLISH_TIME_ATTRIBUTE, "2021-08-02T05:00:00Z"),
        ]);
        assert_eq!(reason(&letter), "the day cannot exist");
        assert_eq!(restore(&letter), map(&[(FIRST_PUBLISHED_ATTRIBUTE, "2021-08-01T05:00:00Z")]));
    }
}
