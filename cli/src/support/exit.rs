//! Exit codes of the commands.

use std::process::ExitCode;

use shared::error_text::with_causes;

use super::stdout;

/// The failure of a command that ran to its end.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Some messages became dead letters.
    #[error("{dead_letters} messages became dead letters; see the reasons in {address}")]
    DeadLetters {
        /// The number of dead letters.
        dead_letters: usize,
        /// The location of the dead letters.
        address: String,
    },
}

const FAILED: u8 = 1;
const DEAD_LETTERS: u8 = 3;

/// Returns the conventional exit code of a process terminated by a signal.
pub(crate) const fn of_signal(signal: i32) -> i32 {
    128 + signal
}

/// Prints an error with all its causes and returns the exit code documented in the help.
pub(crate) fn report(result: anyhow::Result<()>) -> ExitCode {
    let Err(error) = result else {
        return ExitCode::SUCCESS;
    };
    eprintln!("error: {}", stdout::escaped(&text_of(&error)));
    match error.downcast_ref::<Failure>() {
        Some(Failure::DeadLetters { .. }) => ExitCode::from(DEAD_LETTERS),
        None => ExitCode::from(FAILED),
    }
}

/// Returns an error and its causes on one line, each once.
pub(crate) fn text_of(error: &anyhow::Error) -> String {
    let error: &(dyn std::error::Error + Send + Sync) = error.as_ref();
    with_causes(error)
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    #[test]
    fn each_cause_is_printed_once() {
        let error = anyhow!("no route to host")
            .context("cannot get a token: no route to host")
            .context("cannot read the status");
        assert_eq!(
            text_of(&error),
            "cannot read the status: cannot get a token: no route to host"
        );
    }
}
