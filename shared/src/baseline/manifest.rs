//! What is known of a data set, written beside it.

use forecasting::checksum::Checksum;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{DataSet, DataSetName, Role};
use crate::address::ObjectPath;

/// The format of manifests that this program writes; docs/data.md describes it.
pub const FORMAT: u32 = 1;

/// What is known of a data set. Never changed once it is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The format of this manifest.
    pub format: u32,
    /// The name.
    pub name: DataSetName,
    /// What the data set is for.
    pub role: Role,
    /// The object that holds the counts, in the same store.
    pub object: ObjectPath,
    /// The checksum of that object.
    pub sha256: Checksum,
    /// The size of that object.
    pub bytes: u64,
    /// The number of counts, one for each counter and hour.
    pub rows: u64,
    /// When the first hour that was counted began.
    pub first_hour: Timestamp,
    /// When the last hour that was counted began.
    pub last_hour: Timestamp,
    /// The names of the counters, in the order of their folded names.
    pub counters: Vec<String>,
    /// The files that it was made of, in the order in which they were merged.
    pub sources: Vec<Source>,
    /// The data set that this one continues.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<DataSetName>,
}

impl Manifest {
    /// Returns what others refer to it by.
    pub fn data_set(&self) -> DataSet {
        DataSet {
            name: self.name.clone(),
            sha256: self.sha256.clone(),
        }
    }
}

/// A file that counts were read from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The file's or object's name, without the folder of the machine it was on.
    pub name: String,
    /// The checksum of the file, draft as it was.
    pub sha256: Checksum,
    /// The rows that were read from it.
    pub rows: u64,
}
