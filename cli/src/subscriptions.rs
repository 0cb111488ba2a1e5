//! What whoever is on call does with subscriptions of Pub/Sub: look, set back, take out.
//!
//! Spoken over REST, since Google's client has no pull that ends: it streams for as long as one listens. See
//! <https://cloud.google.com/pubsub/docs/reference/rest/v1/projects.subscriptions>.

use std::{collections::BTreeMap, fmt, time::Duration};

use anyhow::Context;
use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use shared::{
    Timestamp,
    address::ProjectId,
    cloud::{self, CloudSettings, Tokens},
    event::{Function, Topic},
};

const SERVICE: &str = "https://pubsub.googleapis.com";
const PULLED_AT_ONCE: u32 = 100;
/// A pull may come back empty although there are messages; only so many in a row mean that there are none.
const EMPTY_PULLS: u32 = 3;
const PAUSE_AFTER_EMPTY_PULL: Duration = Duration::from_millis(400);
/// A subscription for looking is deleted after use; if that fails, by Pub/Sub after a day, the shortest it knows.
const TEMPORARY_TTL: &str = "86400s";

/// The subscriptions of a project.
pub(crate) struct Subscriptions {
    http: reqwest::Client,
    project: String,
    tokens: Tokens,
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
        let origin = emulator.map_or_else(|| SERVICE.to_owned(), cloud::EmulatorHost::origin);
        Ok(Self {
            http: cloud::http_client()?,
            project: format!("{origin}/v1/projects/{project}"),
            tokens: Tokens::of(emulator).context("cannot find Google Cloud credentials")?,
        })
    }

    /// Returns what a subscription holds, up to `limit` messages, all of which are the caller's until they are
    /// acknowledged or released.
    pub(crate) async fn pull(&self, subscription: &SubscriptionId, limit: usize) -> anyhow::Result<Vec<Pulled>> {
        let request = json!({ "maxMessages": PULLED_AT_ONCE, "returnImmediately": true });
        let (mut pulled, mut empty) = (Vec::new(), 0);
        while empty < EMPTY_PULLS && pulled.len() < limit {
            let reply = self.call(Method::POST, &format!("{subscription}:pull"), Some(&request)).await?;
            let reply: PullReply = serde_json::from_value(reply).context("cannot understand a pull")?;
            if reply.received_messages.is_empty() {
                empty += 1;
                tokio::time::sleep(PAUSE_AFTER_EMPTY_PULL).await;
            }
            for received in reply.received_messages {
                pulled.push(received.open()?);
            }
        }
        Ok(pulled)
    }

    /// Takes messages out of a subscription for good.
    pub(crate) async fn acknowledge(&self, subscription: &SubscriptionId, ack_ids: &[&str]) -> anyhow::Result<()> {
        if ack_ids.is_empty() {
            return Ok(());
        }
        let request = json!({ "ackIds": ack_ids });
        self.call(Method::POST, &format!("{subscription}:acknowledge"), Some(&request)).await.map(drop)
    }

    /// Gives messages back at once, as if they had not been pulled.
    pub(crate) async fn release(&self, subscription: &SubscriptionId, ack_ids: &[&str]) -> anyhow::Result<()> {
        if ack_ids.is_empty() {
            return Ok(());
        }
        let request = json!({ "ackIds": ack_ids, "ackDeadlineSeconds": 0 });
        self.call(Method::POST, &format!("{subscription}:modifyAckDeadline"), Some(&request)).await.map(drop)
    }

    /// Sets a subscription back: what was published at `time` or later is delivered again.
    pub(crate) async fn seek(&self, subscription: &SubscriptionId, time: Timestamp) -> anyhow::Result<()> {
        let request = json!({ "time": time.to_string() });
        self.call(Method::POST, &format!("{subscription}:seek"), Some(&request)).await.map(drop)
    }

    /// Sets a subscription back to a snapshot.
    pub(crate) async fn seek_to_snapshot(&self, subscription: &SubscriptionId, snapshot: &str) -> anyhow::Result<()> {
        let project = self.project.rsplit_once("/v1/").map_or("", |(_, project)| project);
        let request = json!({ "snapshot": format!("{project}/snapshots/{snapshot}") });
        self.call(Method::POST, &format!("{subscription}:seek"), Some(&request)).await.map(drop)
    }

    /// Makes a subscription for looking at what a topic still keeps; see [`Subscriptions::delete`].
    pub(crate) async fn make_temporary(&self, topic: Topic) -> anyhow::Result<SubscriptionId> {
        let id = SubscriptionId(format!("look-{topic}-{:016x}", rand::random::<u64>()));
        let project = self.project.rsplit_once("/v1/").map_or("", |(_, project)| project);
        let request = json!({
            "topic": format!("{project}/topics/{topic}"),
            "ackDeadlineSeconds": 600,
            "expirationPolicy": { "ttl": TEMPORARY_TTL },
        });
        self.call(Method::PUT, &id.to_string(), Some(&request)).await?;
        Ok(id)
    }

    pub(crate) async fn delete(&self, subscription: &SubscriptionId) -> anyhow::Result<()> {
        self.call(Method::DELETE, &subscription.to_string(), None).await.map(drop)
    }

    async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        let cannot = || format!("cannot {} the subscription {path}", verb(&method, path));
        let mut request = self.http.request(method.clone(), format!("{}/subscriptions/{path}", self.project));
        if let Some(body) = body {
            request = request.json(body);
        }
        let request = self.tokens.authorize(request).await.with_context(cannot)?;
        let response = cloud::send(request).await.with_context(cannot)?;
        let text = response.text().await.with_context(cannot)?;
        if text.is_empty() { Ok(Value::Null) } else { serde_json::from_str(&text).with_context(cannot) }
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
            data: data.with_context(|| format!("message {} is not in base64", message.message_id))?.into(),
            ack_id,
            message_id: message.message_id,
            published_at: message.publish_time,
            attributes: message.attributes,
        })
    }
}
