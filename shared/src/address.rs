//! Addresses: which implementation of a port to use, and where.

use std::{fmt, path::PathBuf, str::FromStr};

use serde::{Deserialize, Serialize};

/// The address of a store, bus, warehouse or registry; its scheme chooses the implementation.
///
/// A missing address is never a fallback: a program without one does not start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// `memory://`: kept in the process and gone with it.
    Memory,
    /// `file:///folder`: files in a folder of this machine.
    File(PathBuf),
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let error = |reason| AddressError { text: text.to_owned(), reason };
        let (scheme, rest) = text.split_once("://").ok_or_else(|| error("it has no scheme such as file://"))?;
        match scheme {
            "memory" if rest.is_empty() => Ok(Self::Memory),
            "memory" => Err(error("memory:// takes no path")),
            "file" if rest.starts_with('/') => Ok(Self::File(PathBuf::from(rest))),
            "file" => Err(error("file:// needs an absolute path, as in file:///var/lib/bike-traffic")),
            _ => Err(error("this program knows the schemes file:// and memory://")),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => formatter.write_str("memory://"),
            Self::File(path) => write!(formatter, "file://{}", path.display()),
        }
    }
}

/// An address that names no implementation.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot use the address `{text}`: {reason}")]
pub struct AddressError {
    text: String,
    reason: &'static str,
}

/// The name of an object within a store: `models/bike-traffic/champion-2021-05-15/model.ubj`.
///
/// Segments are separated by `/`; none is empty, `.`, `..` or begins with a dot; no control characters; at most
/// 1,024 bytes, which is the limit of Cloud Storage.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ObjectPath(String);

impl ObjectPath {
    /// Returns the whole name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ObjectPath {
    type Err = ObjectPathError;

    fn from_str(text: &str) -> Result<Self, ObjectPathError> {
        let sound = |segment: &str| !segment.is_empty() && !segment.starts_with('.') && !segment.contains('\\');
        let is_sound = text.len() <= 1024 && text.split('/').all(sound) && !text.chars().any(char::is_control);
        if is_sound { Ok(Self(text.to_owned())) } else { Err(ObjectPathError { text: text.to_owned() }) }
    }
}

impl TryFrom<String> for ObjectPath {
    type Error = ObjectPathError;

    fn try_from(text: String) -> Result<Self, ObjectPathError> {
        text.parse()
    }
}

impl From<ObjectPath> for String {
    fn from(path: ObjectPath) -> Self {
        path.0
    }
}

impl fmt::Display for ObjectPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A text that is no name of an object.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is no object path: segments between slashes must not be empty, begin with a dot or hold control characters"
)]
pub struct ObjectPathError {
    text: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scheme_chooses() {
        assert_eq!("memory://".parse(), Ok(Address::Memory));
        assert_eq!("file:///srv/state".parse(), Ok(Address::File("/srv/state".into())));
        for text in ["", "state", "file://state", "memory://x", "ftp://host/x"] {
            let error = text.parse::<Address>().unwrap_err().to_string();
            assert!(error.contains(&format!("`{text}`")), "{error}");
        }
    }

    #[test]
    fn an_object_path_cannot_leave_its_store() {
        assert!("data/train_baseline.csv".parse::<ObjectPath>().is_ok());
        for text in ["", "/etc/passwd", "a//b", "../a", "a/../b", "a/.hidden", "a\\b", "a\nb", "a/"] {
            assert!(text.parse::<ObjectPath>().is_err(), "{text:?}");
        }
        assert!("a".repeat(1025).parse::<ObjectPath>().is_err());
    }
}
