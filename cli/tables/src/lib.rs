#![doc = include_str!("../README.md")]

mod columns;
mod union;

pub use columns::Overlap;
pub use union::{Changes, Role, Union};

/// An error of Polars, for example insufficient memory.
#[derive(Debug, thiserror::Error)]
#[error("cannot merge the columns of counts")]
pub struct Error(#[from] polars::error::PolarsError);
