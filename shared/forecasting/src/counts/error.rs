//! The errors of reading an input as a whole.

use std::{io, path::PathBuf};

/// The error for an input that is unusable as a whole.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file cannot be opened.
    #[error("cannot open the counts file {path}", path = path.display())]
    Open {
        /// The path of the file.
        path: PathBuf,
        /// The error of the file system.
        source: io::Error,
    },
    /// The file cannot be read as counts.
    #[error("cannot read counts from {path}", path = path.display())]
    File {
        /// The path of the file.
        path: PathBuf,
        /// The error in its content.
        source: Box<ReadError>,
    },
    /// The input has no bytes, not even a header.
    #[error("the input is empty")]
    EmptyInput,
    /// The input is UTF-16 or binary data.
    #[error("the input is {found}; save it as UTF-8 or cp1252")]
    Encoding {
        /// The detected encoding.
        found: &'static str,
    },
    /// The input is a file of another program.
    #[error("the input is {found}; {advice}")]
    FileType {
        /// The type of the file.
        found: &'static str,
        /// The action that makes it readable.
        advice: &'static str,
    },
    /// The header has a quotation mark that is not closed in its line.
    #[error("a quotation mark is not closed in the header; close or remove it")]
    UnclosedHeader,
    /// A required column is missing.
    #[error("the header has no column `{column}`; it has: {found}")]
    MissingColumn {
        /// The name of the column in the daily tables.
        column: &'static str,
        /// The folded column names of the header.
        found: String,
    },
    /// Reading fails, for example because gzip data is truncated.
    #[error("cannot read the input")]
    Io(#[source] io::Error),
}
