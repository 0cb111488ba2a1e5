//! Dead letters, put back on the topic that their function reads.

use std::sync::Arc;

use serde::Serialize;
use shared::{clock::SystemClock, event::Function};

use super::{Listed, ReplayArguments, ReplayReport, edit::edit, functions, local};
use crate::dead_letters::{DeadLetter, DeadLetters};

pub(super) async fn replay(arguments: &ReplayArguments) -> anyhow::Result<ReplayReport> {
    let letters = DeadLetters::open(&arguments.place).await?;
    if arguments.dry_run {
        return list(&letters, arguments.function).await.map(ReplayReport::nothing);
    }
    let editor = arguments.edit.then_some(arguments.editor.as_str());
    let mut done = PutBack::default();
    for function in functions(arguments.function) {
        done.add(put_back(&letters, function, editor).await?);
    }
    // On this machine nobody delivers but ourselves.
    let delivered = match arguments.place.cloud || done.put_back == 0 {
        true => None,
        false => Some(local::deliver(arguments, Arc::new(SystemClock)).await?),
    };
    Ok(ReplayReport::PutBack { letters: done, delivered })
}

async fn list(letters: &DeadLetters, function: Option<Function>) -> anyhow::Result<Vec<Listed>> {
    let mut listed = Vec::new();
    for function in functions(function) {
        let letters = letters.of(function).await?;
        listed.extend(letters.into_iter().map(|letter| {
            let data = match letter.object() {
                None => String::from_utf8_lossy(&letter.data),
                Some(object) => format!("too large for a letter, kept as {object}").into(),
            };
            let text = format!("{data}\n{}", letter.reason());
            Listed { function, published_at: letter.since, message_id: letter.message_id, text }
        }));
    }
    Ok(listed)
}

/// What became of dead letters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PutBack {
    /// How many went back to their topic.
    pub put_back: usize,
    /// How many stay dead letters.
    pub left: usize,
}

impl PutBack {
    const fn add(&mut self, other: Self) {
        self.put_back += other.put_back;
        self.left += other.left;
    }
}

/// Puts a function's dead letters back, each after a look in the editor if one is given.
///
/// # Errors
/// When the bus or the editor fails; what was not put back by then stays a dead letter.
pub async fn put_back(letters: &DeadLetters, function: Function, editor: Option<&str>) -> anyhow::Result<PutBack> {
    let taken = letters.take(function).await?;
    let mut done = PutBack::default();
    for (position, letter) in taken.iter().enumerate() {
        match put_one_back(letters, letter, editor).await {
            Ok(true) => done.put_back += 1,
            Ok(false) => done.left += 1,
            Err(error) => {
                letters.leave(&taken[position..]).await?;
                return Err(error);
            }
        }
    }
    Ok(done)
}

/// Tells whether the letter was put back, and not left.
async fn put_one_back(letters: &DeadLetters, letter: &DeadLetter, editor: Option<&str>) -> anyhow::Result<bool> {
    let whole = letters.whole(letter).await?;
    let data = match editor {
        None => Some(whole.data.clone()),
        Some(editor) => {
            eprintln!("{} {}: {}", letter.function, letter.message_id, letter.reason());
            edit(editor, &whole.data)?
        }
    };
    match data {
        Some(data) => letters.put_back(&whole, data).await.map(|()| true),
        None => letters.leave(std::slice::from_ref(letter)).await.map(|()| false),
    }
}

#[cfg(test)]
mod tests {
    use shared::{
        bus::{FIRST_PUBLISHED_ATTRIBUTE, LogPublisher, LoggedMessage, Message, Publisher, dead_letter},
        clock::{Clock, SimulatedClock},
        event::Topic,
        store::{Condition, read_json},
    };

    use super::*;
    use crate::{PlaceArguments, State};

    const FIRST_PUBLISHED: &str = "2021-08-02T05:00:00Z";

    /// Keeps a dead letter in the log of a folder, and returns the folder and its dead letters.
    async fn with_letter(data: &'static str) -> (tempfile::TempDir, DeadLetters) {
        with_letter_about(data, ("origin", "scheduler")).await
    }

