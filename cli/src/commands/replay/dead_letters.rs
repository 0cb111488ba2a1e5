//! Dead letters, put back on the topic that their function reads.

use std::{sync::Arc, time::Duration};

use anyhow::Context;
use bytes::Bytes;
use serde::Serialize;
use shared::{clock::SystemClock, event::Function};
use tokio::task::JoinHandle;

use super::{Listed, ReplayArguments, ReplayReport, edit::edit, functions, local};
use crate::support::dead_letters::{DeadLetter, DeadLetters};

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
mod tests;
