//! Tests of `bike-traffic` as a process, of interrupted and resumed work, and of the printed text.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a helper that fails fails its test"
)]

mod help;
mod last_run;
mod process;
mod publish;
mod reports;
mod retrain;
mod stack_cloud;
mod state_folder;
mod test_system;
mod threads;
