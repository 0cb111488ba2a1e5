//! The reject file of a merge, which names the source of each row.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::Context;
use forecasting::counts::{Reject, Rejects};

use crate::support::output::OutputFile;

/// Rows that could not be used, as CSV with the columns `file`, `row`, `reason`, `text`.
pub(super) struct RejectFile {
    path: PathBuf,
    writer: csv::Writer<OutputFile>,
    rows: u64,
    failure: Option<csv::Error>,
}

impl RejectFile {
    /// Begins the file.
    pub(super) fn create(path: &Path) -> anyhow::Result<Self> {
        let mut writer = csv::Writer::from_writer(OutputFile::create(path)?);
        let failure = writer.write_record(["file", "row", "reason", "text"]).err();
        Ok(Self {
            path: path.to_owned(),
            writer,
            rows: 0,
            failure,
        })
    }

    /// Receives the rows of one source.
    pub(super) fn of<'a>(&'a mut self, source: &'a str) -> SourceRejects<'a> {
        SourceRejects {
            file: self,
            source,
            by_reason: BTreeMap::new(),
        }
    }

    /// Ends the file and returns its path. Without rows there is none, nor that of a merge before.
    ///
    /// # Errors
    /// The first failure to write.
    pub(super) fn finish(self) -> anyhow::Result<Option<PathBuf>> {
        let Self {
            path,
            writer,
            rows,
            failure,
        } = self;
        let cannot = || format!("cannot write the reject file {}", path.display());
        failure.map_or(Ok(()), Err).with_context(cannot)?;
        if rows > 0 {
            writer
                .into_inner()
                .map_err(csv::IntoInnerError::into_error)
                .with_context(cannot)?
                .finish()?;
            return Ok(Some(path));
        }
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(error).with_context(|| {
                    format!(
                        "cannot remove {}, the reject file of a merge before",
                        path.display()
                    )
                })
            }
            _ => Ok(None),
        }
    }
}

/// Receives the rejected rows of one source.
pub(super) struct SourceRejects<'a> {
    file: &'a mut RejectFile,
    source: &'a str,
    by_reason: BTreeMap<&'static str, u64>,
}

impl SourceRejects<'_> {
    /// Returns the number of rows for each reason.
    pub(super) fn by_reason(self) -> BTreeMap<&'static str, u64> {
        self.by_reason
    }
}

impl Rejects for SourceRejects<'_> {
    fn reject(&mut self, reject: Reject) {
        *self.by_reason.entry(reject.reason.kind()).or_default() += 1;
        self.file.rows += 1;
        let record = [
            self.source,
            &reject.row.to_string(),
            &reject.reason.to_string(),
            &reject.text,
        ];
        if let Err(error) = self.file.writer.write_record(record) {
            self.file.failure.get_or_insert(error);
        }
    }
}
