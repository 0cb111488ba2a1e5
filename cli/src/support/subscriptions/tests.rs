//! Pulls from a service that is slow to show what it has.

use super::{
    fake::{PubSubDouble, Pull},
    *,
};

/// As to the service, but with less patience.
const QUICK_LISTENING: Listening = Listening {
    wait: Some(Duration::from_millis(200)),
    pause: Duration::from_millis(10),
    quiet: Duration::from_millis(200),
    quiet_after_seek: Duration::from_secs(2),
};

fn subscriptions(fake: &PubSubDouble, listening: Listening) -> Subscriptions {
    let opened = Subscriptions::open(&"a-project".parse().unwrap(), &fake.cloud()).unwrap();
    Subscriptions {
        listening,
        ..opened
    }
}

#[tokio::test]
async fn after_a_seek_messages_that_show_late_and_twice_are_pulled_once() {
    let pulls = [
        Pull::Silence,
        Pull::Nothing,
        Pull::Nothing,
        Pull::Silence,
        Pull::Messages(&["2", "1"]),
        Pull::Silence,
        Pull::Messages(&["2", "3"]),
    ];
    let fake = PubSubDouble::start(pulls).await;
    let looked_at = SubscriptionId("look".to_owned());
    let pulled = subscriptions(&fake, QUICK_LISTENING)
        .pull_after_seek(&looked_at, 100)
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
async fn a_pull_ends_at_its_limit_and_where_nothing_comes() {
    let fake = PubSubDouble::start([Pull::Messages(&["1", "2"]), Pull::Messages(&["3"])]).await;
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
