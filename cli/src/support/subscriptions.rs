//! Operations on Pub/Sub subscriptions: pull, acknowledge, seek, and create temporary ones.
//!
//! This module uses the REST API, because Google's client only offers an endless streaming pull.
//! See <https://cloud.google.com/pubsub/docs/reference/rest/v1/projects.subscriptions>.

mod pull;

#[cfg(test)]
pub(crate) mod fake;
#[cfg(test)]
mod tests;

use std::fmt;

use anyhow::Context;
use google_cloud::{CloudSettings, Tokens};
use pull::{EMULATOR_LISTENING, Listening, SERVICE_LISTENING};
use reqwest::Method;
use serde_json::{Value, json};
use shared::{
    Timestamp,
    address::ProjectId,
    event::{Function, Topic},
};

pub(crate) use pull::Pulled;

const SERVICE: &str = "https://pubsub.googleapis.com";
/// The maximum acknowledgement deadline of Pub/Sub.
const MAX_DEADLINE_SECONDS: u32 = 600;
/// The expiration of temporary subscriptions that were not deleted: the minimum of Pub/Sub.
const TEMPORARY_TTL: &str = "86400s";

/// A client for the subscriptions of a project.
pub(crate) struct Subscriptions {
    http: reqwest::Client,
    project: String,
    tokens: Tokens,
    listening: Listening,
}

/// The id of a subscription.
#[derive(Clone, Debug)]
pub(crate) struct SubscriptionId(String);

impl SubscriptionId {
    /// Returns the id of the push subscription of a function to one of its input topics.
    pub(crate) fn of(function: Function, topic: Topic) -> Self {
        Self(function.subscription(topic))
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
        self.post(subscription, "acknowledge", &request).await
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
        self.post(subscription, "modifyAckDeadline", &request).await
    }

    /// Seeks a subscription to `time`: messages published from then on are delivered again.
    pub(crate) async fn seek(
        &self,
        subscription: &SubscriptionId,
        time: Timestamp,
    ) -> anyhow::Result<()> {
        let request = json!({ "time": time.to_string() });
        self.post(subscription, "seek", &request).await
    }

    /// Seeks a subscription to a snapshot.
    pub(crate) async fn seek_to_snapshot(
        &self,
        subscription: &SubscriptionId,
        snapshot: &str,
    ) -> anyhow::Result<()> {
        let project = self.project_path();
        let request = json!({ "snapshot": format!("{project}/snapshots/{snapshot}") });
        self.post(subscription, "seek", &request).await
    }

    /// Creates a temporary subscription for reading the retained messages of a topic.
    ///
    /// The caller deletes it with [`Subscriptions::delete`].
    pub(crate) async fn make_temporary(&self, topic: Topic) -> anyhow::Result<SubscriptionId> {
        let id = SubscriptionId(format!("look-{topic}-{:016x}", rand::random::<u64>()));
        let project = self.project_path();
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

    /// Returns the path of the project, as in `projects/bike-traffic-dev`.
    fn project_path(&self) -> &str {
        self.project
            .rsplit_once("/v1/")
            .map_or("", |(_, project)| project)
    }

    async fn post(
        &self,
        subscription: &SubscriptionId,
        method: &str,
        request: &Value,
    ) -> anyhow::Result<()> {
        let path = format!("{subscription}:{method}");
        self.call(Method::POST, &path, Some(request))
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
