//! The topics and subscriptions of Pub/Sub.

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

/// The retention of messages, including acknowledged ones, in topics and subscriptions.
const RETENTION: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// The acknowledgement deadline: the maximum of Pub/Sub, for long runs and editing dead letters.
const ACKNOWLEDGEMENT_DEADLINE_SECONDS: i32 = 600;

/// The retry and dead-letter settings of push subscriptions.
#[derive(Clone, Copy, Debug)]
pub struct Delivery {
    /// The delay before the second attempt.
    pub minimum_backoff: Duration,
    /// The maximum delay between attempts, at most 600 seconds.
    pub maximum_backoff: Duration,
    /// The number of attempts after which a message becomes a dead letter, 5 to 100.
    pub maximum_attempts: u32,
}

impl Delivery {
    /// Returns settings for work on emulators, with short delays and the most attempts.
    ///
    /// The emulator waits at least one second between attempts, and usually three. The attempts thus
    /// last longer than the lease of a killed process.
    pub const fn quick() -> Self {
        Self {
            minimum_backoff: Duration::from_millis(100),
            maximum_backoff: Duration::from_secs(1),
            maximum_attempts: 100,
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

/// Creates all topics and subscriptions.
///
/// Each dead-letter topic gets a pull subscription with the name of the topic. Each function in
/// `endpoints` gets a push subscription to each of its input topics; see
/// [`Function::subscription`].
///
/// Existing topics are unchanged. Existing push subscriptions get the endpoint and the delivery
/// settings, existing pull subscriptions the acknowledgement deadline.
///
/// # Errors
/// Returns an error if Pub/Sub fails or rejects a setting.
pub async fn subscriptions(
    project: &ProjectId,
    endpoints: &BTreeMap<Function, String>,
    cloud: &CloudSettings,
    delivery: Delivery,
) -> anyhow::Result<()> {
    let admin = Admin::open(project, cloud)
        .await
        .context("cannot open Pub/Sub")?;
    for topic in Topic::all() {
        admin
            .create_topic(topic)
            .await
            .with_context(|| format!("cannot create the topic {topic}"))?;
    }
    for function in Function::ALL {
        let dead_letters = admin.subscription(
            Topic::DeadLetter(function).to_string(),
            Topic::DeadLetter(function),
        );
        admin
            .create_subscription(dead_letters, &["ack_deadline_seconds"])
            .await?;
    }
    for (function, endpoint) in endpoints {
        for topic in function.inputs() {
            let push = admin.push_subscription(*function, *topic, endpoint, delivery);
            admin
                .create_subscription(push, &["push_config", "retry_policy", "dead_letter_policy"])
                .await?;
        }
    }
    Ok(())
}

/// The administration clients of Pub/Sub for a project.
struct Admin<'a> {
    project: &'a ProjectId,
    topics: TopicAdmin,
    subscriptions: SubscriptionAdmin,
}

impl<'a> Admin<'a> {
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

    async fn create_topic(&self, topic: Topic) -> google_cloud_gax::Result<()> {
        let request = self.topics.create_topic().set_name(self.topic_name(topic));
        let created = request
            .set_message_retention_duration(duration(RETENTION))
            .send()
            .await;
        created.map(drop).or_else(ignore_existing)
    }

    /// Creates a subscription, or updates the given fields if it exists.
    async fn create_subscription(
        &self,
        subscription: Subscription,
        fields: &[&str],
    ) -> anyhow::Result<()> {
        let name = subscription.name.clone();
        let created = self
            .subscriptions
            .create_subscription()
            .with_request(subscription.clone())
            .send()
            .await;
        match created {
            Err(error) if already_exists(&error) && !fields.is_empty() => {
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
            created => created
                .map(drop)
                .or_else(ignore_existing)
                .with_context(|| format!("cannot create {name}")),
        }
    }

    fn push_subscription(
        &self,
        function: Function,
        topic: Topic,
        endpoint: &str,
        delivery: Delivery,
    ) -> Subscription {
        let retry = RetryPolicy::new()
            .set_minimum_backoff(duration(delivery.minimum_backoff))
            .set_maximum_backoff(duration(delivery.maximum_backoff));
        let dead_letters = DeadLetterPolicy::new()
            .set_dead_letter_topic(self.topic_name(Topic::DeadLetter(function)))
            .set_max_delivery_attempts(delivery.maximum_attempts.cast_signed());
        self.subscription(function.subscription(topic), topic)
            .set_push_config(PushConfig::new().set_push_endpoint(endpoint))
            .set_retry_policy(retry)
            .set_dead_letter_policy(dead_letters)
            .set_retain_acked_messages(true)
    }

    /// Returns a subscription with the retention of its topic that never expires.
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

fn ignore_existing(error: Error) -> google_cloud_gax::Result<()> {
    if already_exists(&error) {
        Ok(())
    } else {
        Err(error)
    }
}

fn already_exists(error: &Error) -> bool {
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
