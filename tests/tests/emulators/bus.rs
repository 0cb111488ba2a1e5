//! The bus suite on the Pub/Sub emulator, and the topics and subscriptions of `set-up`: deliveries,
//! dead letters, replays.

mod push;
mod replay;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use cli::commands::set_up::{self, Delivery};
use google_cloud::{CloudSettings, PubSubPublisher};
use google_cloud_pubsub::{
    client::{Subscriber, SubscriptionAdmin},
    model::Subscription,
};
use shared::{
    address::ProjectId,
    bus::{Message, MessageId, Publisher},
    event::{Function, Topic},
};
use tests::{
    bus_suite::{Inbox, Setup},
    endpoint::Endpoint,
};
use tokio::task::JoinHandle;

use crate::place;

tests::bus_suite!(suite_setup().await);

async fn suite_setup() -> Setup {
    let project = Project::set_up(&[]).await;
    let topic = Topic::IngestRequested;
    project.subscribe("everything", topic).await;
    let (publisher, inbox) = (
        Arc::new(project.publisher().await),
        Box::new(project.pull("everything")),
    );
    Setup {
        publisher,
        topic,
        inbox,
        name: "a-run".to_owned(),
    }
}

#[tokio::test]
async fn missing_topic_is_named_in_the_error() {
    let project = Project::new().await;
    let error = project
        .publisher()
        .await
        .publish(Topic::DriftDetected, Message::default())
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot publish to the topic drift-detected"
    );
    let reason = std::error::Error::source(&error).unwrap();
    let topic = format!("projects/{}/topics/drift-detected", project.id);
    assert!(
        reason
            .to_string()
            .starts_with(&format!("{topic} does not exist")),
        "{reason}"
    );
    let cause = reason.source().unwrap().to_string();
    assert!(cause.contains("NOT_FOUND"), "{cause}");
}

/// A new project on the emulator.
struct Project {
    id: ProjectId,
    cloud: CloudSettings,
    subscriptions: SubscriptionAdmin,
    subscriber: Subscriber,
}

impl Project {
    /// Creates a project without topics.
    async fn new() -> Self {
        let cloud = place::cloud();
        let emulator = cloud.pubsub_emulator.as_ref();
        let (origin, credentials) = (
            emulator.unwrap().origin(),
            google_cloud::credentials(emulator).unwrap(),
        );
        let subscriptions = SubscriptionAdmin::builder()
            .with_endpoint(&origin)
            .with_credentials(credentials.clone());
        let subscriber = Subscriber::builder()
            .with_endpoint(&origin)
            .with_credentials(credentials);
        let (subscriptions, subscriber) = (
            subscriptions.build().await.unwrap(),
            subscriber.build().await.unwrap(),
        );
        Self {
            id: place::project(),
            cloud,
            subscriptions,
            subscriber,
        }
    }

    /// Creates a project with all topics, and push subscriptions of `functions` with short backoff.
    async fn set_up(functions: &[(Function, &Endpoint)]) -> Self {
        let project = Self::new().await;
        project.set_up_again(functions).await;
        project
    }

    async fn set_up_again(&self, functions: &[(Function, &Endpoint)]) {
        let endpoints: BTreeMap<_, _> = functions
            .iter()
            .map(|(function, endpoint)| (*function, endpoint.url()))
            .collect();
        let delivery = Delivery {
            maximum_attempts: 5,
            ..Delivery::quick()
        };
        set_up::subscriptions(&self.id, &endpoints, &self.cloud, delivery)
            .await
            .unwrap();
    }

    async fn publisher(&self) -> PubSubPublisher {
        PubSubPublisher::open(&self.id, &self.cloud).await.unwrap()
    }

    async fn publish(&self, topic: Topic, data: &'static str) -> MessageId {
        let message = Message {
            data: data.into(),
            ..Message::default()
        };
        self.publisher()
            .await
            .publish(topic, message)
            .await
            .unwrap()
    }

    fn subscription_name(&self, name: &str) -> String {
        format!("projects/{}/subscriptions/{name}", self.id)
    }

    async fn subscription(&self, name: &str) -> Subscription {
        let name = self.subscription_name(name);
        self.subscriptions
            .get_subscription()
            .set_subscription(name)
            .send()
            .await
            .unwrap()
    }

    /// Creates a pull subscription.
    async fn subscribe(&self, name: &str, topic: Topic) {
        let request = self
            .subscriptions
            .create_subscription()
            .set_name(self.subscription_name(name));
        request
            .set_topic(format!("projects/{}/topics/{topic}", self.id))
            .send()
            .await
            .unwrap();
    }

    /// Starts to pull and acknowledge messages.
    fn pull(&self, subscription: &str) -> Pulled {
        let mut stream = self
            .subscriber
            .subscribe(self.subscription_name(subscription))
            .build();
        let messages = Arc::new(Mutex::new(Vec::new()));
        let pulled_messages = Arc::clone(&messages);
        let task = tokio::spawn(async move {
            while let Some(pulled) = stream.next().await {
                let (message, handler) = pulled.unwrap();
                let attributes = message.attributes.into_iter().collect();
                pulled_messages.lock().unwrap().push((
                    MessageId(message.message_id),
                    Message {
                        data: message.data,
                        attributes,
                    },
                ));
                handler.ack();
            }
        });
        Pulled { messages, task }
    }
}

/// The messages pulled and acknowledged so far. Dropping it stops the pull.
struct Pulled {
    messages: Arc<Mutex<Vec<(MessageId, Message)>>>,
    task: JoinHandle<()>,
}

impl Drop for Pulled {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[async_trait]
impl Inbox for Pulled {
    async fn messages(&self) -> Vec<(MessageId, Message)> {
        self.messages.lock().unwrap().clone()
    }
}
