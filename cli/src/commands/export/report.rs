//! The report of an export.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use forecasting::time::Day;
use serde::Serialize;

use super::month::Month;

/// The report of an export.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ExportReport {
    /// The output folder.
    pub folder: PathBuf,
    /// The first and the last requested day.
    pub asked: (Day, Day),
    /// The first and the last exported day; `None` if no requested day has a table.
    pub exported: Option<(Day, Day)>,
    /// The files in the order of their days.
    pub files: Vec<ExportedFile>,
    /// The number of counts in all files.
    pub rows: u64,
    /// The months that the warehouse exported in this run, for example `2021-04`, or
    /// `2021-04-from-05-to-20` for a part.
    pub months_written: Vec<String>,
    /// The number of months in the range, exported in this run or earlier.
    pub months: usize,
}

/// An exported file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ExportedFile {
    /// The path of the file.
    pub path: PathBuf,
    /// The number of counts in the file.
    pub rows: u64,
    /// The size in bytes.
    pub bytes: u64,
    /// If `true`, the file was downloaded in this run.
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
                "nothing to export: no day from {first} to {last} has a table"
            );
        };
        let (written, months) = (self.months_written.len(), self.months);
        let (downloaded, files) = (
            self.files.iter().filter(|file| file.is_new).count(),
            self.files.len(),
        );
        writeln!(
            formatter,
            "{} counts from {first} to {last} in {}",
            self.rows,
            self.folder.display()
        )?;
        write!(
            formatter,
            "months exported: {written} of {months}; files downloaded: {downloaded} of {files}; "
        )?;
        formatter.write_str("the others were up to date")
    }
}
