//! Repeated pulls, until a subscription is drained.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use anyhow::Context;
use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use google_cloud::HttpError;
use reqwest::StatusCode;
use serde::Deserialize;
use serde_json::json;
use shared::Timestamp;

use super::{SubscriptionId, Subscriptions};

/// The maximum number of messages per pull request.
const MAX_MESSAGES_PER_PULL: u32 = 100;

/// The timing of repeated pulls.
///
/// A pull may return nothing although there are messages. A subscription is considered drained when
/// no new message arrived for a while.
#[derive(Clone, Copy, Debug)]
pub(super) struct Listening {
    /// The time that one pull waits for a message; `None` if it returns immediately.
    pub(super) wait: Option<Duration>,
    /// The pause after a pull without new messages.
    pub(super) pause: Duration,
    /// The time without new messages after which the subscription is drained.
    pub(super) quiet: Duration,
    /// The same after a seek, which takes effect with a delay.
    pub(super) quiet_after_seek: Duration,
}

/// The timing for Pub/Sub, where a pull without a timeout waits longer.
///
/// Messages returned to a cancelled pull are delivered again after their deadline.
pub(super) const SERVICE_LISTENING: Listening = Listening {
    wait: Some(Duration::from_secs(5)),
    pause: Duration::from_millis(400),
    quiet: Duration::from_secs(5),
    quiet_after_seek: Duration::from_secs(12),
};
/// The timing for the emulator.
///
/// The emulator still returns messages to pulls cancelled long ago, so pulls never wait.
pub(super) const EMULATOR_LISTENING: Listening = Listening {
    wait: None,
    pause: Duration::from_millis(400),
    quiet: Duration::from_secs(1),
    quiet_after_seek: Duration::from_secs(1),
};

/// A pulled, unacknowledged message.
#[derive(Clone, Debug)]
pub(crate) struct Pulled {
    pub(crate) ack_id: String,
    pub(crate) message_id: String,
    pub(crate) published_at: Timestamp,
    pub(crate) attributes: BTreeMap<String, String>,
    pub(crate) data: Bytes,
}

impl Subscriptions {
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
