//! What whoever is on call does with subscriptions of Pub/Sub: look, set back, take out.
//!
//! Spoken over REST, since Google's client has no pull that ends: it streams for as long as one listens. See
//! <https://cloud.google.com/pubsub/docs/reference/rest/v1/projects.subscriptions>.

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
const PULLED_AT_ONCE: u32 = 100;
/// How long the service waits for an acknowledgement at most.
const LONGEST_DEADLINE_SECONDS: u32 = 600;
/// A subscription for looking is deleted after use; if that fails, by Pub/Sub after a day, the shortest it knows.
const TEMPORARY_TTL: &str = "86400s";

/// How long to listen. A pull may come back empty although there are messages; only when nothing new has come for a while,
/// all has come.
#[derive(Clone, Copy, Debug)]
struct Listening {
    /// How long one pull waits for a message; where it does not, it answers at once.
    wait: Option<Duration>,
    /// The pause after a pull that brought nothing new.
    pause: Duration,
    /// How long nothing new must have come.
    quiet: Duration,
    /// The same after a seek, which takes a while to show.
    quiet_after_seek: Duration,
}

/// To the service. It waits for longer by itself; what it gives to a pull that was broken off comes again when its deadline
/// is over.
const SERVICE_LISTENING: Listening = Listening {
    wait: Some(Duration::from_secs(5)),
    pause: Duration::from_millis(400),
    quiet: Duration::from_secs(5),
    quiet_after_seek: Duration::from_secs(12),
};
/// To the emulator, which has all at hand. To pulls that were broken off it gives messages long afterwards, so none waits.
const EMULATOR_LISTENING: Listening = Listening {
    wait: None,
    pause: Duration::from_millis(400),
    quiet: Duration::from_secs(1),
    quiet_after_seek: Duration::from_secs(1),
};

/// The subscriptions of a project.
pub(crate) struct Subscriptions {
    http: reqwest::Client,
    project: String,
    tokens: Tokens,
    listening: Listening,
}

/// A message that was pulled and not acknowledged.
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
    /// The subscription that pushes to a function.
    pub(crate) fn of(function: Function) -> Self {
        Self(function.to_string())
    }

    /// The subscription that keeps a function's dead letters.
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
            tokens: Tokens::of(emulator).context("cannot find Google Cloud credentials")?,
            listening: if emulator.is_some() {
                EMULATOR_LISTENING
            } else {
                SERVICE_LISTENING
            },
        })
    }

    /// Returns what a subscription holds, oldest first and up to some `limit` messages, all of which are the caller's until
    /// they are acknowledged or released.
    pub(crate) async fn pull(
        &self,
        subscription: &SubscriptionId,
        limit: usize,
    ) -> anyhow::Result<Vec<Pulled>> {
        self.listen(subscription, limit, self.listening.quiet).await
    }

    /// As [`Subscriptions::pull`], of a subscription that was set back just now.
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
                // A message may come twice; then only its last handle counts.
                let message = received.open()?;
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

    /// Pulls once. A pull that has waited in vain has found nothing.
    async fn pull_once(&self, subscription: &SubscriptionId) -> anyhow::Result<Vec<Received>> {
        let cannot = || format!("cannot pull from the subscription {subscription}");
        let request = self.http.post(format!(
            "{}/subscriptions/{subscription}:pull",
            self.project
        ));
        let request = match self.listening.wait {
            None => {
                request.json(&json!({ "maxMessages": PULLED_AT_ONCE, "returnImmediately": true }))
            }
            Some(wait) => request
                .json(&json!({ "maxMessages": PULLED_AT_ONCE }))
                .timeout(wait),
        };
        let request = self.tokens.authorize(request).await.with_context(cannot)?;
        let is_retryable =
            |http_error: &HttpError| http_error.is_retryable() && !is_in_vain(http_error);
        let response = match google_cloud::send_while(request, is_retryable).await {
            Err(http_error) if is_in_vain(&http_error) => return Ok(Vec::new()),
            response => response.with_context(cannot)?,
        };
        match response.json::<PullReply>().await {
            Err(error) if error.is_timeout() => Ok(Vec::new()),
            reply => Ok(reply.with_context(cannot)?.received_messages),
        }
    }

    /// Takes messages out of a subscription for good.
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

    /// Keeps messages that were pulled for as long again as can be.
    pub(crate) async fn keep(
        &self,
        subscription: &SubscriptionId,
        ack_ids: &[&str],
    ) -> anyhow::Result<()> {
        self.put_off(subscription, ack_ids, LONGEST_DEADLINE_SECONDS)
            .await
    }

    /// Gives messages back at once, as if they had not been pulled.
    pub(crate) async fn release(
        &self,
        subscription: &SubscriptionId,
        ack_ids: &[&str],
    ) -> anyhow::Result<()> {
        self.put_off(subscription, ack_ids, 0).await
    }

    async fn put_off(
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

    /// Sets a subscription back: what was published at `time` or later is delivered again.
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

    /// Sets a subscription back to a snapshot.
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

    /// Makes a subscription for looking at what a topic still keeps; see [`Subscriptions::delete`].
    pub(crate) async fn make_temporary(&self, topic: Topic) -> anyhow::Result<SubscriptionId> {
        let id = SubscriptionId(format!("look-{topic}-{:016x}", rand::random::<u64>()));
        let project = self
            .project
            .rsplit_once("/v1/")
            .map_or("", |(_, project)| project);
        let request = json!({
            "topic": format!("{project}/topics/{topic}"),
            "ackDeadlineSeconds": LONGEST_DEADLINE_SECONDS,
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
        let cannot = || format!("cannot {} the subscription {path}", verb(&method, path));
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

fn verb<'a>(method: &Method, path: &'a str) -> &'a str {
    match (method, path.rsplit_once(':')) {
        (_, Some((_, verb))) => verb,
        (&Method::PUT, None) => "make",
        (&Method::DELETE, None) => "delete",
        _ => "use",
    }
}

/// Tells whether a pull has waited for a message until its time was over, by our clock or the service's.
fn is_in_vain(http_error: &HttpError) -> bool {
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
    fn open(self) -> anyhow::Result<Pulled> {
        let Self { ack_id, message } = self;
        let data = BASE64_STANDARD.decode(&message.data);
        Ok(Pulled {
            data: data
                .with_context(|| format!("message {} is not in base64", message.message_id))?
                .into(),
            ack_id,
            message_id: message.message_id,
            published_at: message.publish_time,
            attributes: message.attributes,
        })
    }
}
