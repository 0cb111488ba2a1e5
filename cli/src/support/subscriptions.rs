//! Operations on Pub/Sub subscriptions: pull, acknowledge, seek, and create temporary ones.
//!
//! This module uses the REST API, because Google's client only offers an endless streaming pull.
//! See <https://cloud.google.com/pubsub/docs/reference/rest/v1/projects.subscriptions>.

#[cfg(test)]
pub(crate) mod fake;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    fmt,
    time::{Duration, Instant},
};

use anyhow::Context;
use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use google_cloud::{CloudSettings, HttpError, Tokens};
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use shared::{
    Timestamp,
    address::ProjectId,
    event::{Function, Topic},
};

const SERVICE: &str = "https://pubsub.googleapis.com";
/// The maximum number of messages per pull request.
const MAX_MESSAGES_PER_PULL: u32 = 100;
/// The maximum acknowledgement deadline of Pub/Sub.
const MAX_DEADLINE_SECONDS: u32 = 600;
/// The expiration of temporary subscriptions that were not deleted: the minimum of Pub/Sub.
const TEMPORARY_TTL: &str = "86400s";

/// The timing of repeated pulls.
///
/// A pull may return nothing although there are messages. A subscription is considered drained when
/// no new message arrived for a while.
#[derive(Clone, Copy, Debug)]
struct Listening {
    /// The time that one pull waits for a message; `None` if it returns immediately.
    wait: Option<Duration>,
    /// The pause after a pull without new messages.
    pause: Duration,
    /// The time without new messages after which the subscription is drained.
    quiet: Duration,
    /// The same after a seek, which takes effect with a delay.
    quiet_after_seek: Duration,
}

/// The timing for Pub/Sub, where a pull without a timeout waits longer.
///
/// Messages returned to a cancelled pull are delivered again after their deadline.
const SERVICE_LISTENING: Listening = Listening {
    wait: Some(Duration::from_secs(5)),
    pause: Duration::from_millis(400),
    quiet: Duration::from_secs(5),
    quiet_after_seek: Duration::from_secs(12),
};
/// The timing for the emulator.
///
/// The emulator still returns messages to pulls cancelled long ago, so pulls never wait.
const EMULATOR_LISTENING: Listening = Listening {
    wait: None,
    pause: Duration::from_millis(400),
    quiet: Duration::from_secs(1),
    quiet_after_seek: Duration::from_secs(1),
};

/// A client for the subscriptions of a project.
pub(crate) struct Subscriptions {
    http: reqwest::Client,
    project: String,
    tokens: Tokens,
    listening: Listening,
}

/// A pulled, unacknowledged message.
#[derive(Clone, Debug)]
pub(crate) struct Pulled {
    pub(crate) ack_id: String,
    pub(crate) message_id: String,
    pub(crate) published_at: Timestamp,
    pub(crate) attributes: BTreeMap<String, String>,
    pub(crate) data: Bytes,
}

/// The id of a subscription.
#[derive(Clone, Debug)]
pub(crate) struct SubscriptionId(String);

impl SubscriptionId {
    /// Returns the id of the push subscription of a function.
    pub(crate) fn of(function: Function) -> Self {
        Self(function.to_string())
    }

    /// Returns the id of the dead-letter subscription of a function.
    pub(crate) fn of_dead_letters(function: Function) -> Self {
        Self(Topic::DeadLetter(function).to_string())
    }
}

impl fmt::Display for SubscriptionId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl Subscriptions {
    pub(crate) fn open(project: &ProjectId, cloud: &CloudSettings) -> anyhow::Result<Self> {
        let emulator = cloud.pubsub_emulator.as_ref();
        let origin =
            emulator.map_or_else(|| SERVICE.to_owned(), google_cloud::EmulatorHost::origin);
        Ok(Self {
            http: google_cloud::http_client()?,
            project: format!("{origin}/v1/projects/{project}"),
            tokens: Tokens::for_emulator(emulator)
                .context("cannot load Google Cloud credentials")?,
            listening: if emulator.is_some() {
                EMULATOR_LISTENING
            } else {
                SERVICE_LISTENING
            },
        })
    }

    /// Pulls the messages of a subscription, oldest first, until about `limit` messages arrived.
    ///
    /// The messages are leased to the caller until they are acknowledged or released.
    pub(crate) async fn pull(
        &self,
        subscription: &SubscriptionId,
        limit: usize,
    ) -> anyhow::Result<Vec<Pulled>> {
        self.listen(subscription, limit, self.listening.quiet).await
    }

