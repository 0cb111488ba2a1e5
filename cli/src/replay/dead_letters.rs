//! Dead letters, put back on the topic that their function reads.

use std::{sync::Arc, time::Duration};

use anyhow::Context;
use bytes::Bytes;
use serde::Serialize;
use shared::{clock::SystemClock, event::Function};
use tokio::task::JoinHandle;

use super::{Listed, ReplayArguments, ReplayReport, edit::edit, functions, local};
use crate::dead_letters::{DeadLetter, DeadLetters};

/// How often letters are kept while an editor is open: well within the ten minutes for which that is possible.
const KEPT_EVERY: Duration = Duration::from_secs(120);

pub(super) async fn replay(arguments: &ReplayArguments) -> anyhow::Result<ReplayReport> {
    let dead_letters = DeadLetters::open(&arguments.place).await?;
    if arguments.dry_run {
        return list(&dead_letters, arguments.function)
            .await
            .map(ReplayReport::nothing);
    }
    let editor = arguments.edit.then_some(arguments.editor.as_str());
    let mut done = Republished::default();
    for function in functions(arguments.function) {
        done.add(republish(&dead_letters, function, editor).await?);
    }
    // On this machine nobody delivers but ourselves.
    let delivered = match arguments.place.cloud || done.republished == 0 {
        true => None,
        false => Some(local::deliver(arguments, Arc::new(SystemClock)).await?),
    };
    Ok(ReplayReport::Republished {
        dead_letters: done,
        delivered,
    })
}

async fn list(
    dead_letters: &DeadLetters,
    function: Option<Function>,
) -> anyhow::Result<Vec<Listed>> {
    let found = match function {
        Some(function) => dead_letters.of(function).await?,
        None => dead_letters.of_all().await?.into_iter().flatten().collect(),
    };
    let list = |dead_letter: DeadLetter| {
        let data = match dead_letter.object() {
            None => String::from_utf8_lossy(&dead_letter.data),
            Some(object) => format!("too large for a dead_letter, kept as {object}").into(),
        };
        let text = format!("{data}\n{}", dead_letter.reason());
        Listed {
            function: dead_letter.function,
            published_at: dead_letter.since,
            message_id: dead_letter.message_id,
            text,
        }
    };
    Ok(found.into_iter().map(list).collect())
}

/// What became of dead letters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Republished {
    /// How many went back to their topic.
    pub republished: usize,
    /// How many stay dead letters.
    pub left: usize,
}

impl Republished {
    const fn add(&mut self, other: Self) {
        self.republished += other.republished;
        self.left += other.left;
    }
}

/// Puts a function's dead letters back, each after a look in the editor if one is given.
///
/// # Errors
/// When the bus or the editor fails; what was not put back by then stays a dead letter.
pub async fn republish(
    dead_letters: &DeadLetters,
    function: Function,
    editor: Option<&str>,
) -> anyhow::Result<Republished> {
    republish_keeping(dead_letters, function, editor, KEPT_EVERY).await
}

async fn republish_keeping(
    dead_letters: &DeadLetters,
    function: Function,
    editor: Option<&str>,
    kept_every: Duration,
) -> anyhow::Result<Republished> {
    let taken = dead_letters.take(function).await?;
    let (mut done, mut waiting) = (Republished::default(), &taken[..]);
    while let Some((_, others)) = waiting.split_first() {
        match put_first_back(dead_letters, waiting, editor, kept_every).await {
            Ok(true) => done.republished += 1,
            Ok(false) => done.left += 1,
            Err(error) => {
                dead_letters.leave(waiting).await?;
                return Err(error);
            }
        }
        waiting = others;
    }
    Ok(done)
}

/// Tells whether the first of the letters that wait was put back, and not left.
async fn put_first_back(
    dead_letters: &DeadLetters,
    waiting: &[DeadLetter],
    editor: Option<&str>,
    kept_every: Duration,
) -> anyhow::Result<bool> {
    let Some(dead_letter) = waiting.first() else {
        return Ok(false);
    };
    let whole = dead_letters.whole(dead_letter).await?;
    let data = match editor {
        None => Some(whole.data.clone()),
        Some(editor) => {
            eprintln!(
                "{} {}: {}",
                dead_letter.function,
                dead_letter.message_id,
                dead_letter.reason()
            );
            let edited = tokio::task::spawn_blocking({
                let (editor, data) = (editor.to_owned(), whole.data.clone());
                move || edit(&editor, &data)
            });
            keep_until(edited, dead_letters, waiting, kept_every).await?
        }
    };
    match data {
        Some(data) => dead_letters.republish(&whole, data).await.map(|()| true),
        None => dead_letters
            .leave(std::slice::from_ref(dead_letter))
            .await
            .map(|()| false),
    }
}

