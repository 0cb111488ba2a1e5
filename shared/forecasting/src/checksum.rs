//! SHA-256 checksums of stored files.

use std::{
    fmt,
    io::{self, Read},
    str::FromStr,
};

use serde_with::{DeserializeFromStr, SerializeDisplay};
use sha2::{Digest, Sha256};

/// A SHA-256 checksum, formatted as 64 lowercase hexadecimal digits.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, SerializeDisplay, DeserializeFromStr,
)]
pub struct Checksum(String);

impl Checksum {
    /// Computes the checksum of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(format!("{:x}", Sha256::digest(bytes)))
    }

    /// Reads `input` to its end and computes the checksum of the bytes.
    ///
    /// # Errors
    /// Returns an error if reading fails.
    pub fn from_reader(mut input: impl Read) -> io::Result<Self> {
        let mut digest = Sha256::new();
        io::copy(&mut input, &mut digest)?;
        Ok(Self(format!("{:x}", digest.finalize())))
    }

    /// Returns the first `digits` digits, for use in names. Returns all 64 if `digits` is larger.
    pub fn short(&self, digits: usize) -> &str {
        self.0.get(..digits).unwrap_or(&self.0)
    }
}

impl FromStr for Checksum {
    type Err = ChecksumError;

    fn from_str(text: &str) -> Result<Self, ChecksumError> {
        let is_digit = |character: u8| matches!(character, b'0'..=b'9' | b'a'..=b'f');
        let is_valid = text.len() == 64 && text.bytes().all(is_digit);
        if is_valid {
            Ok(Self(text.to_owned()))
        } else {
            Err(ChecksumError)
        }
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// The error for text that is not a checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid SHA-256 checksum: expected 64 lowercase hexadecimal digits")]
pub struct ChecksumError;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksum_equals_the_output_of_sha256sum() {
        let text = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
        assert_eq!(Checksum::of(b"hello").to_string(), text);
        assert_eq!(
            Checksum::from_reader(&b"hello"[..]).unwrap(),
            Checksum::of(b"hello")
        );
        assert_eq!(
            (text.parse(), Checksum::of(b"hello").short(8)),
            (Ok(Checksum::of(b"hello")), "2cf24dba")
        );
        assert_eq!(text.to_uppercase().parse::<Checksum>(), Err(ChecksumError));
    }
}