    /// Pulls like [`Subscriptions::pull`], and waits longer for messages after a recent seek.
    pub(crate) async fn pull_after_seek(
        &self,
        subscription: &SubscriptionId,
        limit: usize,
    ) -> anyhow::Result<Vec<Pulled>> {
        self.listen(subscription, limit, self.listening.quiet_after_seek)
            .await
    }

    async fn listen(
        &self,
        subscription: &SubscriptionId,
        limit: usize,
        quiet: Duration,
    ) -> anyhow::Result<Vec<Pulled>> {
        let (mut pulled, mut last_new) = (BTreeMap::new(), Instant::now());
        while pulled.len() < limit && last_new.elapsed() < quiet {
            let known = pulled.len();
            for received in self.pull_once(subscription).await? {
                // A message may be delivered twice; only its last `ack_id` is valid.
                let message = received.decode()?;
                pulled.insert(message.message_id.clone(), message);
            }
            if pulled.len() > known {
                last_new = Instant::now();
            } else {
                tokio::time::sleep(self.listening.pause).await;
            }
        }
        let mut pulled: Vec<_> = pulled.into_values().collect();
        pulled.sort_by(|one, other| {
            (one.published_at, &one.message_id).cmp(&(other.published_at, &other.message_id))
        });
        Ok(pulled)
    }

    /// Pulls once. A timeout is an empty result.
    async fn pull_once(&self, subscription: &SubscriptionId) -> anyhow::Result<Vec<Received>> {
        let cannot = || format!("cannot pull from the subscription {subscription}");
        let request = self.http.post(format!(
            "{}/subscriptions/{subscription}:pull",
            self.project
        ));
        let request = match self.listening.wait {
            None => request
                .json(&json!({ "maxMessages": MAX_MESSAGES_PER_PULL, "returnImmediately": true })),
            Some(wait) => request
                .json(&json!({ "maxMessages": MAX_MESSAGES_PER_PULL }))
                .timeout(wait),
        };
        let request = self.tokens.authorize(request).await.with_context(cannot)?;
        let is_retryable =
            |http_error: &HttpError| http_error.is_retryable() && !is_pull_timeout(http_error);
        let response = match google_cloud::send_while(request, is_retryable).await {
            Err(http_error) if is_pull_timeout(&http_error) => return Ok(Vec::new()),
            response => response.with_context(cannot)?,
        };
        match response.json::<PullReply>().await {
            Err(error) if error.is_timeout() => Ok(Vec::new()),
            reply => Ok(reply.with_context(cannot)?.received_messages),
        }
    }

    /// Acknowledges messages, which removes them from the subscription.
    pub(crate) async fn acknowledge(
        &self,
        subscription: &SubscriptionId,
        ack_ids: &[&str],
    ) -> anyhow::Result<()> {
        if ack_ids.is_empty() {
            return Ok(());
        }
        let request = json!({ "ackIds": ack_ids });
        self.call(
            Method::POST,
            &format!("{subscription}:acknowledge"),
            Some(&request),
        )
        .await
        .map(drop)
    }

    /// Extends the deadlines of pulled messages to the maximum.
    pub(crate) async fn extend_deadlines(
        &self,
        subscription: &SubscriptionId,
        ack_ids: &[&str],
    ) -> anyhow::Result<()> {
        self.modify_ack_deadline(subscription, ack_ids, MAX_DEADLINE_SECONDS)
            .await
    }

    /// Releases pulled messages, so that they are delivered again immediately.
    pub(crate) async fn release(
        &self,
        subscription: &SubscriptionId,
        ack_ids: &[&str],
    ) -> anyhow::Result<()> {
        self.modify_ack_deadline(subscription, ack_ids, 0).await
    }

    async fn modify_ack_deadline(
        &self,
        subscription: &SubscriptionId,
        ack_ids: &[&str],
        seconds: u32,
    ) -> anyhow::Result<()> {
        if ack_ids.is_empty() {
            return Ok(());
        }
        let request = json!({ "ackIds": ack_ids, "ackDeadlineSeconds": seconds });
        self.call(
            Method::POST,
            &format!("{subscription}:modifyAckDeadline"),
            Some(&request),
        )
        .await
        .map(drop)
    }

