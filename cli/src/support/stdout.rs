//! What a command prints: its report, as text for people or as JSON for programs.

use std::{
    fmt,
    io::{self, Write},
};

use anyhow::Context;
use serde::Serialize;

/// Prints the report of a command to standard output.
///
/// # Errors
/// When standard output cannot be written; a reader that has seen enough, as `head` does, is no error.
pub(crate) fn print<R: Serialize + fmt::Display>(report: &R, as_json: bool) -> anyhow::Result<()> {
    let text = if as_json {
        serde_json::to_string_pretty(report)?
    } else {
        report.to_string()
    };
    write(format!("{}\n", text.trim_end()).as_bytes())
}

/// Writes bytes to standard output, as [`print()`] does.
pub(crate) fn write(bytes: &[u8]) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.context("cannot write to standard output"),
    }
}

/// Tells a line while the work goes on: to standard output, or to standard error if the report is to be JSON.
pub(crate) fn tell(line: &str, as_json: bool) {
    // A line that nobody reads is no reason to stop the work.
    let _ = if as_json {
        writeln!(io::stderr(), "{line}")
    } else {
        writeln!(io::stdout(), "{line}")
    };
}
