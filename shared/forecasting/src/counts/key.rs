//! The identity of a counter.

use std::fmt;

use serde::{Deserialize, Serialize};
use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

/// The identity of a counter: its name with case, accents, whitespace, apostrophes and dashes
/// folded, and without invisible characters.
///
/// In the public data, the id of a counter changes, one name has several spellings, and some rows
/// have no id. Only the name is present in every row.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "String")]
pub struct CounterKey(String);

impl CounterKey {
    /// Folds the case, accents, whitespace, apostrophes and dashes of a counter's name.
    pub fn of_name(name: &str) -> Self {
        // Most names are ASCII. This fast path avoids Unicode normalization for them.
        if name.is_ascii() {
            let name = name.to_ascii_lowercase().replace('`', "'");
            return Self(single_spaces(&name));
        }
        let characters = name
            .chars()
            .filter(|character| !is_invisible(*character))
            .map(plain_punctuation)
            .nfkd()
            // Some characters have a typographic dash or apostrophe as their decomposition.
            .map(plain_punctuation)
            .filter(|character| !is_combining_mark(*character))
            .flat_map(char::to_lowercase);
        Self(single_spaces(&characters.collect::<String>()))
    }

    /// Returns the folded name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Returns the ASCII character for a typographic apostrophe or dash, which word processors insert.
const fn plain_punctuation(character: char) -> char {
    match character {
        '`'
        | '\u{b4}'
        | '\u{2b9}'
        | '\u{2bb}'..='\u{2bd}'
        | '\u{2018}'..='\u{201b}'
        | '\u{2032}'
        | '\u{2035}' => '\'',
        '\u{2010}'..='\u{2015}' | '\u{2212}' => '-',
        other => other,
    }
}

/// Returns `true` for soft hyphens, and for spaces and marks without a width.
const fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}'
    )
}

/// Returns the words of a text, separated by single spaces.
pub(super) fn single_spaces(text: &str) -> String {
    let mut joined = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !joined.is_empty() {
            joined.push(' ');
        }
        joined.push_str(word);
    }
    joined
}

impl From<String> for CounterKey {
    fn from(name: String) -> Self {
        Self::of_name(&name)
    }
}

impl fmt::Display for CounterKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}
