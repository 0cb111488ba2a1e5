//! How a command ends.

use std::{fmt, process::ExitCode};

use serde::Serialize;

/// A command that ended, but not well.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Messages became dead letters.
    #[error("{letters} messages became dead letters; their reasons are in {address}")]
    DeadLetters {
        /// How many.
        letters: usize,
        /// Where they are kept.
        address: String,
    },
}

const FAILED: u8 = 1;
const DEAD_LETTERS: u8 = 3;

/// Prints the result of a command: as text, or as JSON.
///
/// # Errors
/// When it has no JSON.
pub(crate) fn print<T: Serialize + fmt::Display>(result: &T, as_json: bool) -> anyhow::Result<()> {
    if as_json {
        println!("{}", serde_json::to_string_pretty(result)?);
    } else {
        println!("{result}");
    }
    Ok(())
}

/// Prints an error with all its causes, and returns the exit code that the help text promises.
pub(crate) fn report(result: anyhow::Result<()>) -> ExitCode {
    let Err(error) = result else { return ExitCode::SUCCESS };
    eprintln!("error: {error:#}");
    match error.downcast_ref::<Failure>() {
        Some(Failure::DeadLetters { .. }) => ExitCode::from(DEAD_LETTERS),
        None => ExitCode::from(FAILED),
    }
}
