//! Lines and fields: a row is a line, and a field has no line break.

use std::{
    borrow::Cow,
    io::{self, BufRead},
    iter,
    ops::Range,
};

use memchr::{memchr_iter, memchr2, memchr2_iter};

/// Splits an input into lines, which LF, CR or both end.
pub(super) struct Lines<R> {
    input: R,
    /// `true` after a carriage return. A line feed that follows at once ends the same line.
    after_return: bool,
}

impl<R: BufRead> Lines<R> {
    pub(super) const fn new(input: R) -> Self {
        Self {
            input,
            after_return: false,
        }
    }

    /// Reads the first line that is not empty, and returns its number, from 1 on. Returns an empty
    /// line if there is none.
    ///
    /// # Errors
    /// Returns the error of the input.
    pub(super) fn first(&mut self) -> io::Result<(u64, Vec<u8>)> {
        let (mut number, mut line) = (1, Vec::new());
        loop {
            let buffer = self.input.fill_buf()?;
            let is_end = buffer.is_empty();
            let end = memchr2(b'\n', b'\r', buffer);
            let length = end.unwrap_or(buffer.len());
            line.extend_from_slice(&buffer[..length]);
            let line_break = end.map(|end| buffer[end]);
            self.input.consume(length + usize::from(end.is_some()));
            let Some(line_break) = line_break else {
                if is_end {
                    return Ok((number, line));
                }
                continue;
            };
            let ends_another = self.is_another_end(&line, line_break);
            if !line.is_empty() {
                return Ok((number, line));
            }
            number += u64::from(ends_another);
        }
    }

    /// Calls `add` with each of the following lines. Lines within one buffer of the input are not
    /// copied. An empty line after the last line break is none.
    ///
    /// # Errors
    /// Returns the error of the input.
    pub(super) fn for_each(mut self, mut add: impl FnMut(&[u8])) -> io::Result<()> {
        // The start of a line that continues in the next buffer.
        let mut start = Vec::new();
        loop {
            let buffer = self.input.fill_buf()?;
            let length = buffer.len();
            if length == 0 {
                if !start.is_empty() {
                    add(&start);
                }
                return Ok(());
            }
            let mut first = 0;
            let mut after_return = self.after_return;
            for end in memchr2_iter(b'\n', b'\r', buffer) {
                let line = &buffer[first..end];
                first = end + 1;
                let line_break = buffer[end];
                if !start.is_empty() {
                    start.extend_from_slice(line);
                    add(&start);
                    start.clear();
                } else if !(line.is_empty() && after_return && line_break == b'\n') {
                    add(line);
                }
                after_return = line_break == b'\r';
            }
            start.extend_from_slice(&buffer[first..]);
            self.after_return = after_return && start.is_empty();
            self.input.consume(length);
        }
    }

    /// Returns `false` if a line break after an empty line is the second half of the last one, and
    /// remembers it.
    fn is_another_end(&mut self, line: &[u8], line_break: u8) -> bool {
        let is_second_half = line.is_empty() && self.after_return && line_break == b'\n';
        self.after_return = line_break == b'\r';
        !is_second_half
    }
}

/// Returns the positions of the fields of a line. A delimiter between quotation marks belongs to
/// its field.
pub(super) fn fields(line: &[u8], delimiter: u8) -> impl Iterator<Item = Range<usize>> {
    let mut is_quoted = false;
    let ends = memchr2_iter(delimiter, b'"', line).filter(move |position| {
        let is_delimiter = line[*position] == delimiter;
        is_quoted ^= !is_delimiter;
        is_delimiter && !is_quoted
    });
    let mut start = 0;
    ends.chain(iter::once(line.len())).map(move |end| {
        let field = start..end;
        start = end + 1;
        field
    })
}

/// Returns `true` for the characters that end a line.
pub(super) const fn is_line_break(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r')
}

/// Returns `true` if the line has a quotation mark that is not closed.
pub(super) fn has_open_quote(line: &[u8]) -> bool {
    memchr_iter(b'"', line).count() % 2 == 1
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
    use std::io::BufReader;

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

    /// Buffers of each size split the text at other positions, also within `\r\n`.
    #[test]
    fn lines_across_buffers_are_whole() {
        let text = b"\n\r\nName;Hour\r\n\r\na;1\rb;2\n\n\r\rlonger than a buffer;3\r\nend";
        let rows: [&[u8]; 8] = [
            b"",
            b"a;1",
            b"b;2",
            b"",
            b"",
            b"",
            b"longer than a buffer;3",
            b"end",
        ];
        for size in 1..=text.len() + 1 {
            let mut input = Lines::new(BufReader::with_capacity(size, &text[..]));
            let (number, header) = input.first().unwrap();
            assert_eq!((number, &*header), (3, &b"Name;Hour"[..]), "{size}");
            let mut lines = Vec::new();
            input.for_each(|line| lines.push(line.to_vec())).unwrap();
            assert_eq!(lines, rows, "{size}");
        }
    }

    #[test]
    fn input_without_lines_has_an_empty_first_line() {
        for text in ["", "\n\r\n"] {
            let mut input = Lines::new(text.as_bytes());
            assert_eq!(input.first().unwrap().1, b"", "{text:?}");
            input.for_each(|line| panic!("{line:?}")).unwrap();
        }
    }

    #[test]
    fn delimiter_between_quotation_marks_belongs_to_its_field() {
        let cases: [(&str, &[&str]); 6] = [
            ("", &[""]),
            ("a;b;;", &["a", "b", "", ""]),
            ("a;\"b;c\";d", &["a", "\"b;c\"", "d"]),
            ("\"a \"\";\"\" b\";c", &["\"a \"\";\"\" b\"", "c"]),
            ("a\";\"b;c", &["a\";\"b", "c"]),
            (";\"\";", &["", "\"\"", ""]),
        ];
        for (line, expected) in cases {
            let fields: Vec<_> = fields(line.as_bytes(), b';')
                .map(|field| &line[field])
                .collect();
            assert_eq!(fields, expected, "{line}");
        }
    }
}
