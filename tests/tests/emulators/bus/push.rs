//! The subscriptions of `set-up`: their settings, and their deliveries to a push endpoint.

use axum::http::StatusCode;
use google_cloud_pubsub::model::Subscription;
use runtime::Envelope;
use shared::{
    bus::{Message, Publisher},
    event::{Function, Topic},
};
use tests::{bus_suite::Inbox, endpoint::Endpoint, eventually::eventually};

use super::Project;

const WEEK_IN_SECONDS: i64 = 604_800;

#[tokio::test]
async fn subscriptions_retain_messages_for_a_week_and_never_expire() {
    let endpoint = Endpoint::acknowledging().await;
    let project = Project::set_up(&[(Function::Ingest, &endpoint)]).await;
    let subscriptions = [
        project.subscription("ingest").await,
        project.subscription("ingest-dead-letter").await,
    ];
    for subscription in &subscriptions {
        let name = &subscription.name;
        assert_eq!(
            subscription.message_retention_duration.unwrap().seconds(),
            WEEK_IN_SECONDS,
            "{name}"
        );
        assert_eq!(
            subscription.expiration_policy.as_ref().unwrap().ttl,
            None,
            "{name}"
        );
    }
    let [push, dead_letters] = subscriptions;
    assert!(
        push.topic.ends_with("/topics/ingest-requested"),
        "{}",
        push.topic
    );
    assert!(
        dead_letters.topic.ends_with("/topics/ingest-dead-letter"),
        "{}",
        dead_letters.topic
    );
    assert_eq!(
        (push.ack_deadline_seconds, push.retain_acked_messages),
        (600, true)
    );
    // The same as in infra/modules/function/dead_letters.tf: enough time for manual work.
    assert_eq!(dead_letters.ack_deadline_seconds, 600);
    assert_eq!(
        (endpoint_of(&push), endpoint_of(&dead_letters)),
        (endpoint.url(), String::new())
    );
    let policy = push.dead_letter_policy.unwrap();
    assert_eq!(
        (policy.dead_letter_topic, policy.max_delivery_attempts),
        (dead_letters.topic, 5)
    );
    let backoff = push.retry_policy.unwrap();
    assert_eq!(backoff.minimum_backoff.unwrap().nanos(), 100_000_000);
    assert_eq!(backoff.maximum_backoff.unwrap().seconds(), 1);
}

#[tokio::test]
async fn repeated_set_up_changes_nothing() {
    let endpoint = Endpoint::acknowledging().await;
    let project = Project::set_up(&[(Function::Ingest, &endpoint)]).await;
    let names = ["ingest", "ingest-dead-letter"];
    let before = [
        project.subscription(names[0]).await,
        project.subscription(names[1]).await,
    ];
    project.set_up_again(&[(Function::Ingest, &endpoint)]).await;
    assert_eq!(
        [
            project.subscription(names[0]).await,
            project.subscription(names[1]).await
        ],
        before
    );
}

#[tokio::test]
async fn repeated_set_up_moves_the_endpoint_and_keeps_unacknowledged_messages() {
    let first = Endpoint::responding(|_| async { StatusCode::SERVICE_UNAVAILABLE }).await;
    let project = Project::set_up(&[(Function::Ingest, &first)]).await;
    let message_id = project.publish(Topic::IngestRequested, "{}").await;
    eventually("the first push", async || first.received().pop()).await;
    let second = Endpoint::acknowledging().await;
    project.set_up_again(&[(Function::Ingest, &second)]).await;
    let push = eventually("the second push", async || second.received().pop()).await;
    assert_eq!(push.message_id(), message_id);
}

#[tokio::test]
async fn push_is_an_envelope_with_the_message() {
    let endpoint = Endpoint::acknowledging().await;
    let project = Project::set_up(&[(Function::Predict, &endpoint)]).await;
    let attributes = [("origin".to_owned(), "été".to_owned())].into();
    let message = Message {
        data: "vélo".into(),
        attributes,
    };
    let message_id = project
        .publisher()
        .await
        .publish(Topic::DayIngested, message.clone())
        .await
        .unwrap();
    let push = eventually("the push", async || endpoint.received().pop()).await;
    let envelope = Envelope::parse(&push.headers, &push.body.to_string().into()).unwrap();
    assert_eq!(
        (envelope.message_id, envelope.data),
        (message_id.0, message.data)
    );
    assert_eq!(envelope.attributes, message.attributes);
    assert!(envelope.published_at.is_some());
}

#[tokio::test]
async fn rejected_message_is_pushed_again_and_becomes_a_dead_letter() {
    let endpoint = Endpoint::responding(|_| async { StatusCode::SERVICE_UNAVAILABLE }).await;
    let project = Project::set_up(&[(Function::Ingest, &endpoint)]).await;
    let dead_letters = project.pull("ingest-dead-letter");
    project.publish(Topic::IngestRequested, "refused").await;
    let (_, dead_letter) = eventually("the dead letter", async || {
        dead_letters.messages().await.pop()
    })
    .await;
    assert_eq!(
        (dead_letter.data, endpoint.received().len()),
        ("refused".into(), 5)
    );
    let push = &endpoint.received()[0];
    let source =
        |name: &str| dead_letter.attributes[&format!("CloudPubSubDeadLetterSource{name}")].as_str();
    assert_eq!(
        (source("DeliveryCount"), source("Subscription")),
        ("5", "ingest")
    );
    assert_eq!(source("SubscriptionProject"), project.id.as_str());
    assert_eq!(
        source("TopicPublishTime"),
        push.body["message"]["publishTime"]
    );
}

fn endpoint_of(subscription: &Subscription) -> String {
    subscription
        .push_config
        .as_ref()
        .map(|push| push.push_endpoint.clone())
        .unwrap_or_default()
}
