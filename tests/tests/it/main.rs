//! Integration tests of the workspace, in one binary.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a helper that fails fails its test"
)]

// The fake of a collector of traces.
mod collector;

mod ports;

// The embedded bus: delivery, retries, dead letters, restarts and replays.
mod bus;

// The runtime over HTTP: the status table, envelopes, repeated deliveries, and recovery from each
// failing step.
mod runtime;

mod deployment;

mod ready;

mod process;

mod export;

// The seeds of the fuzz targets.
mod fuzz;

// Snapshots of the stored formats.
mod formats;

// Data of the previous version, read with the present types.
mod previous_version;

// End-to-end tests on the local stack. The two on the real counts of Paris need the reference data.
mod stories;

#[path = "../../../shared/forecasting/tests/it/reference_data.rs"]
mod reference_data;
