//! What a merge prints.

use std::{collections::BTreeMap, fmt};

use comfy_table::{CellAlignment, Table, presets::UTF8_HORIZONTAL_ONLY};
use serde::Serialize;

/// The outcome of a merge.
#[derive(Clone, Debug, Serialize)]
pub struct MergeReport {
    /// The file that was written.
    pub output: String,
    /// The counts in it.
    pub rows: usize,
    /// The counters in it.
    pub counters: usize,
    /// Its first and its last hour.
    pub period: String,
    /// The first and the last hour of the fixed test set, which is not in it.
    pub test_period: Option<String>,
    /// The files that were read, the later winning.
    pub sources: Vec<SourceReport>,
    /// The counters that are in exports only.
    pub appeared: Vec<String>,
    /// The counters that are in the baseline and have no count in the last export.
    pub vanished: Vec<String>,
    /// The file with the rows that could not be used, if there are any.
    pub rejects: Option<String>,
}

/// What was in a file: each of its rows is counted once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SourceReport {
    /// The file.
    pub file: String,
    /// Its rows without the header.
    pub rows: u64,
    /// The counts for hours that no source before had.
    pub new: u64,
    /// The counts that differ from that of a source before, and stand in its place.
    pub replaced: u64,
    /// The counts that a source before had already.
    pub unchanged: u64,
    /// The counts left out since they lie in the test period.
    pub in_test_period: u64,
    /// The rows that went because of another of the file for the same counter and hour.
    pub duplicates: u64,
    /// The rows that could not be used, by reason.
    pub rejected: BTreeMap<&'static str, u64>,
}

impl SourceReport {
    fn rejected_rows(&self) -> u64 {
        self.rejected.values().sum()
    }
}

impl MergeReport {
    fn table(&self) -> Table {
        let mut table = Table::new();
        table.load_style(UTF8_HORIZONTAL_ONLY).set_header([
            "source",
            "rows",
            "new",
            "replaced",
            "unchanged",
            "in the test period",
            "duplicates",
            "rejected",
        ]);
        for source in &self.sources {
            let figures = [
                source.rows,
                source.new,
                source.replaced,
                source.unchanged,
                source.in_test_period,
                source.duplicates,
                source.rejected_rows(),
            ];
            table.add_row(
                std::iter::once(source.file.clone())
                    .chain(figures.map(|figure| figure.to_string())),
            );
        }
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        table
    }
}

impl fmt::Display for MergeReport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "{}", self.table())?;
        for source in &self.sources {
            for (reason, rows) in &source.rejected {
                writeln!(formatter, "{}: {rows} rejected, {reason}", source.file)?;
            }
        }
        if let Some(rejects) = &self.rejects {
            writeln!(formatter, "rejected rows: {rejects}")?;
        }
        for (what, names) in [("appeared", &self.appeared), ("vanished", &self.vanished)] {
            if !names.is_empty() {
                writeln!(
                    formatter,
                    "{} counters {what}: {}",
                    names.len(),
                    names.join("; ")
                )?;
            }
        }
        if let Some(test_period) = &self.test_period {
            writeln!(formatter, "left out: {test_period}, the test period")?;
        }
        write!(
            formatter,
            "{}: {} counts of {} counters, {}",
            self.output, self.rows, self.counters, self.period
        )
    }
}
