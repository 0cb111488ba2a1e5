//! Suites, fakes and helpers of the integration tests.
//!
//! - One suite per port: `Store`, `Warehouse`, `Registry` and `Publisher`. Each test is an async
//!   function that asserts on state and uses only the port. Every adapter runs the same suite, in
//!   `tests/it/ports.rs`.
//! - [`failing`]: ports that fail on demand.
//! - [`endpoint`]: a push endpoint that records its requests.
//! - [`bigquery_fake`]: a fake of BigQuery, for the behaviour that its emulator lacks.
//! - [`storage_fake`]: a proxy of the Cloud Storage emulator that records requests and injects
//!   faults.
//! - [`fuzz`]: the checks of the fuzz targets in the folder `fuzz`.
//!
//! The integration tests and the end-to-end stories are one program: `tests/it/main.rs`. The
//! simulation of faults is another: `tests/simulation/main.rs`.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a panic in a helper fails its test"
)]

pub mod bigquery_fake;
pub mod bus_suite;
pub mod endpoint;
pub mod eventually;
pub mod failing;
pub mod fuzz;
pub mod registry_suite;
pub mod storage_fake;
pub mod store_suite;
pub mod warehouse_suite;

/// Expands to one test per function of a suite. The expression `$target` creates the target of each
/// test.
#[macro_export]
macro_rules! suite_tests {
    ($suite:ident, $target:expr, [$($test:ident),* $(,)?]) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $test() {
                let target = $target;
                $crate::$suite::$test(&target).await;
            }
        )*
    };
}
