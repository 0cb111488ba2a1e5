//! What an export did.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use forecasting::time::Day;
use serde::Serialize;

use super::month::Month;

/// What an export did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ExportReport {
    /// The folder of the files.
    pub folder: PathBuf,
    /// The first and the last day that were asked for.
    pub asked: (Day, Day),
    /// The first and the last day that have a table.
    pub exported: Option<(Day, Day)>,
    /// The files, in the order of the days.
    pub files: Vec<ExportedFile>,
    /// The counts in all files.
    pub rows: u64,
    /// The months, as in `2021-04`, or parts, as in `2021-04-from-05-to-20`, that the warehouse has written; it had written
    /// the others before.
    pub months_written: Vec<String>,
    /// How many months there are in all.
    pub months: usize,
}

/// A file of an export.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ExportedFile {
    /// Where it is.
    pub path: PathBuf,
    /// The counts in it.
    pub rows: u64,
    /// Its size in bytes.
    pub bytes: u64,
    /// Whether it was downloaded just now.
    pub is_new: bool,
}

impl ExportReport {
    pub(super) fn new(folder: &Path, asked: (Day, Day)) -> Self {
        let (files, months_written) = Default::default();
        Self {
            folder: folder.to_owned(),
            asked,
            exported: None,
            files,
            rows: 0,
            months_written,
            months: 0,
        }
    }

    pub(super) fn add(&mut self, month: &Month, is_new: bool, files: Vec<ExportedFile>) {
        let days = month.tables.keys();
        if let (Some(first), Some(last)) = (days.clone().next(), days.last()) {
            self.exported = Some((self.exported.map_or(*first, |(first, _)| first), *last));
        }
        self.months += 1;
        self.months_written.extend(is_new.then(|| month.label()));
        self.rows += files.iter().map(|file| file.rows).sum::<u64>();
        self.files.extend(files);
    }
}

impl fmt::Display for ExportReport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((first, last)) = self.exported else {
            let (first, last) = self.asked;
            return write!(
                formatter,
                "no day from {first} to {last} has a table: there is nothing to export"
            );
        };
        let (written, months) = (self.months_written.len(), self.months);
        let (downloaded, files) = (
            self.files.iter().filter(|file| file.is_new).count(),
            self.files.len(),
        );
        writeln!(
            formatter,
            "counts from {first} to {last} in {}: {}",
            self.folder.display(),
            self.rows
        )?;
        write!(
            formatter,
            "months exported: {written} of {months}; files downloaded: {downloaded} of {files}; "
        )?;
        formatter.write_str("the others were there already")
    }
}
