//! Checksums of contents.

use std::{
    fmt,
    io::{self, Read},
    str::FromStr,
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// A SHA-256, written as 64 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Checksum(String);

impl Checksum {
    /// Computes the checksum of bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(format!("{:x}", Sha256::digest(bytes)))
    }

    /// Computes the checksum of all that is left to read.
    ///
    /// # Errors
    /// When the input breaks off.
    pub fn of_reader(mut input: impl Read) -> io::Result<Self> {
        let mut digest = Sha256::new();
        io::copy(&mut input, &mut digest)?;
        Ok(Self(format!("{:x}", digest.finalize())))
    }

    /// Returns the first digits, for names; all 64 at most.
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

impl TryFrom<String> for Checksum {
    type Error = ChecksumError;

    fn try_from(text: String) -> Result<Self, ChecksumError> {
        text.parse()
    }
}

impl From<Checksum> for String {
    fn from(checksum: Checksum) -> Self {
        checksum.0
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A text that is no checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a SHA-256 has 64 hexadecimal digits in lowercase")]
pub struct ChecksumError;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_what_sha256sum_prints() {
        let text = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
        assert_eq!(Checksum::of(b"hello").to_string(), text);
        assert_eq!(
            Checksum::of_reader(&b"hello"[..]).unwrap(),
            Checksum::of(b"hello")
        );
        assert_eq!(
            (text.parse(), Checksum::of(b"hello").short(8)),
            (Ok(Checksum::of(b"hello")), "2cf24dba")
        );
        assert_eq!(text.to_uppercase().parse::<Checksum>(), Err(ChecksumError));
    }
}
