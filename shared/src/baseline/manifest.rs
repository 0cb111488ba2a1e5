//! The manifest of a data set, stored next to it.

use forecasting::checksum::Checksum;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{DataSet, DataSetName, Role};
use crate::address::ObjectPath;

/// The manifest format that this program writes, described in docs/data.md.
pub const FORMAT: u32 = 1;

/// The description of a data set. It is immutable once written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The format of this manifest, see [`FORMAT`].
    pub format: u32,
    /// The name of the data set.
    pub name: DataSetName,
    /// The purpose of the data set.
    pub role: Role,
    /// The path of the counts in the same store.
    pub object: ObjectPath,
    /// The checksum of that object.
    pub sha256: Checksum,
    /// The size of that object in bytes.
    pub bytes: u64,
    /// The number of counts, one per counter and hour.
    pub rows: u64,
    /// The start of the first counted hour.
    pub first_hour: Timestamp,
    /// The start of the last counted hour.
    pub last_hour: Timestamp,
    /// The names of the counters, sorted by their folded names.
    pub counters: Vec<String>,
    /// The files that the counts were read from, in the order of merging.
    pub sources: Vec<Source>,
    /// The data set that this one continues.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<DataSetName>,
}

impl Manifest {
    /// Returns the name and checksum, by which models and runs refer to the data set.
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
    /// The name of the file or object, without its local folder.
    pub name: String,
    /// The checksum of the file as read, before decompression.
    pub sha256: Checksum,
    /// The number of rows read from the file.
    pub rows: u64,
}
