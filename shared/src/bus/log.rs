//! The log of the embedded bus: one object for each published message, in publication order.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex, Notify, futures::Notified};

use super::{BusError, Message, MessageId, Publisher};
use crate::{
    address::ObjectPath,
    clock::Clock,
    event::Topic,
    store::{Condition, Store, StoreError, read_json, write_json},
};

/// A message in the log, stored at `bus/topics/TOPIC/NUMBER.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LoggedMessage {
    /// The id that the bus assigned.
    pub message_id: MessageId,
    /// The time of publication.
    pub published_at: Timestamp,
    /// The attributes of the message.
    pub attributes: BTreeMap<String, String>,
    /// The payload of the message.
    #[serde(flatten)]
    pub data: Payload,
}

/// A payload, stored as readable text if it is UTF-8.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Payload {
    /// A payload that is valid UTF-8.
    #[serde(rename = "text")]
    Text(String),
    /// Any other payload, in base64.
    #[serde(rename = "base64")]
    Base64(String),
}

impl Payload {
    pub(super) fn of(data: &[u8]) -> Self {
        let text = std::str::from_utf8(data).map(str::to_owned);
        text.map_or_else(|_| Self::Base64(BASE64_STANDARD.encode(data)), Self::Text)
    }

    /// Returns the published bytes.
    pub fn to_bytes(&self) -> Bytes {
        match self {
            Self::Text(text) => Bytes::copy_from_slice(text.as_bytes()),
            // `of` writes valid base64. Text that a person has edited is used unchanged.
            Self::Base64(text) => BASE64_STANDARD
                .decode(text)
                .unwrap_or_else(|_| text.clone().into_bytes())
                .into(),
        }
    }

    /// Returns the payload in base64, as in a push request.
    pub fn to_base64(&self) -> String {
        match self {
            Self::Text(text) => BASE64_STANDARD.encode(text),
            Self::Base64(text) => text.clone(),
        }
    }
}

/// A publisher that appends to the log. Any number of publishers, in any number of processes, may
/// share a log.
pub struct LogPublisher {
    log: Arc<Log>,
    clock: Arc<dyn Clock>,
}

impl LogPublisher {
    /// Creates a publisher to the log in a store.
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self {
            log: Arc::new(Log::new(store)),
            clock,
        }
    }

    /// Returns the log that this publisher appends to.
    pub fn log(&self) -> Arc<Log> {
        Arc::clone(&self.log)
    }
}

#[async_trait]
impl Publisher for LogPublisher {
    async fn publish(&self, topic: Topic, message: Message) -> Result<MessageId, BusError> {
        let published = self.log.append(topic, &message, self.clock.now()).await;
        published.map_err(|source| BusError {
            topic,
            source: source.into(),
        })
    }
}

/// The log of all topics in a store.
pub struct Log {
    store: Arc<dyn Store>,
    /// The next free number of each topic, as far as this process knows.
    next: Mutex<BTreeMap<Topic, u64>>,
    /// Notified when this process has appended a message.
    appended: Notify,
    /// The number of messages that this process has appended.
    appends: AtomicU64,
}

