use shared::{
    bus::{
        FIRST_PUBLISHED_ATTRIBUTE, LogPublisher, LoggedMessage, Message, Publisher, dead_letter,
    },
    clock::{Clock, SimulatedClock},
    event::Topic,
    store::{Condition, read_json},
};

use super::*;
#[cfg(feature = "cloud")]
use crate::support::subscriptions::fake::{FakePubSub, Pull};
use crate::{args::TargetArguments, support::state::State};

const FIRST_PUBLISHED: &str = "2021-08-02T05:00:00Z";

/// Writes a dead letter to the bus log of a new state folder, and returns the folder and its dead
/// letters.
async fn with_dead_letter(data: &'static str) -> (tempfile::TempDir, DeadLetters) {
    with_dead_letter_and_attribute(data, ("origin", "scheduler")).await
}

async fn with_dead_letter_and_attribute(
    data: &'static str,
    attribute: (&str, &str),
) -> (tempfile::TempDir, DeadLetters) {
    let folder = tempfile::tempdir().unwrap();
    let target = TargetArguments {
        state: folder.path().to_owned(),
        cloud: false,
    };
    let store = State::at(folder.path()).unwrap().open_bus_store().unwrap();
    let clock: Arc<dyn Clock> =
        Arc::new(SimulatedClock::new("2021-08-03T05:00:00Z".parse().unwrap()));
    let attributes = [
        (dead_letter::REASON_ATTRIBUTE, "the week cannot exist"),
        (FIRST_PUBLISHED_ATTRIBUTE, FIRST_PUBLISHED),
        attribute,
    ];
    let attributes = attributes
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
    let message = Message {
        data: data.into(),
        attributes,
    };
    let topic = Topic::DeadLetter(Function::DriftCheck);
    LogPublisher::new(store, clock)
        .publish(topic, message)
        .await
        .unwrap();
    (folder, DeadLetters::open(&target).await.unwrap())
}

async fn published(folder: &std::path::Path) -> Vec<LoggedMessage> {
    let store = State::at(folder).unwrap().open_bus_store().unwrap();
    let mut found = Vec::new();
    for path in store
        .list("bus/topics/drift-check-requested/")
        .await
        .unwrap()
    {
        found.push(read_json(&*store, &path).await.unwrap().0);
    }
    found
}

#[tokio::test]
async fn dead_letter_is_republished_once_with_its_first_publication_time() {
    let (folder, dead_letters) = with_dead_letter("{}").await;
    let found = dead_letters.of(Function::DriftCheck).await.unwrap();
    assert_eq!(found[0].reason(), "the week cannot exist");
    for expected in [1, 0] {
        let done = republish(&dead_letters, Function::DriftCheck, None)
            .await
            .unwrap();
        assert_eq!(
            done,
            Republished {
                republished: expected,
                left: 0
            }
        );
    }
    let published = published(folder.path()).await;
    let [message] = &published[..] else {
        panic!("{published:?}")
    };
    let expected = [
        (FIRST_PUBLISHED_ATTRIBUTE, FIRST_PUBLISHED),
        ("origin", "scheduler"),
    ];
    assert_eq!(
        message.attributes,
        expected
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into()
    );
    assert_eq!(message.data.to_bytes(), "{}");
}

#[tokio::test]
async fn offloaded_message_is_republished_complete() {
    let object = "dead-letters/drift-check/a-checksum.json";
    let (folder, dead_letters) =
        with_dead_letter_and_attribute("", (dead_letter::OBJECT_ATTRIBUTE, object)).await;
    let listed = list(&dead_letters, Some(Function::DriftCheck))
        .await
        .unwrap();
    assert!(listed[0].text.contains(object), "{}", listed[0].text);
    let error = republish(&dead_letters, Function::DriftCheck, None)
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("cannot read the message of the dead letter"),
        "{error}"
    );

    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let store = State::at(folder.path()).unwrap().open(clock).unwrap().store;
    let message = r#"{"attributes":{"origin":"scheduler"},"text":"a long message"}"#;
    store
        .write(&object.parse().unwrap(), message.into(), Condition::Absent)
        .await
        .unwrap();
    let done = republish(&dead_letters, Function::DriftCheck, None)
        .await
        .unwrap();
    assert_eq!(
        done,
        Republished {
            republished: 1,
            left: 0
        }
    );
    let published = published(folder.path()).await;
    assert_eq!(published[0].data.to_bytes(), "a long message");
    let expected = [
        (FIRST_PUBLISHED_ATTRIBUTE, FIRST_PUBLISHED),
        ("origin", "scheduler"),
    ];
    assert_eq!(
        published[0].attributes,
        expected
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into()
    );
}

#[tokio::test]
async fn edited_dead_letter_is_republished_and_empty_one_is_left() {
    let (folder, dead_letters) = with_dead_letter(r#"{"week":"2021-W54"}"#).await;
    let done = republish(&dead_letters, Function::DriftCheck, Some("truncate -s 0"))
        .await
        .unwrap();
    assert_eq!(
        done,
        Republished {
            republished: 0,
            left: 1
        }
    );
    assert!(published(folder.path()).await.is_empty());
    let error = republish(&dead_letters, Function::DriftCheck, Some("false"))
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("the dead letter is unchanged"), "{error}");
    republish(
        &dead_letters,
        Function::DriftCheck,
        Some("sed -i s/W54/W30/"),
    )
    .await
    .unwrap();
    assert_eq!(
        published(folder.path()).await[0].data.to_bytes(),
        r#"{"week":"2021-W30"}"#
    );
}

#[cfg(feature = "cloud")]
#[tokio::test]
async fn leases_are_renewed_while_a_dead_letter_is_edited() {
    let fake = FakePubSub::start([Pull::Messages(&["1", "2"])]).await;
    let folder = tempfile::tempdir().unwrap();
    let store = State::at(folder.path()).unwrap().open_bus_store().unwrap();
    let dead_letters = DeadLetters::of_project(&"a-project".parse().unwrap(), &fake.cloud(), store)
        .await
        .unwrap();
    let script = folder.path().join("editor.sh");
    std::fs::write(&script, "sleep 0.5\n: > \"$1\"\n").unwrap();
    let (editor, renewal_interval) = (
        format!("sh {}", script.display()),
        Duration::from_millis(100),
    );
    let done = republish_renewing(
        &dead_letters,
        Function::Ingest,
        Some(&editor),
        renewal_interval,
    )
    .await
    .unwrap();
    assert_eq!(
        done,
        Republished {
            republished: 0,
            left: 2
        }
    );

    let calls = fake.calls("modifyAckDeadline");
    let of_seconds = |seconds: u64| {
        calls
            .iter()
            .filter(move |call| call["ackDeadlineSeconds"] == seconds)
    };
    let (first, second) = ("1 of call 1", "2 of call 1");
    let mut renewed: Vec<_> = of_seconds(600).map(|call| call["ackIds"].clone()).collect();
    renewed.dedup();
    assert_eq!(
        renewed,
        [
            serde_json::json!([first, second]),
            serde_json::json!([second])
        ]
    );
    let released: Vec<_> = of_seconds(0).map(|call| call["ackIds"].clone()).collect();
    assert_eq!(
        released,
        [serde_json::json!([first]), serde_json::json!([second])]
    );
}
