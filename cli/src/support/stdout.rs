//! Output of command reports, as text or JSON. On a terminal, long lines of text are wrapped.

use std::{
    borrow::Cow,
    fmt,
    io::{self, Write},
};

use anyhow::Context;
use serde::Serialize;

use super::table;

/// Prints the report of a command to standard output.
///
/// A closed pipe is not an error, so that output can be piped to commands like `head`. Control
/// characters in the report, for example in the name of a counter, are escaped.
///
/// # Errors
/// Returns an error if standard output cannot be written.
pub(crate) fn print<R: Serialize + fmt::Display>(report: &R, as_json: bool) -> anyhow::Result<()> {
    let text = if as_json {
        serde_json::to_string_pretty(report)?
    } else {
        report.to_string()
    };
    let text = escaped(text.trim_end());
    let text = if as_json { text } else { fitted(text) };
    write(format!("{text}\n").as_bytes())
}

/// Wraps the lines of a text at the width of the terminal. Without a terminal, a line stays whole, so
/// that a program finds a sentence on one line.
fn fitted(text: Cow<'_, str>) -> Cow<'_, str> {
    match table::terminal_width() {
        Some(width) => table::wrapped(&text, width).into(),
        None => text,
    }
}

/// Escapes control characters other than line feeds and tabs, with which a text from outside could
/// control the terminal. The result is also valid JSON if `text` is.
pub(crate) fn escaped(text: &str) -> Cow<'_, str> {
    let is_harmful = |character: char| character.is_control() && !matches!(character, '\n' | '\t');
    if !text.contains(is_harmful) {
        return text.into();
    }
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        if is_harmful(character) {
            // All control characters are below U+00A0.
            safe.push_str(&format!("\\u{:04x}", u32::from(character)));
        } else {
            safe.push(character);
        }
    }
    safe.into()
}

/// Writes bytes to standard output; a closed pipe is not an error, as in [`print()`].
pub(crate) fn write(bytes: &[u8]) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.context("cannot write to standard output"),
    }
}

/// Prints a progress line to standard output, or to standard error if `as_json` is set.
pub(crate) fn print_line(line: &str, as_json: bool) {
    let line = escaped(line);
    // A closed output must not stop the command.
    let _ = if as_json {
        writeln!(io::stderr(), "{line}")
    } else {
        writeln!(io::stdout(), "{}", fitted(line))
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_escaped_in_text_and_json() {
        let name = "Quai \u{1b}]0;title\u{7} \u{9b}31m d'Orsay\r\u{7f}";
        let expected = "Quai \\u001b]0;title\\u0007 \\u009b31m d'Orsay\\u000d\\u007f";
        assert_eq!(escaped(name), expected);
        let json = serde_json::to_string_pretty(&[name]).unwrap();
        let text = escaped(&json);
        assert!(!text.contains(|character: char| character.is_control() && character != '\n'));
        assert_eq!(serde_json::from_str::<[String; 1]>(&text).unwrap(), [name]);
    }

    #[test]
    fn table_and_accents_are_unchanged() {
        let table = "│ compteur\té │\n│ Quai d’Orsay │";
        assert!(matches!(escaped(table), Cow::Borrowed(text) if text == table));
    }
}
