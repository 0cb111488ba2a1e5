//! The embedded bus delivers as Pub/Sub does: each test has a log in memory, endpoints of its own, and waits in
//! milliseconds.

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

/// A log, and the clock that its messages are dated by.
struct Desk {
    store: Arc<dyn Store>,
    clock: SimulatedClock,
    publisher: Arc<LogPublisher>,
}

impl Desk {
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

    /// Opens the log as another process does.
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

    /// Requests an ingestion, the topic of most tests.
    async fn request(&self, text: &str) -> MessageId {
        self.publish(Topic::IngestRequested, text).await
    }

    /// Starts a bus with one subscription, that of `ingest`.
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

    /// Returns what the bus has stored of the subscription of `ingest`.
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

/// Waits of milliseconds, and otherwise what the bus does by itself.
fn policy() -> DeliveryPolicy {
    DeliveryPolicy {
        minimum_backoff: Duration::from_millis(2),
        maximum_backoff: Duration::from_millis(10),
        ..DeliveryPolicy::default()
    }
}

/// Opens an endpoint that answers with a status until a number of attempts, and acknowledges after them.
async fn refusing(attempts: u64, status: u16) -> Endpoint {
    let status = StatusCode::from_u16(status).unwrap();
    let answer = move |attempt| {
        if attempt <= attempts {
            status
        } else {
            StatusCode::NO_CONTENT
        }
    };
    Endpoint::answering(move |request: Received| std::future::ready(answer(request.attempt())))
        .await
}

/// Opens an endpoint that acknowledges each request once the gate has let it through.
async fn gated() -> (Endpoint, Arc<Semaphore>) {
    let gate = Arc::new(Semaphore::new(0));
    let held = Arc::clone(&gate);
    let answer = move |_| {
        let gate = Arc::clone(&held);
        async move {
            gate.acquire().await.unwrap().forget();
            StatusCode::NO_CONTENT
        }
    };
    (Endpoint::answering(answer).await, gate)
}

fn texts(endpoint: &Endpoint) -> Vec<String> {
    endpoint.received().iter().map(Received::text).collect()
}

fn timestamp(text: &str) -> Timestamp {
    text.parse().unwrap()
}
