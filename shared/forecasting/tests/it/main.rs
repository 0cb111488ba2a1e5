//! Integration tests of the common crate, in one program.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a helper that fails fails its test"
)]

mod calendar;
mod drift;
mod metrics;
mod reference_data;
