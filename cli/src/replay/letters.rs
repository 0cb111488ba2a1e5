//! Dead letters, put back on the topic that their function reads.

use std::sync::Arc;

use shared::{clock::SystemClock, event::Function};

use super::{edit::edit, functions, list, list::Listed, local};
use crate::{
    arguments::ReplayArguments,
    dead_letters::{DeadLetter, DeadLetters},
};

pub(crate) async fn command(arguments: ReplayArguments) -> anyhow::Result<()> {
    let letters = DeadLetters::open(&arguments.place).await?;
    if arguments.dry_run {
        return list_letters(&letters, arguments.function).await;
    }
    let editor = arguments.edit.then_some(arguments.editor.as_str());
    let mut done = PutBack::default();
    for function in functions(arguments.function) {
        done.add(put_back(&letters, function, editor).await?);
    }
    println!("{} dead letters put back, {} left", done.put_back, done.left);
    if arguments.place.cloud || done.put_back == 0 {
        return Ok(());
    }
    // Nobody delivers on this machine but ourselves.
    local::deliver(&arguments, Arc::new(SystemClock)).await
}

async fn list_letters(letters: &DeadLetters, function: Option<Function>) -> anyhow::Result<()> {
    let mut listed = Vec::new();
    for function in functions(function) {
        let letters = letters.of(function).await?;
        listed.extend(letters.into_iter().map(|letter| {
            let text = format!("{}\n{}", String::from_utf8_lossy(&letter.data), letter.reason());
            Listed { function, published_at: letter.since, message_id: letter.message_id, text }
        }));
    }
    list::print(listed);
    Ok(())
}

/// What became of dead letters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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
    let data = match editor {
        None => Some(letter.data.clone()),
        Some(editor) => {
            println!("{} {}: {}", letter.function, letter.message_id, letter.reason());
            edit(editor, &letter.data)?
        }
    };
    match data {
        Some(data) => letters.put_back(letter, data).await.map(|()| true),
        None => letters.leave(std::slice::from_ref(letter)).await.map(|()| false),
    }
}
