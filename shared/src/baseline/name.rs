//! The names of data sets, derived from their contents.

use std::{fmt, str::FromStr};

use forecasting::{checksum::Checksum, time::Day};
use serde::{Deserialize, Serialize};
use serde_with::{DeserializeFromStr, SerializeDisplay};

use crate::address::ObjectPath;

/// The purpose of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The training data of champions.
    Train,
    /// The fixed test set, on which champions and challengers are scored.
    Test,
}

impl fmt::Display for Role {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Train => "train",
            Self::Test => "test",
        })
    }
}

const DIGITS: usize = 8;

/// The name of a data set: its role, last day and the start of its checksum, as in
/// `train-2021-05-15-cd4328d2`.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, SerializeDisplay, DeserializeFromStr,
)]
pub struct DataSetName(String);

impl DataSetName {
    fn new(role: Role, last: Day, checksum: &Checksum) -> Self {
        Self(format!("{role}-{last}-{}", checksum.short(DIGITS)))
    }

    /// Returns the purpose of the data set.
    pub fn role(&self) -> Role {
        // Every name starts with one of the two roles.
        if self.0.starts_with("train") {
            Role::Train
        } else {
            Role::Test
        }
    }

    /// Returns the path of the counts.
    pub fn object(&self) -> ObjectPath {
        self.path("csv")
    }

    /// Returns the path of the manifest.
    pub fn manifest(&self) -> ObjectPath {
        self.path("json")
    }

    fn path(&self, extension: &str) -> ObjectPath {
        ObjectPath::new(format_args!("{}{}.{extension}", super::FOLDER, self.0))
    }
}

/// Returns the end of the path of a data set with this checksum.
pub(super) fn ending(checksum: &Checksum) -> String {
    format!("-{}.csv", checksum.short(DIGITS))
}

impl FromStr for DataSetName {
    type Err = DataSetNameError;

    fn from_str(text: &str) -> Result<Self, DataSetNameError> {
        let is_valid = || {
            let (role, rest) = text.split_once('-')?;
            let (day, digits) = rest.rsplit_once('-')?;
            day.parse::<Day>().ok()?;
            let is_digit = |character: u8| matches!(character, b'0'..=b'9' | b'a'..=b'f');
            (matches!(role, "train" | "test")
                && digits.len() == DIGITS
                && digits.bytes().all(is_digit))
            .then_some(())
        };
        is_valid()
            .map(|()| Self(text.to_owned()))
            .ok_or_else(|| DataSetNameError {
                text: text.chars().take(60).collect(),
            })
    }
}

impl fmt::Display for DataSetName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// The error returned when a text is not a valid [`DataSetName`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "invalid data set name `{text}`: expected a role, the last day and eight digits, for example train-2021-05-15-cd4328d2"
)]
pub struct DataSetNameError {
    text: String,
}

/// A reference to a data set, by name and full checksum. Models and runs store it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataSet {
    /// The name of the data set.
    pub name: DataSetName,
    /// The checksum of the encoded counts.
    pub sha256: Checksum,
}

impl DataSet {
    /// Creates the reference to a data set from its role, last day and checksum.
    pub fn new(role: Role, last: Day, sha256: Checksum) -> Self {
        Self {
            name: DataSetName::new(role, last, &sha256),
            sha256,
        }
    }
}

impl fmt::Display for DataSet {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.name.fmt(formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_set_name_has_role_last_day_and_checksum() {
        let name = DataSetName::new(
            Role::Test,
            "2021-07-18".parse().unwrap(),
            &Checksum::of(b"hello"),
        );
        assert_eq!(name.to_string(), "test-2021-07-18-2cf24dba");
        assert_eq!(
            name.object().as_str(),
            "data/baselines/test-2021-07-18-2cf24dba.csv"
        );
        assert_eq!(
            name.manifest().as_str(),
            "data/baselines/test-2021-07-18-2cf24dba.json"
        );
        assert_eq!(name.to_string().parse(), Ok(name));
        for text in [
            "",
            "train",
            "train-2021-05-15",
            "train-2021-02-30-cd4328d2",
            "live-2021-05-15-cd4328d2",
            "train-2021-05-15-../x",
        ] {
            assert!(text.parse::<DataSetName>().is_err(), "{text}");
        }
    }
}
