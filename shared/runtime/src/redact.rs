//! Redaction of credentials in texts of other services.

use std::{borrow::Cow, ops::Range};

use base64::{Engine, prelude::BASE64_STANDARD};

/// The schemes of an `Authorization` header, in lowercase.
const BEARER: &str = "bearer ";
const BASIC: &str = "basic ";
/// The minimum length of a bearer token. Shorter words are prose, as in "bearer token".
const SHORTEST_TOKEN: usize = 8;
const ELLIPSIS: char = '…';

/// Replaces the credentials in a text by an ellipsis.
///
/// A server may echo the `Authorization` header of a request in its error, and errors are logged,
/// recorded and published.
pub(super) fn redact(text: &str) -> Cow<'_, str> {
    // The text has the same length: only ASCII characters change.
    let lowercase = text.to_ascii_lowercase();
    let secrets = |scheme: &'static str| {
        lowercase
            .match_indices(scheme)
            .filter_map(move |(start, _)| secret(text, start + scheme.len(), scheme))
    };
    let mut found: Vec<_> = secrets(BEARER).chain(secrets(BASIC)).collect();
    if found.is_empty() {
        return Cow::Borrowed(text);
    }
    found.sort_by_key(|secret| secret.start);
    let (mut redacted, mut end) = (String::with_capacity(text.len()), 0);
    for secret in found {
        // A token may contain the name of a scheme.
        if secret.start >= end {
            redacted.push_str(&text[end..secret.start]);
            redacted.push(ELLIPSIS);
            end = secret.end;
        }
    }
    redacted.push_str(&text[end..]);
    Cow::Owned(redacted)
}

/// Returns the location of the credentials that start at or after `from`, if there are any.
fn secret(text: &str, from: usize, scheme: &str) -> Option<Range<usize>> {
    let rest = text.get(from..)?;
    let token = rest.trim_start_matches(' ');
    let start = from + rest.len() - token.len();
    let is_of_token =
        |character: char| character.is_ascii_alphanumeric() || "-._~+/=".contains(character);
    let length = token.find(|character| !is_of_token(character));
    let token = &token[..length.unwrap_or(token.len())];
    let is_secret = if scheme == BASIC {
        // A user name and a password.
        BASE64_STANDARD
            .decode(token)
            .is_ok_and(|decoded| decoded.contains(&b':'))
    } else {
        token.len() >= SHORTEST_TOKEN
    };
    is_secret.then(|| start..start + token.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_replaced() {
        let cases = [
            // `dTpw` is u:p in base64.
            ("no: Basic dTpw", "no: Basic …"),
            (
                r#"{"message":"no: Basic dTpw","code":1}"#,
                r#"{"message":"no: Basic …","code":1}"#,
            ),
            (
                "BEARER  tok-geheim-en, twice: bearer abc.def.ghi",
                "BEARER  …, twice: bearer …",
            ),
            (
                "Authorization: Bearer bearer-basic-x",
                "Authorization: Bearer …",
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(redact(text), expected);
        }
    }

    #[test]
    fn prose_is_unchanged() {
        for text in [
            "the request has no bearer token",
            "basic information about Vélo",
            "BEARER ",
            "é basic",
            "",
        ] {
            assert_eq!(redact(text), text);
        }
    }
}
