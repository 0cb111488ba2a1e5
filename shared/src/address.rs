//! Addresses of stores, buses, warehouses and registries, and the paths of objects.

use std::{fmt, path::PathBuf, str::FromStr};

use serde_with::{DeserializeFromStr, SerializeDisplay};
use url::Url;

/// The host at which a signed-in person opens objects of Cloud Storage.
const CLOUD_STORAGE: &str = "https://storage.cloud.google.com";

/// Returns the address at which a browser opens an object. Only objects in buckets have another
/// address for browsers than for programs.
pub fn web_address(address: &str) -> String {
    match address.strip_prefix("gs://") {
        Some(object) => format!("{CLOUD_STORAGE}/{object}"),
        None => address.to_owned(),
    }
}

/// The address of a store, bus, warehouse or registry. Its scheme selects the implementation.
///
/// No port has a default address: a program without one does not start. `Display`, `Debug` and the
/// errors omit credentials in the address.
#[derive(Clone, PartialEq, Eq)]
pub enum Address {
    /// `memory://`: data in the memory of the process, for any port.
    Memory,
    /// `file:///folder`: files in a local folder, for any port.
    File(PathBuf),
    /// `gs://bucket`: a bucket of Cloud Storage, for the store.
    Bucket(BucketName),
    /// `bigquery://project`: the datasets of a project, for the warehouse.
    BigQuery(ProjectId),
    /// `pubsub://project`: the topics of a project, for the bus.
    PubSub(ProjectId),
    /// `http://…` or `https://…`: an MLflow server, for the registry.
    Mlflow(Url),
}

impl Address {
    const fn is_embedded(&self) -> bool {
        matches!(self, Self::Memory | Self::File(_))
    }

    /// Returns `true` if a store can have this address.
    pub const fn is_store(&self) -> bool {
        self.is_embedded() || matches!(self, Self::Bucket(_))
    }

    /// Returns `true` if a warehouse can have this address.
    pub const fn is_warehouse(&self) -> bool {
        self.is_embedded() || matches!(self, Self::BigQuery(_))
    }

    /// Returns `true` if a registry can have this address.
    pub const fn is_registry(&self) -> bool {
        self.is_embedded() || matches!(self, Self::Mlflow(_))
    }

    /// Returns `true` if a bus can have this address.
    pub const fn is_bus(&self) -> bool {
        self.is_embedded() || matches!(self, Self::PubSub(_))
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let error = |reason| AddressError {
            text: hide_credentials(text),
            reason,
        };
        let (scheme, rest) = text
            .split_once("://")
            .ok_or_else(|| error("expected a scheme, for example file://"))?;
        let name = rest.trim_end_matches('/');
        match scheme {
            "memory" if rest.is_empty() => Ok(Self::Memory),
            "memory" => Err(error("memory:// must not have a path")),
            "file" if rest.starts_with('/') => Ok(Self::File(PathBuf::from(rest))),
            "file" => Err(error(
                "file:// requires an absolute path, for example file:///var/lib/bike-traffic",
            )),
            "gs" => name
                .parse()
                .map(Self::Bucket)
                .map_err(|_| error("gs:// requires a bucket name without a path")),
            "bigquery" => name
                .parse()
                .map(Self::BigQuery)
                .map_err(|_| error("bigquery:// requires a project id")),
            "pubsub" => name
                .parse()
                .map(Self::PubSub)
                .map_err(|_| error("pubsub:// requires a project id")),
            "http" | "https" => text
                .parse()
                .map(Self::Mlflow)
                .map_err(|_| error("not a valid URL")),
            _ => Err(error(
                "expected one of the schemes memory://, file://, gs://, bigquery://, pubsub:// and http(s):// for MLflow",
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
            Self::Mlflow(url) => without_credentials(url).fmt(formatter),
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Address({self})")
    }
}

/// Replaces possible credentials in an unparsed address by an ellipsis: all between the first `//`
/// and the last `@`.
fn hide_credentials(text: &str) -> String {
    let Some(end) = text.rfind('@') else {
        return text.to_owned();
    };
    let start = text[..end].find("//").map_or(0, |slashes| slashes + 2);
    format!("{}…{}", &text[..start], &text[end..])
}

/// Returns a URL without its user name and password, for messages and logs.
pub fn without_credentials(url: &Url) -> Url {
    let mut stripped = url.clone();
    // Both calls fail only for URLs that cannot have credentials.
    let _ = stripped
        .set_username("")
        .and_then(|()| stripped.set_password(None));
    stripped
}

/// The error returned when a text is not a valid [`Address`].
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid address `{text}`: {reason}")]
pub struct AddressError {
    text: String,
    reason: &'static str,
}

/// The error returned when a port cannot be opened at its address.
#[derive(Debug, thiserror::Error)]
#[error("cannot open {address}")]
pub struct OpenError {
    address: String,
    source: Box<dyn std::error::Error + Send + Sync>,
}

impl OpenError {
    /// Creates the error for an address, with its cause.
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
    /// Returns the name as a string slice.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ProjectId {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        // Ids of older projects start with a domain, as in `example.com:project`.
        let valid = |character: char| {
            character.is_ascii_alphanumeric() || matches!(character, '-' | '.' | ':')
        };
        let is_valid = (1..=100).contains(&text.len()) && text.chars().all(valid);
        if is_valid {
            Ok(Self(text.to_owned()))
        } else {
            Err(NameError {
                what: "project id",
                text: text.to_owned(),
                rule: "1 to 100 ASCII alphanumerics, `-`, `.` and `:`",
            })
        }
    }
}

impl fmt::Display for ProjectId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// The name of a Cloud Storage bucket: 3 to 222 ASCII lowercase characters, digits, `-`, `_` and
/// `.`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BucketName(String);

impl BucketName {
    /// Returns the name as a string slice.
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
                what: "bucket name",
                text: text.to_owned(),
                rule: "3 to 222 lowercase ASCII characters, digits, `-`, `_` and `.`",
            })
        }
    }
}

