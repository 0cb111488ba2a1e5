//! Lines and fields: a row is a line, and a field has no line break.

use std::{
    borrow::Cow,
    io::{self, BufRead},
    iter,
    ops::Range,
};

use memchr::{memchr_iter, memchr2, memchr2_iter};

/// Reads the first line that is not empty. Returns an empty line if there is none.
///
/// # Errors
/// Returns the error of the input.
pub(super) fn first_line(input: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    loop {
        let buffer = input.fill_buf()?;
        let is_end = buffer.is_empty();
        let end = memchr2(b'\n', b'\r', buffer);
        let length = end.unwrap_or(buffer.len());
        line.extend_from_slice(&buffer[..length]);
        input.consume(length + usize::from(end.is_some()));
        if is_end || (end.is_some() && !line.is_empty()) {
            return Ok(line);
        }
    }
}

/// Calls `add` with each line that is not empty. Lines within one buffer of the input are not
/// copied.
///
/// # Errors
/// Returns the error of the input.
pub(super) fn for_each_line(mut input: impl BufRead, mut add: impl FnMut(&[u8])) -> io::Result<()> {
    // The start of a line that continues in the next buffer.
    let mut start = Vec::new();
    loop {
        let buffer = input.fill_buf()?;
        let length = buffer.len();
        if length == 0 {
            if !start.is_empty() {
                add(&start);
            }
            return Ok(());
        }
        let mut first = 0;
        for end in memchr2_iter(b'\n', b'\r', buffer) {
            let line = &buffer[first..end];
            first = end + 1;
            if start.is_empty() {
                if !line.is_empty() {
                    add(line);
                }
            } else {
                start.extend_from_slice(line);
                add(&start);
                start.clear();
            }
        }
        start.extend_from_slice(&buffer[first..]);
        input.consume(length);
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
        let text = b"\n\r\nName;Hour\r\n\r\na;1\rb;2\n\n\nlonger than a buffer;3\r\nend";
        let rows: [&[u8]; 4] = [b"a;1", b"b;2", b"longer than a buffer;3", b"end"];
        for size in 1..=text.len() + 1 {
            let mut input = BufReader::with_capacity(size, &text[..]);
            assert_eq!(first_line(&mut input).unwrap(), b"Name;Hour", "{size}");
            let mut lines = Vec::new();
            for_each_line(input, |line| lines.push(line.to_vec())).unwrap();
            assert_eq!(lines, rows, "{size}");
        }
    }

    #[test]
    fn input_without_lines_has_an_empty_first_line() {
        for text in ["", "\n\r\n"] {
            assert_eq!(first_line(&mut text.as_bytes()).unwrap(), b"", "{text:?}");
            for_each_line(text.as_bytes(), |line| panic!("{line:?}")).unwrap();
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
