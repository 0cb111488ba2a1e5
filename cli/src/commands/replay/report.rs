//! What a replay did, or would do.

use std::{fmt, path::PathBuf};

use anyhow::bail;
use comfy_table::{Table, presets::UTF8_HORIZONTAL_ONLY};
use serde::Serialize;
use shared::{Timestamp, event::Function};

use super::Republished;
use crate::support::exit::Failure;

/// Longer payloads are cut.
const SHOWN_CHARACTERS: usize = 160;

/// What a replay did, or would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "done", rename_all = "kebab-case")]
pub enum ReplayReport {
    /// Nothing: it was a dry run, and these messages would be delivered again.
    Nothing {
        /// In the order of their publishing.
        would_deliver: Vec<Listed>,
    },
    /// The bus of this machine delivered messages again.
    Delivered(Delivered),
    /// Dead letters went back to their topics.
    Republished {
        /// What became of them.
        dead_letters: Republished,
        /// What came of their delivery; on Google Cloud that is not known here.
        delivered: Option<Delivered>,
    },
    /// Subscriptions deliver again what was published since.
    SetBack {
        /// The functions whose subscriptions they are.
        functions: Vec<Function>,
        /// An instant, or the name of a snapshot.
        to: String,
    },
    /// Messages were published again.
    Published {
        /// How many.
        messages: usize,
    },
}

/// What a delivery on this machine came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Delivered {
    /// The messages that were delivered again.
    pub messages: usize,
    /// The rows that the audit log has more than before.
    pub audit_rows: usize,
    /// The messages that became dead letters.
    pub dead_letters: usize,
    /// The folder that keeps them.
    pub dead_letters_in: PathBuf,
}

/// A message that would be delivered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// To which function.
    pub function: Function,
    /// When it was published.
    pub published_at: Timestamp,
    /// Its id.
    pub message_id: String,
    /// Its payload, or what there is to say of it.
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
            .take(SHOWN_CHARACTERS)
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
    /// Lists messages in the order of their publishing.
    pub(super) fn nothing(mut messages: Vec<Listed>) -> Self {
        messages.sort_by(|one, other| {
            (one.published_at, &one.message_id).cmp(&(other.published_at, &other.message_id))
        });
        Self::Nothing {
            would_deliver: messages,
        }
    }

    /// Fails where messages became dead letters.
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
                    "{} messages would be delivered again; nothing was done",
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
                    "{} dead letters put back, {} left",
                    dead_letters.republished, dead_letters.left
                )?;
                delivered
                    .iter()
                    .try_for_each(|delivered| delivered.fmt(formatter))
            }
            Self::SetBack { functions, to } => functions.iter().try_for_each(|function| {
                writeln!(formatter, "the subscription {function} is set back to {to}")
            }),
            Self::Published { messages } => {
                write!(formatter, "{messages} messages published again")
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
            "{messages} messages delivered again; {audit_rows} new rows in the audit log"
        )
    }
}

fn table(messages: &[Listed]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY).set_header([
        "published",
        "function",
        "message",
        "payload",
    ]);
    for message in messages {
        let time = message
            .published_at
            .strftime("%Y-%m-%d %H:%M:%S%.3fZ")
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
