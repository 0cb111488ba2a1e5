//! The report of a merge.

use std::{collections::BTreeMap, fmt};

use serde::Serialize;

use crate::support::table::{Column, Table};

/// The report of a merge.
#[derive(Clone, Debug, Serialize)]
pub struct MergeReport {
    /// The path of the output.
    pub output: String,
    /// The number of counts in the output.
    pub rows: usize,
    /// The number of counters in the output.
    pub counters: usize,
    /// The first and the last hour of the output.
    pub period: String,
    /// The first and the last hour of the fixed test set, which the output excludes.
    pub test_period: Option<String>,
    /// The number of rejected rows of the fixed test set.
    pub test_rejected: u64,
    /// The files that were read, in increasing precedence.
    pub sources: Vec<SourceReport>,
    /// The counters that occur in the exports only.
    pub appeared: Vec<String>,
    /// The counters of the baseline without a count in the last export.
    pub vanished: Vec<String>,
    /// The path of the reject file; `None` if no row was rejected.
    pub rejects: Option<String>,
}

/// The rows of one source file; each row is in exactly one category.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SourceReport {
    /// The path of the file.
    pub file: String,
    /// The number of rows, without the header.
    pub rows: u64,
    /// Counts of hours that no earlier source has.
    pub new: u64,
    /// Counts that replace a different count of an earlier source.
    pub replaced: u64,
    /// Counts equal to the count of an earlier source.
    pub unchanged: u64,
    /// Counts excluded because they are in the test period.
    pub in_test_period: u64,
    /// Rows dropped because the file has another row for the same counter and hour.
    pub duplicates: u64,
    /// The number of rejected rows by reason.
    pub rejected: BTreeMap<&'static str, u64>,
    /// The assumptions that the reader made, as sentences.
    pub notes: Vec<String>,
}

impl SourceReport {
    fn rejected_rows(&self) -> u64 {
        self.rejected.values().sum()
    }
}

impl MergeReport {
    fn table(&self) -> Table<8> {
        let mut table = Table::new([
            Column::text("source").wrapped_to(16),
            Column::number("rows"),
            Column::number("new"),
            Column::number("replaced"),
            Column::number("unchanged").dropped_at(1),
            Column::number("in the\ntest period"),
            Column::number("duplicates").dropped_at(2),
            Column::number("rejected"),
        ]);
        for source in &self.sources {
            table.add_row([
                source.file.clone(),
                source.rows.to_string(),
                source.new.to_string(),
                source.replaced.to_string(),
                source.unchanged.to_string(),
                source.in_test_period.to_string(),
                source.duplicates.to_string(),
                source.rejected_rows().to_string(),
            ]);
        }
        table
    }
}

impl fmt::Display for MergeReport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "{}", self.table())?;
        for source in &self.sources {
            for (reason, rows) in &source.rejected {
                writeln!(formatter, "{}: {rows} rejected: {reason}", source.file)?;
            }
            for note in &source.notes {
                writeln!(formatter, "{}: {note}", source.file)?;
            }
        }
        if let Some(rejects) = &self.rejects {
            writeln!(formatter, "rejected rows: {rejects}")?;
        }
        for (change, names) in [("appeared", &self.appeared), ("vanished", &self.vanished)] {
            if !names.is_empty() {
                writeln!(
                    formatter,
                    "{} counters {change}: {}",
                    names.len(),
                    names.join("; ")
                )?;
            }
        }
        if let Some(test_period) = &self.test_period {
            writeln!(formatter, "excluded test period: {test_period}")?;
        }
        if self.test_rejected > 0 {
            writeln!(
                formatter,
                "fixed test set: {} rows rejected, see {}.test-rejects.csv",
                self.test_rejected, self.output
            )?;
        }
        write!(
            formatter,
            "{}: {} counts of {} counters, {}",
            self.output, self.rows, self.counters, self.period
        )
    }
}
