#![doc = include_str!("../README.md")]

mod columns;
mod union;

pub use columns::Overlap;
pub use union::{Changes, Role, Union};

/// An error of the column engine: the counts do not fit into memory, or columns do not match.
#[derive(Debug, thiserror::Error)]
#[error("cannot merge the columns of counts")]
pub struct Error(#[from] polars::error::PolarsError);