    async fn with_letter_about(data: &'static str, more: (&str, &str)) -> (tempfile::TempDir, DeadLetters) {
        let folder = tempfile::tempdir().unwrap();
        let place = PlaceArguments { state: folder.path().to_owned(), cloud: false };
        let store = State::at(folder.path()).unwrap().open_bus_store().unwrap();
        let clock: Arc<dyn Clock> = Arc::new(SimulatedClock::new("2021-08-03T05:00:00Z".parse().unwrap()));
        let attributes = [
            (dead_letter::REASON_ATTRIBUTE, "the week cannot exist"),
            (FIRST_PUBLISHED_ATTRIBUTE, FIRST_PUBLISHED),
            more,
        ];
        let attributes = attributes.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let message = Message { data: data.into(), attributes };
        let topic = Topic::DeadLetter(Function::DriftCheck);
        LogPublisher::new(store, clock).publish(topic, message).await.unwrap();
        (folder, DeadLetters::open(&place).await.unwrap())
    }

    async fn published(folder: &std::path::Path) -> Vec<LoggedMessage> {
        let store = State::at(folder).unwrap().open_bus_store().unwrap();
        let mut found = Vec::new();
        for path in store.list("bus/topics/drift-check-requested/").await.unwrap() {
            found.push(read_json(&*store, &path).await.unwrap().0);
        }
        found
    }

    #[tokio::test]
    async fn a_letter_is_put_back_once_with_the_time_of_its_first_publishing() {
        let (folder, letters) = with_letter("{}").await;
        let found = letters.of(Function::DriftCheck).await.unwrap();
        assert_eq!(found[0].reason(), "the week cannot exist");
        for expected in [1, 0] {
            let done = put_back(&letters, Function::DriftCheck, None).await.unwrap();
            assert_eq!(done, PutBack { put_back: expected, left: 0 });
        }
        let published = published(folder.path()).await;
        let [message] = &published[..] else { panic!("{published:?}") };
        let expected = [(FIRST_PUBLISHED_ATTRIBUTE, FIRST_PUBLISHED), ("origin", "scheduler")];
        assert_eq!(message.attributes, expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
        assert_eq!(message.data.to_bytes(), "{}");
    }

    #[tokio::test]
    async fn a_message_that_is_too_large_for_its_letter_is_put_back_whole() {
        let object = "dead-letters/drift-check/a-checksum.json";
        let (folder, letters) = with_letter_about("", (dead_letter::OBJECT_ATTRIBUTE, object)).await;
        let listed = list(&letters, Some(Function::DriftCheck)).await.unwrap();
        assert!(listed[0].text.contains(object), "{}", listed[0].text);
        let error = put_back(&letters, Function::DriftCheck, None).await.unwrap_err().to_string();
        assert!(error.contains("cannot read the message of the dead letter"), "{error}");

        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let store = State::at(folder.path()).unwrap().open(clock).unwrap().store;
        let message = r#"{"attributes":{"origin":"scheduler"},"text":"a long message"}"#;
        store.write(&object.parse().unwrap(), message.into(), Condition::Absent).await.unwrap();
        let done = put_back(&letters, Function::DriftCheck, None).await.unwrap();
        assert_eq!(done, PutBack { put_back: 1, left: 0 });
        let published = published(folder.path()).await;
        assert_eq!(published[0].data.to_bytes(), "a long message");
        let expected = [(FIRST_PUBLISHED_ATTRIBUTE, FIRST_PUBLISHED), ("origin", "scheduler")];
        assert_eq!(published[0].attributes, expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    }

    #[tokio::test]
    async fn a_letter_may_be_mended_and_one_saved_empty_stays() {
        let (folder, letters) = with_letter(r#"{"week":"2021-W54"}"#).await;
        let done = put_back(&letters, Function::DriftCheck, Some("truncate -s 0")).await.unwrap();
        assert_eq!(done, PutBack { put_back: 0, left: 1 });
        assert!(published(folder.path()).await.is_empty());
        let error = put_back(&letters, Function::DriftCheck, Some("false")).await.unwrap_err().to_string();
        assert!(error.contains("the letter stays where it is"), "{error}");
        put_back(&letters, Function::DriftCheck, Some("sed -i s/W54/W30/")).await.unwrap();
        assert_eq!(published(folder.path()).await[0].data.to_bytes(), r#"{"week":"2021-W30"}"#);
    }
}
