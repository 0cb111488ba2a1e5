//! Repeated delivery of acknowledged messages: to a function by seeking its subscription, or to a
//! temporary subscription, which leaves the functions alone.

use std::time::Duration;

use google_cloud_wkt::Timestamp;
use runtime::Envelope;
use shared::{
    bus::{Message, MessageId},
    event::{Function, Topic},
};
use tests::{bus_suite::Inbox, endpoint::Endpoint, eventually::eventually};

use super::Project;

const TOPIC: Topic = Topic::IngestRequested;

#[tokio::test]
async fn seek_to_time_pushes_messages_published_since() {
    let (project, ingest) = project_with_ingest().await;
    let second = publish_three(&project, &ingest).await;
    project
        .subscriptions
        .seek()
        .set_subscription(project.subscription_name("ingest"))
        .set_time(second)
        .send()
        .await
        .unwrap();
    assert_eq!(
        texts(&ingest, 5).await,
        ["first", "second", "second", "third", "third"]
    );
}

#[tokio::test]
async fn seek_to_snapshot_pushes_messages_acknowledged_since() {
    let (project, ingest) = project_with_ingest().await;
    let snapshot = publish_around_snapshot(&project, &ingest).await;
    let request = project
        .subscriptions
        .seek()
        .set_subscription(project.subscription_name("ingest"));
    request.set_snapshot(snapshot).send().await.unwrap();
    assert_eq!(texts(&ingest, 3).await, ["first", "second", "second"]);
}

#[tokio::test]
async fn new_subscription_sought_to_time_has_messages_published_since() {
    let (project, ingest) = project_with_ingest().await;
    let second = publish_three(&project, &ingest).await;
    project.subscribe("dry-run", TOPIC).await;
    let dry_run = project.subscription_name("dry-run");
    project
        .subscriptions
        .seek()
        .set_subscription(dry_run)
        .set_time(second)
        .send()
        .await
        .unwrap();
    assert_eq!(
        texts(&project.pull("dry-run"), 2).await,
        ["second", "third"]
    );
    assert_eq!(
        ingest.received().len(),
        3,
        "a dry run must not push to the function"
    );
}

#[tokio::test]
async fn new_subscription_sought_to_snapshot_has_messages_acknowledged_since() {
    let (project, ingest) = project_with_ingest().await;
    let snapshot = publish_around_snapshot(&project, &ingest).await;
    project.subscribe("dry-run", TOPIC).await;
    let dry_run = project.subscription_name("dry-run");
    project
        .subscriptions
        .seek()
        .set_subscription(dry_run)
        .set_snapshot(snapshot)
        .send()
        .await
        .unwrap();
    assert_eq!(texts(&project.pull("dry-run"), 1).await, ["second"]);
    assert_eq!(
        ingest.received().len(),
        2,
        "a dry run must not push to the function"
    );
}

async fn project_with_ingest() -> (Project, Endpoint) {
    let ingest = Endpoint::acknowledging().await;
    (
        Project::set_up(&[(Function::Ingest, &ingest)]).await,
        ingest,
    )
}

/// Publishes three messages, waits until they are acknowledged, and returns the publish time of the
/// second.
async fn publish_three(project: &Project, ingest: &Endpoint) -> Timestamp {
    for text in ["first", "second", "third"] {
        project.publish(TOPIC, text).await;
        // Publish times have a resolution of one millisecond.
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    wait_until_acknowledged(ingest, 3).await;
    let pushes = ingest.received();
    let mut envelopes = pushes
        .iter()
        .map(|push| Envelope::parse(&push.headers, &push.body.to_string().into()).unwrap());
    let second = envelopes
        .find(|envelope| envelope.data == "second")
        .unwrap()
        .published_at
        .unwrap();
    Timestamp::clamp(second.as_second(), second.subsec_nanosecond())
}

/// Publishes one message before and one after a snapshot of `ingest`, and returns the name of the
/// snapshot.
async fn publish_around_snapshot(project: &Project, ingest: &Endpoint) -> String {
    project.publish(TOPIC, "first").await;
    wait_until_acknowledged(ingest, 1).await;
    let name = format!("projects/{}/snapshots/after-the-first", project.id);
    let request = project.subscriptions.create_snapshot().set_name(&name);
    request
        .set_subscription(project.subscription_name("ingest"))
        .send()
        .await
        .unwrap();
    project.publish(TOPIC, "second").await;
    wait_until_acknowledged(ingest, 2).await;
    name
}

/// Waits for `count` pushes, and then half a second for the acknowledgement of the last one.
async fn wait_until_acknowledged(ingest: &Endpoint, count: usize) {
    texts(ingest, count).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
}

/// Waits for `count` messages and returns their texts in alphabetical order.
async fn texts(inbox: &dyn Inbox, count: usize) -> Vec<String> {
    let messages: Vec<(MessageId, Message)> = eventually("messages to arrive", async || {
        let messages = inbox.messages().await;
        (messages.len() >= count).then_some(messages)
    })
    .await;
    let mut texts: Vec<_> = messages
        .into_iter()
        .map(|(_, message)| String::from_utf8(message.data.into()).unwrap())
        .collect();
    texts.sort();
    texts
}
