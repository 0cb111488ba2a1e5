//! Tests of pulls from a service that delivers messages late and twice.

use std::time::Duration;

use super::{
    fake::{FakePubSub, Pull},
    *,
};

/// The timing for Pub/Sub, with shorter times.
const QUICK_LISTENING: Listening = Listening {
    wait: Some(Duration::from_millis(200)),
    pause: Duration::from_millis(10),
    quiet: Duration::from_millis(200),
    quiet_after_seek: Duration::from_secs(2),
};

fn subscriptions(fake: &FakePubSub, listening: Listening) -> Subscriptions {
    let opened = Subscriptions::open(&"a-project".parse().unwrap(), &fake.cloud()).unwrap();
    Subscriptions {
        listening,
        ..opened
    }
}

#[tokio::test]
async fn pull_after_seek_returns_late_and_repeated_messages_once() {
    let pulls = [
        Pull::Silence,
        Pull::Nothing,
        Pull::Nothing,
        Pull::Silence,
        Pull::Messages(&["2", "1"]),
        Pull::Silence,
        Pull::Messages(&["2", "3"]),
    ];
    let fake = FakePubSub::start(pulls).await;
    let temporary = SubscriptionId("look".to_owned());
    let pulled = subscriptions(&fake, QUICK_LISTENING)
        .pull_after_seek(&temporary, 100)
        .await
        .unwrap();
    let ids: Vec<_> = pulled
        .iter()
        .map(|message| (message.message_id.as_str(), message.ack_id.as_str()))
        .collect();
    assert_eq!(
        ids,
        [
            ("1", "1 of call 5"),
            ("2", "2 of call 7"),
            ("3", "3 of call 7")
        ]
    );
    let requests = fake.calls("pull");
    assert!(
        requests
            .iter()
            .all(|request| *request == json!({ "maxMessages": 100 })),
        "{requests:?}"
    );
}

#[tokio::test]
async fn pull_stops_at_its_limit_or_without_new_messages() {
    let fake = FakePubSub::start([Pull::Messages(&["1", "2"]), Pull::Messages(&["3"])]).await;
    let subscriptions = subscriptions(&fake, EMULATOR_LISTENING);
    let dead_letters = SubscriptionId::of_dead_letters(Function::Ingest);
    for expected in [2, 1, 0] {
        assert_eq!(
            subscriptions.pull(&dead_letters, 1).await.unwrap().len(),
            expected
        );
    }
    let requests = fake.calls("pull");
    assert!(
        requests
            .iter()
            .all(|request| request["returnImmediately"] == true),
        "{requests:?}"
    );
}
