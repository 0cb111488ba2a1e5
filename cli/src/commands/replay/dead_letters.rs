//! Republishes dead letters to the topic that their function reads.

use std::{sync::Arc, time::Duration};

use anyhow::Context;
use bytes::Bytes;
use serde::Serialize;
use shared::{clock::SystemClock, event::Function};
use tokio::task::JoinHandle;

use super::{Listed, ReplayArguments, ReplayReport, edit::edit, functions, local};
use crate::support::{
    dead_letters::{DeadLetter, DeadLetters},
    stdout,
};

/// The interval of lease renewals while an editor is open, well below the maximum lease of ten
/// minutes.
const RENEWAL_INTERVAL: Duration = Duration::from_secs(120);

pub(super) async fn replay(arguments: &ReplayArguments) -> anyhow::Result<ReplayReport> {
    let dead_letters = DeadLetters::open(&arguments.target).await?;
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
    // In the local state, only this process delivers messages.
    let delivered = match arguments.target.cloud || done.republished == 0 {
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
            Some(object) => format!("too large for a dead letter, stored as {object}").into(),
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

/// The outcome of republishing dead letters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Republished {
    /// The number of republished dead letters.
    pub republished: usize,
    /// The number of messages that stay dead letters.
    pub left: usize,
}

impl Republished {
    const fn add(&mut self, other: Self) {
        self.republished += other.republished;
        self.left += other.left;
    }
}

/// Republishes a function's dead letters. If an editor is given, opens each of them there first.
///
/// # Errors
/// Returns an error if the bus or the editor fails; the remaining messages stay dead letters.
pub async fn republish(
    dead_letters: &DeadLetters,
    function: Function,
    editor: Option<&str>,
) -> anyhow::Result<Republished> {
    republish_renewing(dead_letters, function, editor, RENEWAL_INTERVAL).await
}

async fn republish_renewing(
    dead_letters: &DeadLetters,
    function: Function,
    editor: Option<&str>,
    renewal_interval: Duration,
) -> anyhow::Result<Republished> {
    let taken = dead_letters.take(function).await?;
    let (mut done, mut remaining) = (Republished::default(), &taken[..]);
    while let Some((_, others)) = remaining.split_first() {
        match republish_first(dead_letters, remaining, editor, renewal_interval).await {
            Ok(true) => done.republished += 1,
            Ok(false) => done.left += 1,
            Err(error) => {
                dead_letters.leave(remaining).await?;
                return Err(error);
            }
        }
        remaining = others;
    }
    Ok(done)
}

/// Republishes the first of the remaining dead letters. Returns `false` if it was saved empty and
/// stays a dead letter.
async fn republish_first(
    dead_letters: &DeadLetters,
    remaining: &[DeadLetter],
    editor: Option<&str>,
    renewal_interval: Duration,
) -> anyhow::Result<bool> {
    let Some(dead_letter) = remaining.first() else {
        return Ok(false);
    };
    let whole = dead_letters.whole(dead_letter).await?;
    let data = match editor {
        None => Some(whole.data.clone()),
        Some(editor) => {
            let reason = dead_letter.reason();
            eprintln!(
                "{} {}: {}",
                dead_letter.function,
                dead_letter.message_id,
                stdout::escaped(&reason)
            );
            let edited = tokio::task::spawn_blocking({
                let (editor, data) = (editor.to_owned(), whole.data.clone());
                move || edit(&editor, &data)
            });
            renew_until_edited(edited, dead_letters, remaining, renewal_interval).await?
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

/// Waits for the edit of the first dead letter, and renews the leases of all remaining dead letters
/// meanwhile. An edit may take longer than their acknowledgement deadline.
async fn renew_until_edited(
    mut edited: JoinHandle<anyhow::Result<Option<Bytes>>>,
    dead_letters: &DeadLetters,
    remaining: &[DeadLetter],
    renewal_interval: Duration,
) -> anyhow::Result<Option<Bytes>> {
    loop {
        tokio::select! {
            edited = &mut edited => return edited.context("the editor task did not complete")?,
            () = tokio::time::sleep(renewal_interval) => {
                // The edit continues; at worst, the bus delivers the dead letters once more.
                if let Err(error) = dead_letters.keep(remaining).await {
                    tracing::warn!(error = format!("{error:#}"), "cannot renew the leases of the dead letters");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
