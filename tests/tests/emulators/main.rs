//! Tests that need the emulators of Google Cloud and an MLflow server. `make test-emulators` starts
//! them and runs these tests.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a helper that fails fails its test"
)]

mod bus;
mod cloud_run;
mod export;
mod gate;
mod place;
mod predictions;
mod process;
mod python_client;
mod registry;
mod sample;
mod snapshot;
mod store;
mod stories;
mod test_system;
mod warehouse;
