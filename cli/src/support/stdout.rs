//! Output of command reports, as text or JSON.

use std::{
    fmt,
    io::{self, Write},
};

use anyhow::Context;
use serde::Serialize;

/// Prints the report of a command to standard output.
///
/// A closed pipe is not an error, so that output can be piped to commands like `head`.
///
/// # Errors
/// Returns an error if standard output cannot be written.
pub(crate) fn print<R: Serialize + fmt::Display>(report: &R, as_json: bool) -> anyhow::Result<()> {
    let text = if as_json {
        serde_json::to_string_pretty(report)?
    } else {
        report.to_string()
    };
    write(format!("{}\n", text.trim_end()).as_bytes())
}

/// Writes bytes to standard output; a closed pipe is not an error, as in [`print()`].
pub(crate) fn write(bytes: &[u8]) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.context("cannot write to standard output"),
    }
}

/// Prints a progress line to standard output, or to standard error if `as_json` is set.
pub(crate) fn print_line(line: &str, as_json: bool) {
    // A closed output must not stop the command.
    let _ = if as_json {
        writeln!(io::stderr(), "{line}")
    } else {
        writeln!(io::stdout(), "{line}")
    };
}
