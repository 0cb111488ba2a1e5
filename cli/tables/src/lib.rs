#![doc = include_str!("../README.md")]

mod columns;
mod parquet;
mod union;

pub use columns::Overlap;
pub use parquet::{Values, parquet_as_csv, parquet_rows, write_parquet};
pub use union::{Changes, Role, Union};

/// An error of Polars, for example insufficient memory or a malformed Parquet file.
#[derive(Debug, thiserror::Error)]
#[error("cannot process the columns of the table")]
pub struct Error(#[from] polars::error::PolarsError);
