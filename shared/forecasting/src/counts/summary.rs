//! The summary of reading a file: each row is a count, a duplicate or rejected.

use std::fmt;

use serde::Serialize;

use super::Counts;

/// The counts of an export, one per counter and hour, and the summary of its rows.
#[derive(Clone, Debug, Default)]
pub struct Export {
    /// The counts, sorted by hour and counter.
    pub counts: Counts,
    /// The summary of the rows.
    pub summary: ReadSummary,
}

/// The rows of a file by outcome: `rows` is the sum of `counts`, `duplicates` and `rejected`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ReadSummary {
    /// The number of rows, without the header and empty lines.
    pub rows: u64,
    /// The number of counts, one per counter and hour.
    pub counts: u64,
    /// The number of rows dropped because another row has the same counter and hour.
    pub duplicates: u64,
    /// The number of rejected rows.
    pub rejected: u64,
    /// The number of rows without an offset in an hour that occurs twice, read as winter time.
    pub repeated_hours: u64,
    /// The number of rows whose coordinates cannot be parsed. Their counts are used.
    pub unreadable_coordinates: u64,
    /// The first coordinates that cannot be parsed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unreadable_example: Option<String>,
    /// The name of the column of the coordinates, if it is in an unknown encoding.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub misspelt_column: Option<String>,
    /// The counters that share a name with others in the same hour, with their id in the name.
    pub separated_counters: Vec<String>,
}

impl ReadSummary {
    /// Returns `true` if each row is a count, a duplicate or rejected.
    pub const fn is_balanced(&self) -> bool {
        self.rows == self.counts + self.duplicates + self.rejected
    }

    /// Returns one sentence for each assumption that the reader made, in the order of its fields.
    pub fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if self.repeated_hours > 0 {
            notes.push(format!(
                "{} rows without an offset are in an hour that occurs twice; read as winter time",
                self.repeated_hours
            ));
        }
        if self.unreadable_coordinates > 0 {
            notes.push(format!(
                "{} rows have coordinates that cannot be parsed, such as `{}`; their counts are used",
                self.unreadable_coordinates,
                self.unreadable_example.as_deref().unwrap_or_default()
            ));
        }
        if let Some(column) = &self.misspelt_column {
            notes.push(format!(
                "the column `{column}` is read as `coordonnees_geographiques`; names of counters with accents are \
                 misspelt, so save the file as UTF-8"
            ));
        }
        if !self.separated_counters.is_empty() {
            notes.push(format!(
                "{} counters share a name in the same hours and are named with their id: {}",
                self.separated_counters.len(),
                self.separated_counters.join("; ")
            ));
        }
        notes
    }
}

impl fmt::Display for ReadSummary {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} rows read: {} counts, {} duplicates, {} rejected",
            self.rows, self.counts, self.duplicates, self.rejected
        )
    }
}
