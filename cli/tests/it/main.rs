//! Tests of `bike-traffic` as a process, and of interrupted and resumed work.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a helper that fails fails its test"
)]

mod process;
mod publish;
mod retrain;
mod test_system;
