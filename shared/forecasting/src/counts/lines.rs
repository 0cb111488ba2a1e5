//! Lines and fields: a row is a line, and a field has no line break.

use std::{
    borrow::Cow,
    io::{self, Read},
};

/// A reader that ends each file with empty lines, and replaces carriage returns by line feeds in
/// files that have no other line break.
pub(super) struct LineBreaks<R> {
    input: R,
    has_carriage_returns: bool,
    end: &'static [u8],
}

impl<R> LineBreaks<R> {
    /// Creates a reader. `has_carriage_returns` is `true` if lines end in a carriage return alone.
    pub(super) const fn new(input: R, has_carriage_returns: bool) -> Self {
        Self {
            input,
            has_carriage_returns,
            // Empty lines are ignored, except after an unclosed quotation mark. There, they make
            // the last row span several lines, as other rows with such a mark do.
            end: b"\n\n",
        }
    }
}

impl<R: Read> Read for LineBreaks<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.input.read(buffer)?;
        if bytes == 0 {
            return self.end.read(buffer);
        }
        if self.has_carriage_returns {
            for byte in &mut buffer[..bytes] {
                if *byte == b'\r' {
                    *byte = b'\n';
                }
            }
        }
        Ok(bytes)
    }
}

/// Returns `true` if the first line of a file ends in a carriage return alone.
pub(super) fn has_carriage_returns(start: &[u8]) -> bool {
    let end = start.iter().position(|byte| is_line_break(*byte));
    end.is_some_and(|end| {
        start[end] == b'\r' && start.get(end + 1).is_some_and(|next| *next != b'\n')
    })
}

/// Returns `true` for the characters that end a line.
pub(super) const fn is_line_break(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r')
}

/// Returns `true` if the line has a quotation mark that is not closed.
pub(super) fn has_open_quote(line: &[u8]) -> bool {
    line.iter().filter(|byte| **byte == b'"').count() % 2 == 1
}

/// Returns a field without its quotation marks. Doubled marks within them become one.
pub(super) fn unquote(field: &[u8]) -> Cow<'_, [u8]> {
    // Fast path: most fields have neither quotation marks nor leading whitespace.
    if !matches!(field.first(), Some(b'"' | b' ' | b'\t')) {
        return Cow::Borrowed(field);
    }
    let trimmed = field.trim_ascii();
    let Some(rest) = trimmed.strip_prefix(b"\"") else {
        return Cow::Borrowed(field);
    };
    match rest.strip_suffix(b"\"") {
        Some(inner) if !inner.contains(&b'"') => Cow::Borrowed(inner),
        _ => Cow::Owned(without_quotes(trimmed)),
    }
}

fn without_quotes(field: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(field.len());
    let mut is_quoted = false;
    let mut rest = field.iter().copied().peekable();
    while let Some(byte) = rest.next() {
        if byte != b'"' {
            bytes.push(byte);
        } else if is_quoted && rest.next_if_eq(&b'"').is_some() {
            bytes.push(b'"');
        } else {
            is_quoted = !is_quoted;
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotation_marks_of_a_field_are_removed() {
        let fields: [(&[u8], &[u8]); 8] = [
            (b"Quai", b"Quai"),
            (b"\"Quai\"", b"Quai"),
            (b"\"\"", b""),
            (b" \"Quai\" ", b"Quai"),
            (b"\"Quai \"\"A\"\"\"", b"Quai \"A\""),
            (b"\"Quai\" A", b"Quai A"),
            (b"Quai \"A\"", b"Quai \"A\""),
            (b" Quai", b" Quai"),
        ];
        for (field, expected) in fields {
            assert_eq!(*unquote(field), *expected, "{}", field.escape_ascii());
        }
    }

    #[test]
    fn carriage_returns_are_detected_in_the_first_line_break() {
        for (start, expected) in [
            ("a;b\r1;2\r", true),
            ("a;b\r\n1;2\r\n", false),
            ("a;b\n1;2\r3;4\n", false),
            ("a;b\r", false),
            ("a;b", false),
        ] {
            assert_eq!(
                has_carriage_returns(start.as_bytes()),
                expected,
                "{start:?}"
            );
        }
    }
}
