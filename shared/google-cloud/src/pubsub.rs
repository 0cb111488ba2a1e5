//! The publisher on Pub/Sub.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use google_cloud_gax::error::rpc::Code;
use google_cloud_pubsub::{
    client::{BasePublisher, Publisher as TopicPublisher},
    error::PublishError,
    model,
    retry_policy::RetryableErrors,
};
use parking_lot::Mutex;
use shared::{
    address::{Address, OpenError, ProjectId},
    bus::{BusError, Message, MessageId, Publisher},
    event::Topic,
};

use crate::CloudSettings;

/// A publisher for the topics of a project.
///
/// Messages are sent immediately and without batching: events are rare, and each caller waits for
/// its result.
///
/// Transient errors are retried as in other calls: at most five attempts. The time limit
/// applies to all attempts together, because Google's client has no limit for a single attempt.
pub struct PubSubPublisher {
    project: ProjectId,
    client: BasePublisher,
    topics: Mutex<BTreeMap<Topic, TopicPublisher>>,
}

impl PubSubPublisher {
    /// Creates a publisher for a project. Missing topics are detected on publishing.
    ///
    /// # Errors
    /// Returns an error if there are no credentials.
    pub async fn open(project: &ProjectId, cloud: &CloudSettings) -> Result<Self, OpenError> {
        let client = client(cloud)
            .await
            .map_err(|error| OpenError::new(&Address::PubSub(project.clone()), error))?;
        Ok(Self {
            project: project.clone(),
            client,
            topics: Mutex::default(),
        })
    }

    /// Returns the publisher of a topic, which is created on first use.
    fn topic(&self, topic: Topic) -> TopicPublisher {
        let mut topics = self.topics.lock();
        let create = || {
            self.client
                .publisher(self.name(topic))
                .set_message_count_threshold(1)
                .build()
        };
        topics.entry(topic).or_insert_with(create).clone()
    }

    fn name(&self, topic: Topic) -> String {
        format!("projects/{}/topics/{topic}", self.project)
    }
}

#[async_trait]
impl Publisher for PubSubPublisher {
    async fn publish(&self, topic: Topic, message: Message) -> Result<MessageId, BusError> {
        let message = model::Message::new()
            .set_data(message.data)
            .set_attributes(message.attributes);
        let published = self.topic(topic).publish(message).await;
        published.map(MessageId).map_err(|error| BusError {
            topic,
            source: http_error(self.name(topic), error),
        })
    }
}

async fn client(
    cloud: &CloudSettings,
) -> Result<BasePublisher, Box<dyn std::error::Error + Send + Sync>> {
    let emulator = cloud.pubsub_emulator.as_ref();
    let mut builder = BasePublisher::builder()
        .with_credentials(crate::credentials(emulator)?)
        .with_retry_policy(crate::client_policy("Pub/Sub", RetryableErrors))
        .with_backoff_policy(crate::client_backoff()?);
    if let Some(emulator) = emulator {
        builder = builder.with_endpoint(emulator.origin());
    }
    Ok(builder.build().await?)
}

fn http_error(topic: String, error: PublishError) -> Box<dyn std::error::Error + Send + Sync> {
    match error {
        PublishError::Rpc(error)
            if error
                .status()
                .is_some_and(|status| status.code == Code::NotFound) =>
        {
            Box::new(MissingTopic {
                topic,
                source: error,
            })
        }
        // The error of the service is already complete.
        PublishError::Rpc(error) => Box::new(error),
        other => Box::new(other),
    }
}

/// The topic or the project does not exist.
#[derive(Debug, thiserror::Error)]
#[error("{topic} does not exist; run `terraform apply`, or `bike-traffic set-up` for an emulator")]
struct MissingTopic {
    topic: String,
    source: Arc<google_cloud_gax::error::Error>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn unreachable_service_is_reported() {
        let closed = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let emulator = Some(closed.to_string().parse().unwrap());
        let cloud = CloudSettings {
            pubsub_emulator: emulator,
            ..CloudSettings::default()
        };
        let publisher = PubSubPublisher::open(&"a-project".parse().unwrap(), &cloud)
            .await
            .unwrap();
        let error = publisher
            .publish(Topic::DriftDetected, Message::default())
            .await
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot publish to the topic drift-detected"
        );
        let reason = std::error::Error::source(&error).unwrap().to_string();
        assert!(reason.contains("connect"), "{reason}");
    }
}