impl Log {
    fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            next: Mutex::default(),
            appended: Notify::new(),
            appends: AtomicU64::new(0),
        }
    }

    /// Returns the store that holds the log.
    pub fn store(&self) -> &dyn Store {
        &*self.store
    }

    /// Returns the message with this number, or `None` past the end of the topic.
    pub async fn read(
        &self,
        topic: Topic,
        number: u64,
    ) -> Result<Option<LoggedMessage>, StoreError> {
        match read_json(&*self.store, &path(topic, number)).await {
            Ok((message, _)) => Ok(Some(message)),
            Err(StoreError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Returns `true` if a message with this number has been published.
    pub async fn has(&self, topic: Topic, number: u64) -> Result<bool, StoreError> {
        Ok(self.store.generation(&path(topic, number)).await?.is_some())
    }

    /// Returns the number after that of the last message, 0 for a topic without messages.
    ///
    /// Numbers before it may be missing, because a person may delete messages.
    pub async fn end(&self, topic: Topic) -> Result<u64, StoreError> {
        let folder = format!("bus/topics/{topic}/");
        let paths = self.store.list(&folder).await?;
        let number = |path: &ObjectPath| -> Option<u64> {
            let name = path.as_str().strip_prefix(&folder)?;
            name.strip_suffix(".json")?.parse().ok()
        };
        let last = paths.iter().filter_map(number).max();
        Ok(last.map_or(0, |last| last + 1))
    }

    /// Returns a future that completes when this process appends the next message.
    pub fn appended(&self) -> Notified<'_> {
        self.appended.notified()
    }

    /// Returns the number of messages that this process has appended to all topics.
    pub fn appends(&self) -> u64 {
        self.appends.load(Ordering::SeqCst)
    }

    async fn append(
        &self,
        topic: Topic,
        message: &Message,
        now: Timestamp,
    ) -> Result<MessageId, StoreError> {
        let mut next = self.next.lock().await;
        let mut number = match next.get(&topic) {
            Some(number) => *number,
            None => self.end(topic).await?,
        };
        let message_id = loop {
            let message_id = MessageId(format!("{topic}-{number}"));
            let logged = LoggedMessage {
                message_id: message_id.clone(),
                published_at: now,
                attributes: message.attributes.clone(),
                data: Payload::of(&message.data),
            };
            // If another process has taken the number, try the next one.
            match write_json(
                &*self.store,
                &path(topic, number),
                &logged,
                Condition::Absent,
            )
            .await
            {
                Err(StoreError::ConditionFailed { .. }) => number += 1,
                Err(error) => return Err(error),
                Ok(_) => break message_id,
            }
        };
        next.insert(topic, number + 1);
        self.appends.fetch_add(1, Ordering::SeqCst);
        self.appended.notify_waiters();
        Ok(message_id)
    }
}

fn path(topic: Topic, number: u64) -> ObjectPath {
    ObjectPath::new(format_args!("bus/topics/{topic}/{number:09}.json"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{clock::SimulatedClock, store::MemoryStore};

    #[tokio::test]
    async fn concurrent_publishers_lose_no_message() {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
        let clock = Arc::new(SimulatedClock::new(Timestamp::UNIX_EPOCH));
        let publishers =
            [(); 2].map(|()| Arc::new(LogPublisher::new(Arc::clone(&store), clock.clone())));
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..40_usize {
            let publisher = Arc::clone(&publishers[number % 2]);
            let message = Message {
                data: vec![0xff, number as u8].into(),
                ..Message::default()
            };
            tasks.spawn(async move {
                publisher
                    .publish(Topic::DayIngested, message)
                    .await
                    .unwrap()
            });
        }
        let ids: std::collections::BTreeSet<_> = tasks.join_all().await.into_iter().collect();
        assert_eq!(ids.len(), 40);
        let log = publishers[0].log();
        let mut seen = std::collections::BTreeSet::new();
        for number in 0..40 {
            seen.insert(
                log.read(Topic::DayIngested, number)
                    .await
                    .unwrap()
                    .unwrap()
                    .data
                    .to_base64(),
            );
        }
        assert_eq!(seen.len(), 40);
        assert!(!log.has(Topic::DayIngested, 40).await.unwrap());
    }

    #[tokio::test]
    async fn end_follows_the_last_message_also_after_a_gap() {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
        let log = Log::new(Arc::clone(&store));
        assert_eq!(log.end(Topic::DayIngested).await.unwrap(), 0);
        for name in ["000000002.json", "000000007.json", "notes.txt"] {
            let path = ObjectPath::new(format_args!("bus/topics/day-ingested/{name}"));
            store
                .write(&path, Bytes::new(), Condition::Always)
                .await
                .unwrap();
        }
        assert_eq!(log.end(Topic::DayIngested).await.unwrap(), 8);
        let message = Message::default();
        let id = log.append(Topic::DayIngested, &message, Timestamp::UNIX_EPOCH);
        assert_eq!(id.await.unwrap().0, "day-ingested-8");
    }

    #[test]
    fn text_payload_is_stored_as_text() {
        assert_eq!(Payload::of(b"{}"), Payload::Text("{}".to_owned()));
        assert_eq!(Payload::of(b"\xff").to_base64(), "/w==");
    }
}
