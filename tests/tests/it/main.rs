//! The tests of the whole, in one program.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a helper that fails fails its test"
)]

// Every adapter of every port runs the suite of its port.
mod ports;

// The embedded bus: what it pushes, how it retries, gives up, starts again and replays.
mod bus;

// The runtime over real HTTP: the status table, envelopes, repeated deliveries, and repair after every failing step.
mod runtime;

// What terraform passes to the functions, and what they read.
mod deployment;

// Functions as processes: their variables, exit codes, logs and the end by SIGTERM.
mod process;

// Exports that are stopped and run again.
mod export;

// Stories from end to end on the local stack; the two on the real counts of Paris need the reference data.
mod stories;

#[path = "../../../shared/forecasting/tests/it/reference_data.rs"]
mod reference_data;
