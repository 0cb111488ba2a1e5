//! An invalid message becomes a dead letter with a reason, and can be corrected and republished.

use std::sync::Arc;

use cli::{
    commands::replay::{Republished, republish},
    support::dead_letters::DeadLetters,
};
use shared::{
    bus::Message,
    event::{Function, Topic},
};
use tests::eventually::eventually;

use crate::test_system::{Options, TestSystem};

#[tokio::test(flavor = "multi_thread")]
async fn invalid_message_becomes_a_dead_letter_and_is_republished_corrected() {
    let system = TestSystem::with(Options {
        functions: vec![Function::Ingest],
        ..Options::default()
    })
    .await;
    let poison = r#"{"type":"ingest-requested","from":"2021-02-30"}"#;
    let message = Message {
        data: poison.into(),
        attributes: [("origin".to_owned(), "a-test".to_owned())].into(),
    };
    system
        .publish_message(Topic::IngestRequested, message)
        .await;

    let store = Arc::clone(&system.ports.store);
    let dead_letters = DeadLetters::of_project(&system.project, &system.cloud, store)
        .await
        .unwrap();
    let found = eventually("a dead letter", async || {
        dead_letters.of(Function::Ingest).await.unwrap().pop()
    })
    .await;
    assert_eq!(
        (&found.data[..], found.attributes["origin"].as_str()),
        (poison.as_bytes(), "a-test")
    );
    assert!(found.reason().contains("2021-02-30"), "{}", found.reason());
    assert_eq!(
        system.decisions().await,
        [(Function::Ingest, "dead-lettered".to_owned())]
    );
    // Reading the dead letters does not acknowledge them.
    assert_eq!(dead_letters.of(Function::Ingest).await.unwrap().len(), 1);

    let page = report::index::path();
    eventually("the on-call page to name the dead letter", async || {
        let html = system.ports.store.read(&page).await.ok()?.bytes;
        let html = String::from_utf8_lossy(&html);
        html.contains("1 dead letter of ingest").then_some(())
    })
    .await;

    let edit_command = format!("sed -i s/2021-02-30/{}/", system.last_day);
    let done = republish(&dead_letters, Function::Ingest, Some(&edit_command))
        .await
        .unwrap();
    assert_eq!(
        done,
        Republished {
            republished: 1,
            left: 0
        }
    );
    system.wait_for_decision(Function::Ingest, "ingested").await;
    assert!(dead_letters.of(Function::Ingest).await.unwrap().is_empty());
}
