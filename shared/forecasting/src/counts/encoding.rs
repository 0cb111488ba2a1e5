//! The text encodings of exports.

use std::borrow::Cow;

use encoding_rs::{Encoding, WINDOWS_1252};

/// Decodes bytes as UTF-8, or as cp1252 if they are not valid UTF-8.
pub(super) fn decode(bytes: &[u8]) -> Cow<'_, str> {
    decode_as(bytes, WINDOWS_1252)
}

/// Decodes bytes as UTF-8, or with `encoding` if they are not valid UTF-8.
pub(super) fn decode_as<'b>(bytes: &'b [u8], encoding: &'static Encoding) -> Cow<'b, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => encoding.decode_without_bom_handling(bytes).0,
    }
}
