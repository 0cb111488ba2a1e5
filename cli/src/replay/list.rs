//! What would be delivered.

use comfy_table::{Table, presets::UTF8_HORIZONTAL_ONLY};
use shared::{Timestamp, event::Function};

/// Longer payloads are cut.
const SHOWN_CHARACTERS: usize = 160;

/// A message that would be delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    pub(crate) fn new(function: Function, published_at: Timestamp, message_id: String, data: &[u8]) -> Self {
        let text = String::from_utf8_lossy(data).chars().take(SHOWN_CHARACTERS).collect();
        Self { function, published_at, message_id, text }
    }
}

/// Prints messages in the order of their publishing.
pub(crate) fn print(mut messages: Vec<Listed>) {
    messages.sort_by(|one, other| (one.published_at, &one.message_id).cmp(&(other.published_at, &other.message_id)));
    let mut table = Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY).set_header(["published", "function", "message", "payload"]);
    for message in &messages {
        let time = message.published_at.strftime("%Y-%m-%d %H:%M:%S%.3fZ").to_string();
        table.add_row([time, message.function.to_string(), message.message_id.clone(), message.text.clone()]);
    }
    if !messages.is_empty() {
        println!("{table}");
    }
    println!("{} messages would be delivered again; nothing was done", messages.len());
}
