//! Topics and subscriptions.

use std::{collections::BTreeMap, time::Duration};

use anyhow::Context;
use google_cloud::CloudSettings;
use google_cloud_gax::error::{Error, rpc::Code};
use google_cloud_pubsub::{
    client::{SubscriptionAdmin, TopicAdmin},
    model::{DeadLetterPolicy, ExpirationPolicy, PushConfig, RetryPolicy, Subscription},
};
use google_cloud_wkt::FieldMask;
use shared::{
    address::ProjectId,
    event::{Function, Topic},
};

/// How long topics and subscriptions keep messages, acknowledged ones too, so that they can be delivered again.
const RETENTION: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// How long a function may take to answer, and a person to look at a dead letter: the longest that Pub/Sub allows.
const ACKNOWLEDGEMENT_DEADLINE_SECONDS: i32 = 600;

/// How often and how patiently push subscriptions deliver.
#[derive(Clone, Copy, Debug)]
pub struct Delivery {
    /// How long to wait before the second attempt.
    pub minimum_backoff: Duration,
    /// How long to wait at most before a further attempt; up to 600 seconds.
    pub maximum_backoff: Duration,
    /// After how many attempts a message becomes a dead letter; 5 to 100.
    pub maximum_attempts: u32,
}

impl Delivery {
    /// Delivers again soon and for long, for tests. The emulator waits a second at least, and mostly three.
    pub const fn quick() -> Self {
        Self {
            minimum_backoff: Duration::from_millis(100),
            maximum_backoff: Duration::from_secs(1),
            maximum_attempts: 30,
        }
    }
}

impl Default for Delivery {
    fn default() -> Self {
        Self {
            minimum_backoff: Duration::from_secs(10),
            maximum_backoff: Duration::from_secs(600),
            maximum_attempts: 10,
        }
    }
}

/// Makes all topics, a pull subscription to each topic of dead letters, and a push subscription to its input for each
/// function whose endpoint is given.
///
/// A push subscription has the name of its function, a pull subscription that of its topic. What is there stays as it is,
/// but push subscriptions take on the endpoint and the delivery, and pull subscriptions the time that a person may take.
///
/// # Errors
/// When the service fails or refuses a name or number.
pub async fn subscriptions(
    project: &ProjectId,
    endpoints: &BTreeMap<Function, String>,
    cloud: &CloudSettings,
    delivery: Delivery,
) -> anyhow::Result<()> {
    let service = Service::open(project, cloud)
        .await
        .context("cannot open Pub/Sub")?;
    for topic in Topic::all() {
        service
            .make_topic(topic)
            .await
            .with_context(|| format!("cannot make the topic {topic}"))?;
    }
    for function in Function::ALL {
        let dead_letters = service.subscription(
            Topic::DeadLetter(function).to_string(),
            Topic::DeadLetter(function),
        );
        service
            .make_subscription(dead_letters, &["ack_deadline_seconds"])
            .await?;
    }
    for (function, endpoint) in endpoints {
        let push = service.push_subscription(*function, endpoint, delivery);
        service
            .make_subscription(push, &["push_config", "retry_policy", "dead_letter_policy"])
            .await?;
    }
    Ok(())
}

/// Pub/Sub in a project.
struct Service<'a> {
    project: &'a ProjectId,
    topics: TopicAdmin,
    subscriptions: SubscriptionAdmin,
}

impl<'a> Service<'a> {
    async fn open(project: &'a ProjectId, cloud: &CloudSettings) -> anyhow::Result<Self> {
        let emulator = cloud.pubsub_emulator.as_ref();
        let credentials = google_cloud::credentials(emulator)?;
        let mut topics = TopicAdmin::builder().with_credentials(credentials.clone());
        let mut subscriptions = SubscriptionAdmin::builder().with_credentials(credentials);
        if let Some(emulator) = emulator {
            topics = topics.with_endpoint(emulator.origin());
            subscriptions = subscriptions.with_endpoint(emulator.origin());
        }
        Ok(Self {
            project,
            topics: topics.build().await?,
            subscriptions: subscriptions.build().await?,
        })
    }

    async fn make_topic(&self, topic: Topic) -> google_cloud_gax::Result<()> {
        let request = self.topics.create_topic().set_name(self.topic_name(topic));
        let made = request
            .set_message_retention_duration(duration(RETENTION))
            .send()
            .await;
        made.map(drop).or_else(tolerate_existing)
    }

    /// Makes a subscription; if it is there, these fields take on their values.
    async fn make_subscription(
        &self,
        subscription: Subscription,
        fields: &[&str],
    ) -> anyhow::Result<()> {
        let name = subscription.name.clone();
        let made = self
            .subscriptions
            .create_subscription()
            .with_request(subscription.clone())
            .send()
            .await;
        match made {
            Err(error) if is_existing(&error) && !fields.is_empty() => {
                let mask = FieldMask::default().set_paths(fields.iter().copied());
                let request = self
                    .subscriptions
                    .update_subscription()
                    .set_subscription(subscription);
                let updated = request.set_update_mask(mask).send().await;
                updated
                    .map(drop)
                    .with_context(|| format!("cannot update {name}"))
            }
            made => made
                .map(drop)
                .or_else(tolerate_existing)
                .with_context(|| format!("cannot make {name}")),
        }
    }

    fn push_subscription(
        &self,
        function: Function,
        endpoint: &str,
        delivery: Delivery,
    ) -> Subscription {
        let retry = RetryPolicy::new()
            .set_minimum_backoff(duration(delivery.minimum_backoff))
            .set_maximum_backoff(duration(delivery.maximum_backoff));
        let dead_letters = DeadLetterPolicy::new()
            .set_dead_letter_topic(self.topic_name(Topic::DeadLetter(function)))
            .set_max_delivery_attempts(delivery.maximum_attempts.cast_signed());
        self.subscription(function.to_string(), function.input())
            .set_push_config(PushConfig::new().set_push_endpoint(endpoint))
            .set_retry_policy(retry)
            .set_dead_letter_policy(dead_letters)
            .set_retain_acked_messages(true)
    }

    /// Describes a subscription that keeps messages as long as the topic does, and is kept also where none comes.
    fn subscription(&self, name: String, topic: Topic) -> Subscription {
        Subscription::new()
            .set_name(format!("projects/{}/subscriptions/{name}", self.project))
            .set_topic(self.topic_name(topic))
            .set_ack_deadline_seconds(ACKNOWLEDGEMENT_DEADLINE_SECONDS)
            .set_message_retention_duration(duration(RETENTION))
            .set_expiration_policy(ExpirationPolicy::new())
    }

    fn topic_name(&self, topic: Topic) -> String {
        format!("projects/{}/topics/{topic}", self.project)
    }
}

fn tolerate_existing(error: Error) -> google_cloud_gax::Result<()> {
    if is_existing(&error) {
        Ok(())
    } else {
        Err(error)
    }
}

fn is_existing(error: &Error) -> bool {
    error
        .status()
        .is_some_and(|status| status.code == Code::AlreadyExists)
}

fn duration(duration: Duration) -> google_cloud_wkt::Duration {
    google_cloud_wkt::Duration::clamp(
        duration.as_secs().cast_signed(),
        duration.subsec_nanos().cast_signed(),
    )
}
