//! The end of a command that is asked to stop.

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

/// From now on Ctrl-C and SIGTERM end the process with 128 and the signal's number, after the files that are not whole
/// have been removed. The second of them ends it at once.
///
/// A thread of its own waits for them: those of the runtime may be busy with a training.
///
/// # Errors
/// When the operating system refuses.
pub(crate) fn end_on_signals() -> anyhow::Result<()> {
    let failed = "cannot wait for Ctrl-C";
    let asked = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // In this order: the flag is set by the first signal and seen by the second.
        flag::register_conditional_shutdown(signal, exit::of_signal(signal), Arc::clone(&asked))
            .context(failed)?;
        flag::register(signal, Arc::clone(&asked)).context(failed)?;
    }
    let mut signals = Signals::new([SIGINT, SIGTERM]).context(failed)?;
    let wait = move || {
        let Some(signal) = signals.forever().next() else {
            return;
        };
        let _stopped = output::remove_unfinished();
        // Standard error may be closed; the process ends all the same.
        let _ = writeln!(
            std::io::stderr(),
            "\nstopped; files that were not finished are removed"
        );
        // Without the destructors of libraries, whose threads may still compute.
        low_level::exit(exit::of_signal(signal));
    };
    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(wait)
        .context(failed)?;
    Ok(())
}