    /// Seeks a subscription to `time`: messages published from then on are delivered again.
    pub(crate) async fn seek(
        &self,
        subscription: &SubscriptionId,
        time: Timestamp,
    ) -> anyhow::Result<()> {
        let request = json!({ "time": time.to_string() });
        self.call(
            Method::POST,
            &format!("{subscription}:seek"),
            Some(&request),
        )
        .await
        .map(drop)
    }

    /// Seeks a subscription to a snapshot.
    pub(crate) async fn seek_to_snapshot(
        &self,
        subscription: &SubscriptionId,
        snapshot: &str,
    ) -> anyhow::Result<()> {
        let project = self
            .project
            .rsplit_once("/v1/")
            .map_or("", |(_, project)| project);
        let request = json!({ "snapshot": format!("{project}/snapshots/{snapshot}") });
        self.call(
            Method::POST,
            &format!("{subscription}:seek"),
            Some(&request),
        )
        .await
        .map(drop)
    }

    /// Creates a temporary subscription for reading the retained messages of a topic.
    ///
    /// The caller deletes it with [`Subscriptions::delete`].
    pub(crate) async fn make_temporary(&self, topic: Topic) -> anyhow::Result<SubscriptionId> {
        let id = SubscriptionId(format!("look-{topic}-{:016x}", rand::random::<u64>()));
        let project = self
            .project
            .rsplit_once("/v1/")
            .map_or("", |(_, project)| project);
        let request = json!({
            "topic": format!("{project}/topics/{topic}"),
            "ackDeadlineSeconds": MAX_DEADLINE_SECONDS,
            "expirationPolicy": { "ttl": TEMPORARY_TTL },
        });
        self.call(Method::PUT, &id.to_string(), Some(&request))
            .await?;
        Ok(id)
    }

    pub(crate) async fn delete(&self, subscription: &SubscriptionId) -> anyhow::Result<()> {
        self.call(Method::DELETE, &subscription.to_string(), None)
            .await
            .map(drop)
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<Value> {
        let id = path.split(':').next().unwrap_or(path);
        let cannot = || format!("cannot {} the subscription {id}", action(&method, path));
        let mut request = self.http.request(
            method.clone(),
            format!("{}/subscriptions/{path}", self.project),
        );
        if let Some(body) = body {
            request = request.json(body);
        }
        let request = self.tokens.authorize(request).await.with_context(cannot)?;
        let response = google_cloud::send(request).await.with_context(cannot)?;
        let text = response.text().await.with_context(cannot)?;
        if text.is_empty() {
            Ok(Value::Null)
        } else {
            serde_json::from_str(&text).with_context(cannot)
        }
    }
}

/// Returns the action of a request, for error messages.
fn action(method: &Method, path: &str) -> &'static str {
    match (method, path.rsplit_once(':')) {
        (_, Some((_, "acknowledge"))) => "acknowledge messages of",
        (_, Some((_, "modifyAckDeadline"))) => "change message deadlines of",
        (_, Some((_, "seek"))) => "seek",
        (&Method::PUT, None) => "create",
        (&Method::DELETE, None) => "delete",
        _ => "use",
    }
}

/// Returns `true` if a pull timed out while waiting for a message, at the client or the service.
fn is_pull_timeout(http_error: &HttpError) -> bool {
    match http_error {
        HttpError::Connection(error) => error.is_timeout() && !error.is_connect(),
        http_error => http_error.status() == Some(StatusCode::GATEWAY_TIMEOUT),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PullReply {
    #[serde(default)]
    received_messages: Vec<Received>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Received {
    ack_id: String,
    message: ReceivedMessage,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ReceivedMessage {
    message_id: String,
    publish_time: Timestamp,
    #[serde(default)]
    attributes: BTreeMap<String, String>,
    #[serde(default)]
    data: String,
}

impl Received {
    fn decode(self) -> anyhow::Result<Pulled> {
        let Self { ack_id, message } = self;
        let data = BASE64_STANDARD.decode(&message.data);
        Ok(Pulled {
            data: data
                .with_context(|| format!("message {} is not valid base64", message.message_id))?
                .into(),
            ack_id,
            message_id: message.message_id,
            published_at: message.publish_time,
            attributes: message.attributes,
        })
    }
}
