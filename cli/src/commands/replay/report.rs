//! The report of a replay.

use std::{fmt, path::PathBuf};

use anyhow::bail;
use serde::Serialize;
use shared::{Timestamp, event::Function};

use super::Republished;
use crate::support::{
    exit::Failure,
    table::{Column, Table},
};

/// The number of characters at which payloads are truncated.
const MAX_PAYLOAD_CHARACTERS: usize = 160;

/// The outcome of a replay, or the messages that a dry run would deliver.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "done", rename_all = "kebab-case")]
pub enum ReplayReport {
    /// The replay was a dry run and changed nothing.
    Nothing {
        /// The messages that would be delivered, in the order of their publication.
        would_deliver: Vec<Listed>,
    },
    /// The embedded bus delivered messages again.
    Delivered(Delivered),
    /// Dead letters were republished to their topics.
    Republished {
        /// The number of republished and remaining dead letters.
        dead_letters: Republished,
        /// The outcome of their delivery; `None` on Google Cloud, which delivers asynchronously.
        delivered: Option<Delivered>,
    },
    /// Subscriptions were sought to an earlier position and deliver all later messages again.
    #[serde(rename = "set-back")]
    Sought {
        /// The functions that the subscriptions belong to.
        functions: Vec<Function>,
        /// The position: an instant, or the name of a snapshot.
        to: String,
    },
    /// Messages were republished.
    Published {
        /// The number of republished messages.
        messages: usize,
    },
}

/// The outcome of a delivery by the embedded bus.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Delivered {
    /// The number of messages that were delivered again.
    pub messages: usize,
    /// The number of new rows in the audit log.
    pub audit_rows: usize,
    /// The number of messages that became dead letters.
    pub dead_letters: usize,
    /// The folder that contains the dead letters.
    pub dead_letters_in: PathBuf,
}

/// A message that a replay would deliver.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// The function that would receive the message.
    pub function: Function,
    /// The publication time.
    pub published_at: Timestamp,
    /// The message id.
    pub message_id: String,
    /// The first characters of the payload; for a dead letter, the payload and the reason.
    pub text: String,
}

impl Listed {
    pub(crate) fn new(
        function: Function,
        published_at: Timestamp,
        message_id: String,
        data: &[u8],
    ) -> Self {
        let text = String::from_utf8_lossy(data)
            .chars()
            .take(MAX_PAYLOAD_CHARACTERS)
            .collect();
        Self {
            function,
            published_at,
            message_id,
            text,
        }
    }
}

impl ReplayReport {
    /// Returns the report of a dry run, and sorts the messages by publication time.
    pub(super) fn nothing(mut messages: Vec<Listed>) -> Self {
        messages.sort_by(|one, other| {
            (one.published_at, &one.message_id).cmp(&(other.published_at, &other.message_id))
        });
        Self::Nothing {
            would_deliver: messages,
        }
    }

    /// Returns an error if messages became dead letters.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        match self {
            Self::Delivered(delivered)
            | Self::Republished {
                delivered: Some(delivered),
                ..
            } if delivered.dead_letters > 0 => {
                let address = delivered.dead_letters_in.display().to_string();
                bail!(Failure::DeadLetters {
                    dead_letters: delivered.dead_letters,
                    address
                })
            }
            _ => Ok(()),
        }
    }
}

impl fmt::Display for ReplayReport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing { would_deliver } => {
                if !would_deliver.is_empty() {
                    writeln!(formatter, "{}", table(would_deliver))?;
                }
                write!(
                    formatter,
                    "dry run: {} messages would be delivered again",
                    would_deliver.len()
                )
            }
            Self::Delivered(delivered) => delivered.fmt(formatter),
            Self::Republished {
                dead_letters,
                delivered,
            } => {
                writeln!(
                    formatter,
                    "{} dead letters republished, {} left",
                    dead_letters.republished, dead_letters.left
                )?;
                delivered
                    .iter()
                    .try_for_each(|delivered| delivered.fmt(formatter))
            }
            Self::Sought { functions, to } => functions.iter().try_for_each(|function| {
                writeln!(
                    formatter,
                    "the subscription {function} delivers again from {to}"
                )
            }),
            Self::Published { messages } => {
                write!(formatter, "{messages} messages republished")
            }
        }
    }
}

impl fmt::Display for Delivered {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            messages,
            audit_rows,
            ..
        } = self;
        write!(
            formatter,
            "{messages} messages delivered again; {audit_rows} new audit rows"
        )
    }
}

fn table(messages: &[Listed]) -> Table<4> {
    let mut table = Table::new([
        Column::text("published (UTC)"),
        Column::text("function"),
        Column::text("message").dropped_at(1),
        Column::text("payload").wrapped_to(20),
    ]);
    for message in messages {
        let time = message
            .published_at
            .strftime("%Y-%m-%d %H:%M:%S%.3f")
            .to_string();
        table.add_row([
            time,
            message.function.to_string(),
            message.message_id.clone(),
            message.text.clone(),
        ]);
    }
    table
}
