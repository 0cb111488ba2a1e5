#![doc = include_str!("../README.md")]

#[cfg(feature = "polars")]
mod columns;
#[cfg(feature = "polars")]
mod parquet;
mod shared_names;
mod union;
mod values;
#[cfg(not(feature = "polars"))]
mod without_polars;

pub use union::{Changes, Overlap, Role, Union};
pub use values::Values;

#[cfg(feature = "polars")]
use columns::Columns;
#[cfg(feature = "polars")]
pub use parquet::{parquet_as_csv, parquet_rows, write_parquet};
#[cfg(not(feature = "polars"))]
use without_polars::Columns;
#[cfg(not(feature = "polars"))]
pub use without_polars::{Error, parquet_as_csv, parquet_rows, require_polars, write_parquet};

/// An error of Polars, for example insufficient memory or a malformed Parquet file.
#[cfg(feature = "polars")]
#[derive(Debug, thiserror::Error)]
#[error("cannot process the columns of the table")]
pub struct Error(#[from] polars::error::PolarsError);

/// Checks that this build has polars.
///
/// # Errors
/// Returns an error if the feature `polars` is disabled.
#[cfg(feature = "polars")]
pub const fn require_polars() -> Result<(), Error> {
    Ok(())
}