/// Waits for somebody who edits the first of the letters that wait, and keeps all of them meanwhile: their deadlines are
/// shorter than a person may take.
async fn keep_until(
    mut edited: JoinHandle<anyhow::Result<Option<Bytes>>>,
    dead_letters: &DeadLetters,
    waiting: &[DeadLetter],
    kept_every: Duration,
) -> anyhow::Result<Option<Bytes>> {
    loop {
        tokio::select! {
            edited = &mut edited => return edited.context("the editing broke off")?,
            () = tokio::time::sleep(kept_every) => {
                // The person goes on; at worst the bus delivers the letters once more.
                if let Err(error) = dead_letters.keep(waiting).await {
                    tracing::warn!(error = format!("{error:#}"), "cannot keep the dead letters any longer");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use shared::{
        bus::{
            FIRST_PUBLISHED_ATTRIBUTE, LogPublisher, LoggedMessage, Message, Publisher, dead_letter,
        },
        clock::{Clock, SimulatedClock},
        event::Topic,
        store::{Condition, read_json},
    };

    use super::*;
    use crate::{
        PlaceArguments, State,
        subscriptions::fake::{PubSubDouble, Pull},
    };

    const FIRST_PUBLISHED: &str = "2021-08-02T05:00:00Z";

    /// Keeps a dead letter in the log of a folder, and returns the folder and its dead letters.
    async fn with_dead_letter(data: &'static str) -> (tempfile::TempDir, DeadLetters) {
        with_dead_letter_about(data, ("origin", "scheduler")).await
    }

    async fn with_dead_letter_about(
        data: &'static str,
        more: (&str, &str),
    ) -> (tempfile::TempDir, DeadLetters) {
        let folder = tempfile::tempdir().unwrap();
        let place = PlaceArguments {
            state: folder.path().to_owned(),
            cloud: false,
        };
        let store = State::at(folder.path()).unwrap().open_bus_store().unwrap();
        let clock: Arc<dyn Clock> =
            Arc::new(SimulatedClock::new("2021-08-03T05:00:00Z".parse().unwrap()));
        let attributes = [
            (dead_letter::REASON_ATTRIBUTE, "the week cannot exist"),
            (FIRST_PUBLISHED_ATTRIBUTE, FIRST_PUBLISHED),
            more,
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
        (folder, DeadLetters::open(&place).await.unwrap())
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
    async fn a_letter_is_republished_once_with_the_time_of_its_first_publishing() {
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
    async fn a_message_that_is_too_large_for_its_letter_is_republished_whole() {
        let object = "dead-letters/drift-check/a-checksum.json";
        let (folder, dead_letters) =
            with_dead_letter_about("", (dead_letter::OBJECT_ATTRIBUTE, object)).await;
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
    async fn a_letter_may_be_mended_and_one_saved_empty_stays() {
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
        assert!(
            error.contains("the dead_letter stays where it is"),
            "{error}"
        );
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

    #[tokio::test]
    async fn letters_are_kept_while_one_of_them_is_edited() {
        let fake = PubSubDouble::start([Pull::Messages(&["1", "2"])]).await;
        let folder = tempfile::tempdir().unwrap();
        let store = State::at(folder.path()).unwrap().open_bus_store().unwrap();
        let dead_letters =
            DeadLetters::of_project(&"a-project".parse().unwrap(), &fake.cloud(), store)
                .await
                .unwrap();
        let script = folder.path().join("editor.sh");
        std::fs::write(&script, "sleep 0.5\n: > \"$1\"\n").unwrap();
        let (editor, every) = (
            format!("sh {}", script.display()),
            Duration::from_millis(100),
        );
        let done = republish_keeping(&dead_letters, Function::Ingest, Some(&editor), every)
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
        let mut kept: Vec<_> = of_seconds(600).map(|call| call["ackIds"].clone()).collect();
        kept.dedup();
        assert_eq!(
            kept,
            [
                serde_json::json!([first, second]),
                serde_json::json!([second])
            ]
        );
        let given_back: Vec<_> = of_seconds(0).map(|call| call["ackIds"].clone()).collect();
        assert_eq!(
            given_back,
            [serde_json::json!([first]), serde_json::json!([second])]
        );
    }
}
