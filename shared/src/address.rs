//! Addresses: which implementation of a port to use, and where.

use std::{fmt, path::PathBuf, str::FromStr};

use serde::{Deserialize, Serialize};
use url::Url;

/// The address of a store, bus, warehouse or registry; its scheme chooses the implementation.
///
/// A missing address is never a fallback: a program without one does not start. Nothing that shows an address shows a login
/// in it.
#[derive(Clone, PartialEq, Eq)]
pub enum Address {
    /// `memory://`: kept in the process and gone with it. Any port.
    Memory,
    /// `file:///folder`: files in a folder of this machine. Any port.
    File(PathBuf),
    /// `gs://bucket`: a bucket of Cloud Storage. A store.
    Bucket(BucketName),
    /// `bigquery://project`: the datasets of a project. A warehouse.
    BigQuery(ProjectId),
    /// `pubsub://project`: the topics of a project. A bus.
    PubSub(ProjectId),
    /// `http://…` or `https://…`: an MLflow server. A registry.
    Mlflow(Url),
}

impl Address {
    const fn is_embedded(&self) -> bool {
        matches!(self, Self::Memory | Self::File(_))
    }

    /// Tells whether a store can be there.
    pub const fn is_store(&self) -> bool {
        self.is_embedded() || matches!(self, Self::Bucket(_))
    }

    /// Tells whether a warehouse can be there.
    pub const fn is_warehouse(&self) -> bool {
        self.is_embedded() || matches!(self, Self::BigQuery(_))
    }

    /// Tells whether a registry can be there.
    pub const fn is_registry(&self) -> bool {
        self.is_embedded() || matches!(self, Self::Mlflow(_))
    }

    /// Tells whether a bus can be there.
    pub const fn is_bus(&self) -> bool {
        self.is_embedded() || matches!(self, Self::PubSub(_))
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let error = |reason| AddressError {
            text: hide_login(text),
            reason,
        };
        let (scheme, rest) = text
            .split_once("://")
            .ok_or_else(|| error("it has no scheme such as file://"))?;
        let place = rest.trim_end_matches('/');
        match scheme {
            "memory" if rest.is_empty() => Ok(Self::Memory),
            "memory" => Err(error("memory:// takes no path")),
            "file" if rest.starts_with('/') => Ok(Self::File(PathBuf::from(rest))),
            "file" => Err(error(
                "file:// needs an absolute path, as in file:///var/lib/bike-traffic",
            )),
            "gs" => place
                .parse()
                .map(Self::Bucket)
                .map_err(|_| error("gs:// needs a bucket's name and nothing else")),
            "bigquery" => place
                .parse()
                .map(Self::BigQuery)
                .map_err(|_| error("bigquery:// needs a project's id")),
            "pubsub" => place
                .parse()
                .map(Self::PubSub)
                .map_err(|_| error("pubsub:// needs a project's id")),
            "http" | "https" => text
                .parse()
                .map(Self::Mlflow)
                .map_err(|_| error("it is no URL")),
            _ => Err(error(
                "the schemes are memory://, file://, gs://, bigquery://, pubsub:// and http(s):// for MLflow",
            )),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => formatter.write_str("memory://"),
            Self::File(path) => write!(formatter, "file://{}", path.display()),
            Self::Bucket(bucket) => write!(formatter, "gs://{bucket}"),
            Self::BigQuery(project) => write!(formatter, "bigquery://{project}"),
            Self::PubSub(project) => write!(formatter, "pubsub://{project}"),
            Self::Mlflow(url) => without_login(url).fmt(formatter),
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Address({self})")
    }
}

/// Hides in a text that should be an address what may be a login: all between the first `//` and the last `@`.
fn hide_login(text: &str) -> String {
    let Some(end) = text.rfind('@') else {
        return text.to_owned();
    };
    let start = text[..end].find("//").map_or(0, |slashes| slashes + 2);
    format!("{}…{}", &text[..start], &text[end..])
}

/// Returns a URL as it may be shown and logged.
pub fn without_login(url: &Url) -> Url {
    let mut shown = url.clone();
    // Refused only for URLs that cannot have a login.
    let _ = shown
        .set_username("")
        .and_then(|()| shown.set_password(None));
    shown
}

/// An address that names no implementation.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot use the address `{text}`: {reason}")]
pub struct AddressError {
    text: String,
    reason: &'static str,
}

/// A place that cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot open {address}")]
pub struct OpenError {
    address: String,
    source: Box<dyn std::error::Error + Send + Sync>,
}

impl OpenError {
    /// Says which place, and why not.
    pub fn new(
        address: &Address,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self {
            address: address.to_string(),
            source: source.into(),
        }
    }
}

/// The id of a Google Cloud project, as in `bike-traffic-prod`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ProjectId(String);

impl ProjectId {
    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ProjectId {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        // Letters, digits and hyphens; older projects have a domain in front, as in `example.com:project`.
        let valid = |character: char| {
            character.is_ascii_alphanumeric() || matches!(character, '-' | '.' | ':')
        };
        let is_valid = (1..=100).contains(&text.len()) && text.chars().all(valid);
        if is_valid {
            Ok(Self(text.to_owned()))
        } else {
            Err(NameError {
                what: "project",
                text: text.to_owned(),
            })
        }
    }
}

impl fmt::Display for ProjectId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// The name of a bucket of Cloud Storage.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BucketName(String);

impl BucketName {
    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for BucketName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let valid = |character: char| {
            character.is_ascii_lowercase()
                || character.is_ascii_digit()
                || matches!(character, '-' | '_' | '.')
        };
        let is_valid = (3..=222).contains(&text.len()) && text.chars().all(valid);
        if is_valid {
            Ok(Self(text.to_owned()))
        } else {
            Err(NameError {
                what: "bucket",
                text: text.to_owned(),
            })
        }
    }
}

impl fmt::Display for BucketName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A text that is no name of a project or bucket.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no name of a {what}")]
pub struct NameError {
    what: &'static str,
    text: String,
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
        let valid = |segment: &str| {
            !segment.is_empty() && !segment.starts_with('.') && !segment.contains('\\')
        };
        let is_valid =
            text.len() <= 1024 && text.split('/').all(valid) && !text.chars().any(char::is_control);
        if is_valid {
            Ok(Self(text.to_owned()))
        } else {
            Err(ObjectPathError {
                text: text.to_owned(),
            })
        }
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
mod tests;
