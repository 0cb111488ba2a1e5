//! Progress of long work: a bar on a terminal, structured log lines off it.

use std::{io::IsTerminal, time::Duration};

use indicatif::{ProgressBar, ProgressStyle};

/// Shows how far a piece of work is.
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    what: &'static str,
    last_tenth: u64,
}

impl Progress {
    /// Begins to show a piece of work of `total` steps.
    pub(crate) fn new(what: &'static str, total: u64) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| bar(what, total));
        Self {
            bar,
            what,
            last_tenth: 0,
        }
    }

    /// Shows that `done` of `total` steps are done, and a word on how it goes.
    pub(crate) fn show(&mut self, done: u64, total: u64, word: String) {
        if let Some(bar) = &self.bar {
            bar.set_length(total);
            bar.set_position(done);
            bar.set_message(word);
            return;
        }
        let tenth = (done * 10).checked_div(total).unwrap_or_default();
        if tenth > self.last_tenth {
            self.last_tenth = tenth;
            tracing::info!(done, total, word, "{}", self.what);
        }
    }

    /// Ends the bar and leaves nothing of it on the terminal.
    pub(crate) fn finish(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}

fn bar(what: &'static str, total: u64) -> ProgressBar {
    let bar = ProgressBar::new(total);
    let style = ProgressStyle::with_template("{prefix} {wide_bar} {pos}/{len} {msg} {eta}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.set_prefix(what);
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
