//! The functions of a build without the feature `polars`: each returns an error.

use std::{
    io::{Read, Write},
    iter::Empty,
};

use crate::{Overlap, Values};

/// The error of a build without the feature `polars`.
#[derive(Debug, thiserror::Error)]
#[error(
    "this build has no Polars, which merges and Parquet files require; to build it, run `make build`"
)]
pub struct Error;

/// Checks that this build has polars.
///
/// # Errors
/// Always returns an error.
pub const fn require_polars() -> Result<(), Error> {
    Err(Error)
}

/// Columns to which nothing can be added.
pub(crate) struct Columns;

impl Columns {
    pub(crate) fn new(_keys: Vec<i64>, _counts: Vec<u32>) -> Result<Self, Error> {
        Ok(Self)
    }

    pub(crate) fn merge(&mut self, _later: Self) -> Result<Overlap, Error> {
        Err(Error)
    }

    pub(crate) fn rows(&self) -> Result<Empty<(i64, u32)>, Error> {
        Err(Error)
    }
}

/// Writes no Parquet file.
///
/// # Errors
/// Always returns an error.
pub fn write_parquet(_columns: Vec<(String, Values)>, _out: impl Write) -> Result<(), Error> {
    Err(Error)
}

/// Reads no Parquet file.
///
/// # Errors
/// Always returns an error.
pub fn parquet_as_csv(_file: impl Read) -> Result<Vec<u8>, Error> {
    Err(Error)
}

/// Counts no rows of a Parquet file.
///
/// # Errors
/// Always returns an error.
pub fn parquet_rows(_file: impl Read) -> Result<u64, Error> {
    Err(Error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_names_the_command_that_builds_polars() {
        assert!(require_polars().is_err());
        let error = parquet_as_csv(&b"PAR1"[..]).unwrap_err().to_string();
        assert!(error.contains("`make build`"), "{error}");
    }
}
