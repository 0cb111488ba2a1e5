//! Pages of generated weeks: gathered from ports in memory, and checked without a browser.
//!
//! The test `pages_are_written_for_a_browser` writes them to `target/pages/`.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a failing helper should fail its test"
)]

mod evaluation;
mod index;
mod markup;
mod parts;
mod sample;
mod week;
