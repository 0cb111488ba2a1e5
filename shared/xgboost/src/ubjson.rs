//! The check that bytes are a complete document, before XGBoost parses them.
//!
//! XGBoost's UBJSON parser trusts every length and reads beyond the end of a truncated document.
//! Its JSON parser does so after a final number.

mod value;

use serde::de::IgnoredAny;

use crate::error::{Error, Result};

pub(crate) use value::Value;

/// The maximum nesting depth: greater than that of any model, and safe for the stack of a thread.
const MAX_DEPTH: usize = 64;
const TOO_DEEP: &str = "document nested too deeply";

/// Checks that the bytes are one complete object in JSON, or in the subset of UBJSON that XGBoost
/// supports. Public for the fuzz targets.
///
/// # Errors
///
/// Returns [`Error::Model`] with the offset of the first problem.
pub fn check_model(bytes: &[u8]) -> Result<()> {
    if !bytes.starts_with(b"{") {
        return Err(Error::Model {
            problem: "expected an object",
            offset: 0,
        });
    }
    // XGBoost distinguishes the formats by the same byte: the length of a key, or its quotation
    // mark.
    match bytes[1..].iter().find(|byte| !byte.is_ascii_whitespace()) {
        Some(b'"') => check_json(bytes),
        _ => check_ubjson(bytes),
    }
}

fn check_json(bytes: &[u8]) -> Result<()> {
    serde_json::from_slice::<IgnoredAny>(bytes).map_err(|error| Error::Model {
        problem: "invalid or incomplete JSON",
        offset: offset_of(bytes, error.line(), error.column()),
    })?;
    check_json_depth(bytes)
}

/// Checks the nesting of valid JSON. The check above does not recurse, but XGBoost's parser does.
fn check_json_depth(bytes: &[u8]) -> Result<()> {
    let (mut depth, mut is_text) = (0_usize, false);
    let mut rest = bytes.iter().enumerate();
    while let Some((offset, byte)) = rest.next() {
        match byte {
            b'"' => is_text = !is_text,
            b'\\' if is_text => {
                // The escaped character may be a quotation mark.
                rest.next();
            }
            b'{' | b'[' if !is_text => depth += 1,
            b'}' | b']' if !is_text => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_DEPTH {
            return Err(Error::Model {
                problem: TOO_DEEP,
                offset,
            });
        }
    }
    Ok(())
}

fn offset_of(bytes: &[u8], line: usize, column: usize) -> usize {
    let earlier = bytes
        .split_inclusive(|byte| *byte == b'\n')
        .take(line.saturating_sub(1));
    earlier.map(<[u8]>::len).sum::<usize>() + column
}

fn check_ubjson(bytes: &[u8]) -> Result<()> {
    let mut reader = Reader { bytes, offset: 0 };
    reader.value(0)?;
    if reader.offset < bytes.len() {
        return reader.fail("unexpected trailing bytes");
    }
    Ok(())
}

struct Reader<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl Reader<'_> {
    fn value(&mut self, depth: usize) -> Result<()> {
        match self.byte()? {
            b'{' => self.object(depth + 1),
            b'[' => self.array(depth + 1),
            b'S' => self.text(),
            b'Z' | b'T' | b'F' => Ok(()),
            kind => match size_of_number(kind) {
                Some(size) => self.skip(size),
                None => self.fail("expected a value"),
            },
        }
    }

    fn object(&mut self, depth: usize) -> Result<()> {
        self.check_depth(depth)?;
        while self.peek()? != b'}' {
            self.text()?;
            self.value(depth)?;
        }
        self.skip(1)
    }

    fn array(&mut self, depth: usize) -> Result<()> {
        self.check_depth(depth)?;
        match self.peek()? {
            b'$' => self.array_of_numbers(),
            b'#' => {
                for _ in 0..self.count()? {
                    self.value(depth)?;
                }
                Ok(())
            }
            _ => {
                while self.peek()? != b']' {
                    self.value(depth)?;
                }
                self.skip(1)
            }
        }
    }

    fn array_of_numbers(&mut self) -> Result<()> {
        self.skip(1)?;
        let kind = self.byte()?;
        // A character is a value, but XGBoost does not support it in typed arrays.
        let Some(size) = size_of_number(kind).filter(|_| kind != b'C') else {
            return self.fail("expected a number type");
        };
        let count = self.count()?;
        match count.checked_mul(size) {
            Some(length) => self.skip(length),
            None => self.fail("unexpected end of input"),
        }
    }

    /// Reads `#L` and the number of elements. Each element has at least one byte.
    fn count(&mut self) -> Result<usize> {
        if self.byte()? != b'#' {
            return self.fail("expected a count");
        }
        self.length()
    }

    fn text(&mut self) -> Result<()> {
        let length = self.length()?;
        self.skip(length)
    }

    /// Reads `L` and an eight-byte length, and checks that at least that many bytes follow.
    fn length(&mut self) -> Result<usize> {
        if self.byte()? != b'L' {
            return self.fail("expected a length");
        }
        let Some(bytes) = self.rest().first_chunk() else {
            return self.fail("unexpected end of input");
        };
        let length = i64::from_be_bytes(*bytes);
        self.offset += size_of::<i64>();
        match usize::try_from(length) {
            Ok(length) if length <= self.rest().len() => Ok(length),
            _ => self.fail("unexpected end of input"),
        }
    }

    fn byte(&mut self) -> Result<u8> {
        let byte = self.peek()?;
        self.offset += 1;
        Ok(byte)
    }

    fn peek(&self) -> Result<u8> {
        match self.rest().first() {
            Some(byte) => Ok(*byte),
            None => self.fail("unexpected end of input"),
        }
    }

    fn skip(&mut self, length: usize) -> Result<()> {
        if length > self.rest().len() {
            return self.fail("unexpected end of input");
        }
        self.offset += length;
        Ok(())
    }

    fn rest(&self) -> &[u8] {
        self.bytes.get(self.offset..).unwrap_or_default()
    }

    fn check_depth(&self, depth: usize) -> Result<()> {
        if depth > MAX_DEPTH {
            return self.fail(TOO_DEEP);
        }
        Ok(())
    }

    fn fail<T>(&self, problem: &'static str) -> Result<T> {
        Err(Error::Model {
            problem,
            offset: self.offset,
        })
    }
}