impl fmt::Display for BucketName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// The error returned when a text is not a valid [`ProjectId`] or [`BucketName`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid {what} `{text}`: expected {rule}")]
pub struct NameError {
    what: &'static str,
    text: String,
    /// The characters and the length of a valid name.
    rule: &'static str,
}

/// The path of an object in a store, as in `models/bike-traffic/champion-2021-05-15/model.ubj`.
///
/// Segments are separated by `/`. A segment is not empty and does not start with a dot. The path
/// has no control characters or backslashes, and at most 1,024 bytes, the limit of Cloud Storage.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, SerializeDisplay, DeserializeFromStr,
)]
pub struct ObjectPath(String);

impl ObjectPath {
    const MAX_BYTES: usize = 1024;

    /// Creates a path from a text that the program composes, for example
    /// `format_args!("evaluations/{week}.json")`.
    ///
    /// Never fails: empty segments are dropped, and `-` replaces a leading dot, a backslash or a
    /// control character. Use [`str::parse`] for a text that comes from elsewhere.
    pub fn new(text: impl fmt::Display) -> Self {
        let mut path = String::new();
        for segment in text.to_string().split('/').filter(|text| !text.is_empty()) {
            if !path.is_empty() {
                path.push('/');
            }
            path.extend(segment.chars().enumerate().map(|(at, character)| {
                let is_invalid = character == '\\' || character.is_control();
                if is_invalid || (at == 0 && character == '.') {
                    '-'
                } else {
                    character
                }
            }));
        }
        path.truncate(path.floor_char_boundary(Self::MAX_BYTES));
        let length = path.trim_end_matches('/').len();
        path.truncate(length);
        if path.is_empty() {
            path.push('-');
        }
        Self(path)
    }

    /// Appends one or more segments, as [`ObjectPath::new`] reads them.
    #[must_use]
    pub fn join(&self, segments: impl fmt::Display) -> Self {
        Self::new(format_args!("{self}/{segments}"))
    }

    /// Returns the path as a string slice.
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
        let is_valid = text.len() <= Self::MAX_BYTES
            && text.split('/').all(valid)
            && !text.chars().any(char::is_control);
        if is_valid {
            Ok(Self(text.to_owned()))
        } else {
            Err(ObjectPathError {
                text: text.to_owned(),
            })
        }
    }
}

impl fmt::Display for ObjectPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// The error returned when a text is not a valid [`ObjectPath`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "invalid object path `{text}`: segments must not be empty, start with a dot, or contain control characters"
)]
pub struct ObjectPathError {
    text: String,
}

#[cfg(test)]
mod tests;
