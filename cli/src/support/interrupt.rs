//! Termination of a command by a signal.

use std::{
    io::Write,
    sync::{Arc, atomic::AtomicBool},
    thread,
};

use anyhow::Context;
use signal_hook::{
    consts::{SIGINT, SIGTERM},
    flag,
    iterator::Signals,
    low_level,
};

use crate::support::{exit, output};

/// Installs handlers for SIGINT (Ctrl-C) and SIGTERM.
///
/// The first signal removes unfinished files and ends the process with exit code 128 plus the
/// signal number. The second signal ends the process immediately. A dedicated thread waits for the
/// signals, because the threads of the runtime may be busy with a training.
///
/// # Errors
/// Returns an error if a handler or the thread cannot be created.
pub(crate) fn end_on_signals() -> anyhow::Result<()> {
    let failed = "cannot install the signal handlers";
    let is_signalled = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // Handlers run in the order of registration. The first signal sets the flag; the second
        // signal finds it set and shuts down.
        flag::register_conditional_shutdown(
            signal,
            exit::of_signal(signal),
            Arc::clone(&is_signalled),
        )
        .context(failed)?;
        flag::register(signal, Arc::clone(&is_signalled)).context(failed)?;
    }
    let mut signals = Signals::new([SIGINT, SIGTERM]).context(failed)?;
    let wait = move || {
        let Some(signal) = signals.forever().next() else {
            return;
        };
        let _stopped = output::remove_unfinished();
        // Standard error may be closed.
        let _ = writeln!(std::io::stderr(), "\nstopped; removed unfinished files");
        // Skips the exit handlers of libraries, whose threads may still be running.
        low_level::exit(exit::of_signal(signal));
    };
    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(wait)
        .context(failed)?;
    Ok(())
}