fn size_of_number(kind: u8) -> Option<usize> {
    match kind {
        b'i' | b'U' | b'C' => Some(1),
        b'I' => Some(2),
        b'l' | b'd' => Some(4),
        b'L' | b'D' => Some(8),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// `{"a": [#2 [1, 2], [$d 0.5]], "b": "x"}`, with all array encodings that XGBoost writes.
    const DOCUMENT: &[u8] = b"{L\0\0\0\0\0\0\0\x01a[#L\0\0\0\0\0\0\0\x02[i\x01i\x02]\
        [$d#L\0\0\0\0\0\0\0\x01\x3f\0\0\0L\0\0\0\0\0\0\0\x01bSL\0\0\0\0\0\0\0\x01x}";

    #[test]
    fn complete_document_is_accepted() {
        check_model(DOCUMENT).unwrap();
        check_model(b"{\"a\": [1, 2.5e1]}").unwrap();
    }

    #[test]
    fn truncated_document_is_rejected() {
        for length in 0..DOCUMENT.len() {
            assert!(
                check_model(&DOCUMENT[..length]).is_err(),
                "the first {length} bytes are accepted"
            );
        }
        assert!(check_model(b"{\"a\": 1").is_err());
    }

    #[test]
    fn trailing_bytes_are_rejected() {
        assert!(check_model(&[DOCUMENT, b"}"].concat()).is_err());
        assert!(check_model(b"{\"a\": 1}}").is_err());
    }

    #[test]
    fn length_beyond_the_end_is_rejected() {
        let mut altered = DOCUMENT.to_vec();
        altered[2] = 0x7f;
        assert!(check_model(&altered).is_err());
        altered[2] = 0xff;
        assert!(check_model(&altered).is_err());
    }

    #[test]
    fn deeply_nested_document_is_rejected() {
        let key = b"{L\0\0\0\0\0\0\0\0";
        assert!(check_model(&key.repeat(100_000)).is_err());
        assert!(check_model(&[key.as_slice(), &b"[".repeat(100_000)].concat()).is_err());
    }

    #[test]
    fn deeply_nested_json_is_rejected() {
        let nested =
            |depth: usize| format!("{{\"a\": {}{}}}", "[".repeat(depth), "]".repeat(depth));
        check_model(nested(MAX_DEPTH - 1).as_bytes()).unwrap();
        assert!(check_model(nested(MAX_DEPTH).as_bytes()).is_err());
        assert!(check_model(nested(100_000).as_bytes()).is_err());
        let brackets = format!(r#"{{"a\"{0}": "{0}"}}"#, "[{".repeat(100));
        check_model(brackets.as_bytes()).unwrap();
    }

    #[test]
    fn error_has_the_offset() {
        let Err(Error::Model { offset, .. }) = check_model(b"{\"a\":\n1,}") else {
            panic!("a trailing comma is accepted");
        };
        assert_eq!(offset, 9);
    }

    proptest! {
        #[test]
        fn check_never_panics(tail in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = check_model(&[b"{L\0\0\0\0\0\0\0\0".as_slice(), &tail].concat());
        }
    }
}
