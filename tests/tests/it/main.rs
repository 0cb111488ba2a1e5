//! The tests of the whole, in one program.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a helper that fails fails its test")]

// Every adapter of every port runs the suite of its port.
mod ports;
