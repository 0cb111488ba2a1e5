//! Progress of long operations: a bar on a terminal, structured logs otherwise.

use std::{io::IsTerminal, time::Duration};

use indicatif::{ProgressBar, ProgressStyle};

/// The progress of an operation.
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    operation: &'static str,
    last_tenth: u64,
}

impl Progress {
    /// Starts to report an operation of `total` steps.
    ///
    /// `operation` labels the bar and is the log message.
    pub(crate) fn new(operation: &'static str, total: u64) -> Self {
        let bar = std::io::stderr()
            .is_terminal()
            .then(|| bar(operation, total));
        Self {
            bar,
            operation,
            last_tenth: 0,
        }
    }

    /// Reports that `done` of `total` steps are complete, with a short detail.
    ///
    /// Without a terminal, one line is logged for each tenth of the steps.
    pub(crate) fn show(&mut self, done: u64, total: u64, detail: String) {
        if let Some(bar) = &self.bar {
            bar.set_length(total);
            bar.set_position(done);
            bar.set_message(detail);
            return;
        }
        let tenth = (done * 10).checked_div(total).unwrap_or_default();
        if tenth > self.last_tenth {
            self.last_tenth = tenth;
            tracing::info!(done, total, detail, "{}", self.operation);
        }
    }

    /// Removes the bar from the terminal.
    pub(crate) fn finish(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}

fn bar(operation: &'static str, total: u64) -> ProgressBar {
    let bar = ProgressBar::new(total);
    let style = ProgressStyle::with_template("{prefix} {wide_bar} {pos}/{len} {msg} {eta}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.set_prefix(operation);
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
