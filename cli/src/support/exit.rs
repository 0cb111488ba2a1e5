//! How a command ends.

use std::process::ExitCode;

/// A command that ended, but not well.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Messages became dead letters.
    #[error("{dead_letters} messages became dead letters; their reasons are in {address}")]
    DeadLetters {
        /// How many.
        dead_letters: usize,
        /// Where they are kept.
        address: String,
    },
}

const FAILED: u8 = 1;
const DEAD_LETTERS: u8 = 3;

/// Returns the exit code of a process that a signal ended, as shells have it.
pub(crate) const fn of_signal(signal: i32) -> i32 {
    128 + signal
}

/// Prints an error with all its causes, and returns the exit code that the help text promises.
pub(crate) fn report(result: anyhow::Result<()>) -> ExitCode {
    let Err(error) = result else {
        return ExitCode::SUCCESS;
    };
    eprintln!("error: {error:#}");
    match error.downcast_ref::<Failure>() {
        Some(Failure::DeadLetters { .. }) => ExitCode::from(DEAD_LETTERS),
        None => ExitCode::from(FAILED),
    }
}
