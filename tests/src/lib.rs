//! What the tests of the whole are made of.
//!
//! - One suite per port: the promises of `Store`, `Warehouse`, `Registry` and `Publisher`, each an async function that
//!   asserts on state and uses nothing but the port. Every adapter runs the same suite, in `tests/it/ports.rs`.
//! - [`failing`]: ports that fail on demand.
//! - [`endpoint`]: a push endpoint that keeps what it gets.
//! - [`bigquery_fake`]: a fake of BigQuery, for what its emulator lacks.
//! - [`storage_fake`]: stands in front of an emulator of Cloud Storage, counts, and does what the emulator cannot.
//!
//! The tests themselves, and the stories told from end to end, are one program: `tests/it/main.rs`.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a helper that fails fails its test"
)]

pub mod bigquery_fake;
pub mod bus_suite;
pub mod endpoint;
pub mod eventually;
pub mod failing;
pub mod registry_suite;
pub mod storage_fake;
pub mod store_suite;
pub mod warehouse_suite;

/// Makes a test of each promise of a suite. Every test has a place of its own, made by the expression `$place`.
#[macro_export]
macro_rules! promises {
    ($suite:ident, $place:expr, [$($promise:ident),* $(,)?]) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $promise() {
                let place = $place;
                $crate::$suite::$promise(&place).await;
            }
        )*
    };
}
