//! What every `Publisher` promises, as a subscriber sees it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use async_trait::async_trait;
use bytes::Bytes;
use shared::{
    bus::{Message, MessageId, Publisher},
    event::{DayIngested, EventId, Function, Topic, decode},
};
use tokio::task::JoinSet;

use crate::eventually::eventually;

/// Makes a test of every promise; `$place` makes a [`Place`].
#[macro_export]
macro_rules! bus_suite {
    ($place:expr) => {
        $crate::promises!(
            bus_suite,
            $place,
            [
                messages_arrive_as_they_were_published,
                an_event_arrives_with_its_type_and_id,
                a_message_of_a_megabyte_arrives,
                of_forty_messages_published_at_once_none_is_lost,
                every_message_has_an_id_of_its_own,
            ]
        );
    };
}

/// The other end of a topic.
#[async_trait]
pub trait Inbox: Send + Sync {
    /// Returns what has arrived at a subscription so far, with the ids that the bus gave; a message may be there twice.
    async fn messages(&self) -> Vec<(MessageId, Message)>;
}

/// Where the suite runs.
pub struct Place {
    /// What is tried.
    pub publisher: Arc<dyn Publisher>,
    /// The topic to publish to.
    pub topic: Topic,
    /// What arrives at a subscription to that topic.
    pub inbox: Box<dyn Inbox>,
    /// A name that is in no message of the topic yet.
    pub name: String,
}

impl Place {
    /// Marks a message as one of this place, so that others may use the topic at the same time.
    fn message(&self, data: impl Into<Bytes>) -> Message {
        Message {
            data: data.into(),
            attributes: BTreeMap::from([("place".to_owned(), self.name.clone())]),
        }
    }

    async fn publish(&self, message: Message) -> MessageId {
        self.publisher.publish(self.topic, message).await.unwrap()
    }

    /// Waits until this many different messages of this place have arrived, and returns them by their ids.
    async fn arrived(&self, count: usize) -> BTreeMap<MessageId, Message> {
        let is_ours = |message: &Message| message.attributes.get("place") == Some(&self.name);
        eventually("messages to arrive", async || {
            let messages = self.inbox.messages().await.into_iter();
            let ours: BTreeMap<_, _> = messages.filter(|(_, message)| is_ours(message)).collect();
            (ours.len() >= count).then_some(ours)
        })
        .await
    }
}

/// Payload and attributes, also where they are no text, no ASCII or nothing.
pub async fn messages_arrive_as_they_were_published(place: &Place) {
    let every_byte: Vec<u8> = (0..=255).collect();
    let mut messages = vec![
        place.message(r#"{"type":"day-ingested"}"#),
        place.message(every_byte),
        place.message(""),
        place.message("\u{feff}vélo\n\"été\" 自転車"),
    ];
    let attributes = [
        ("origin", "scheduler"),
        ("clé", "valeur, \"été\"\n"),
        ("empty", ""),
    ];
    let attributes = attributes.map(|(key, value)| (key.to_owned(), value.to_owned()));
    messages[0].attributes.extend(attributes);
    let mut published = BTreeMap::new();
    for message in messages {
        published.insert(place.publish(message.clone()).await, message);
    }
    assert_eq!(place.arrived(published.len()).await, published);
}

/// People who look through a topic see both without reading the payload.
pub async fn an_event_arrives_with_its_type_and_id(place: &Place) {
    let day = "2021-07-19".parse().unwrap();
    let event = DayIngested {
        event_id: EventId::of(Function::Ingest, &place.name),
        day,
        rows: 1_344,
    };
    let mut message = Message::of_event(&event);
    message.attributes.extend(place.message("").attributes);
    place.publish(message).await;
    let (_, arrived) = place.arrived(1).await.pop_first().unwrap();
    assert_eq!(decode::<DayIngested>(&arrived.data).unwrap(), event);
    assert_eq!(arrived.attributes["event_type"], "day-ingested");
    assert_eq!(arrived.attributes["event_id"], event.event_id.to_string());
}

/// Events are far smaller.
pub async fn a_message_of_a_megabyte_arrives(place: &Place) {
    let message = place.message(vec![b'x'; 1_000_000]);
    place.publish(message.clone()).await;
    let (_, arrived) = place.arrived(1).await.pop_first().unwrap();
    assert!(
        arrived == message,
        "another message arrived than was published"
    );
}

/// At least once: each arrives, maybe twice.
pub async fn of_forty_messages_published_at_once_none_is_lost(place: &Place) {
    let mut tasks = JoinSet::new();
    for number in 0..40 {
        let (publisher, topic) = (Arc::clone(&place.publisher), place.topic);
        let message = place.message(format!("message {number}"));
        tasks.spawn(async move { publisher.publish(topic, message).await.unwrap() });
    }
    let ids: BTreeSet<_> = tasks.join_all().await.into_iter().collect();
    let arrived = place.arrived(40).await;
    assert_eq!(arrived.keys().cloned().collect::<BTreeSet<_>>(), ids);
    let texts: BTreeSet<_> = arrived.into_values().map(|message| message.data).collect();
    assert_eq!(texts.len(), 40);
}

/// Also where the messages are the same.
pub async fn every_message_has_an_id_of_its_own(place: &Place) {
    let mut ids = BTreeSet::new();
    for _ in 0..5 {
        ids.insert(place.publish(place.message("the same")).await);
    }
    assert_eq!(ids.len(), 5);
    assert_eq!(
        place.arrived(5).await.into_keys().collect::<BTreeSet<_>>(),
        ids
    );
}
