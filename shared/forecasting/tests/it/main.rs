//! Integration tests of the crate `forecasting`, in one binary.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a failing helper should fail its test"
)]

mod calendar;
mod correction;
mod drift;
mod features;
mod metrics;
mod reference_data;
