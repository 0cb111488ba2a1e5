//! The reject file of a merge, with the source of each row.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::Context;
use forecasting::counts::{Reject, Rejects};

use crate::support::output::OutputFile;

/// The rejected rows as CSV with the columns `file`, `row`, `reason` and `text`.
pub(super) struct RejectFile {
    path: PathBuf,
    writer: csv::Writer<OutputFile>,
    rows: u64,
    failure: Option<csv::Error>,
}

impl RejectFile {
    /// Creates the file and writes its header.
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

    /// Returns a receiver for the rejected rows of one source.
    pub(super) fn of<'a>(&'a mut self, source: &'a str) -> SourceRejects<'a> {
        SourceRejects {
            file: self,
            source,
            by_reason: BTreeMap::new(),
        }
    }

    /// Finishes the file and returns its path.
    ///
    /// Without rejected rows, returns `None` and removes the reject file of an earlier merge.
    ///
    /// # Errors
    /// Returns the first write error.
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
                        "cannot remove the reject file {} of an earlier merge",
                        path.display()
                    )
                })
            }
            _ => Ok(None),
        }
    }
}

/// A receiver for the rejected rows of one source.
pub(super) struct SourceRejects<'a> {
    file: &'a mut RejectFile,
    source: &'a str,
    by_reason: BTreeMap<&'static str, u64>,
}

impl SourceRejects<'_> {
    /// Returns the number of rejected rows by reason.
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
