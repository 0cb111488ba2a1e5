//! Tests that the embedded bus delivers as Pub/Sub does.
//!
//! Each test has an in-memory log and its own endpoints, and backs off for milliseconds.

mod delivery;
mod lasting;
mod retry;

use std::{sync::Arc, time::Duration};

use axum::http::StatusCode;
use cli::support::embedded_bus::{DeliveryPolicy, EmbeddedBus, Subscription};
use shared::{
    Timestamp,
    bus::{LogPublisher, LoggedMessage, Message, MessageId, Publisher},
    clock::SimulatedClock,
    event::{Function, Topic},
    store::{MemoryStore, Store, read_json},
};
use tests::endpoint::{Endpoint, Received};
use tokio::sync::Semaphore;

/// A message log, with the clock of its publish times.
struct MessageLog {
    store: Arc<dyn Store>,
    clock: SimulatedClock,
    publisher: Arc<LogPublisher>,
}

impl MessageLog {
    fn new() -> Self {
        Self::at(Arc::new(MemoryStore::default()))
    }

    fn at(store: Arc<dyn Store>) -> Self {
        let clock = SimulatedClock::new("2021-07-20T04:00:00.123Z".parse().unwrap());
        let publisher = Arc::new(LogPublisher::new(
            Arc::clone(&store),
            Arc::new(clock.clone()),
        ));
        Self {
            store,
            clock,
            publisher,
        }
    }

    /// Returns a new publisher of the same log, as in another process.
    fn reopened(&self) -> Self {
        Self::at(Arc::clone(&self.store))
    }

    async fn publish(&self, topic: Topic, text: &str) -> MessageId {
        let message = Message {
            data: text.to_owned().into(),
            ..Message::default()
        };
        self.publisher.publish(topic, message).await.unwrap()
    }

    /// Publishes to `ingest-requested`, the topic of most tests.
    async fn request(&self, text: &str) -> MessageId {
        self.publish(Topic::IngestRequested, text).await
    }

    /// Starts a bus with only the subscription of `ingest`.
    async fn deliver_to(&self, endpoint: &Endpoint, policy: DeliveryPolicy) -> EmbeddedBus {
        self.start(&[(Function::Ingest, endpoint)], policy).await
    }

    async fn start(
        &self,
        subscriptions: &[(Function, &Endpoint)],
        policy: DeliveryPolicy,
    ) -> EmbeddedBus {
        let subscription = |(function, endpoint): &(Function, &Endpoint)| Subscription {
            function: *function,
            endpoint: endpoint.url(),
        };
        let subscriptions = subscriptions.iter().map(subscription).collect();
        EmbeddedBus::start(Arc::clone(&self.publisher), subscriptions, policy)
            .await
            .unwrap()
    }

    /// Returns the stored state of the subscription of `ingest`.
    async fn stored_state(&self) -> Option<serde_json::Value> {
        let path = "bus/subscriptions/ingest.json".parse().unwrap();
        Some(read_json(&*self.store, &path).await.ok()?.0)
    }

    async fn dead_letters(&self) -> Vec<LoggedMessage> {
        let mut messages = Vec::new();
        for path in self
            .store
            .list("bus/topics/ingest-dead-letter/")
            .await
            .unwrap()
        {
            messages.push(read_json(&*self.store, &path).await.unwrap().0);
        }
        messages
    }
}

/// Returns the default policy with a backoff of milliseconds.
fn policy() -> DeliveryPolicy {
    DeliveryPolicy {
        minimum_backoff: Duration::from_millis(2),
        maximum_backoff: Duration::from_millis(10),
        ..DeliveryPolicy::default()
    }
}

/// Starts an endpoint that returns `status` for the first `attempts` attempts of a message, then
/// acknowledges it.
async fn rejecting_first(attempts: u64, status: u16) -> Endpoint {
    let status = StatusCode::from_u16(status).unwrap();
    let respond = move |attempt| {
        if attempt <= attempts {
            status
        } else {
            StatusCode::NO_CONTENT
        }
    };
    Endpoint::responding(move |request: Received| std::future::ready(respond(request.attempt())))
        .await
}

/// Starts an endpoint that acknowledges one request per permit of the returned semaphore.
async fn gated() -> (Endpoint, Arc<Semaphore>) {
    let gate = Arc::new(Semaphore::new(0));
    let permits = Arc::clone(&gate);
    let respond = move |_| {
        let gate = Arc::clone(&permits);
        async move {
            gate.acquire().await.unwrap().forget();
            StatusCode::NO_CONTENT
        }
    };
    (Endpoint::responding(respond).await, gate)
}

fn texts(endpoint: &Endpoint) -> Vec<String> {
    endpoint.received().iter().map(Received::text).collect()
}

fn timestamp(text: &str) -> Timestamp {
    text.parse().unwrap()
}
