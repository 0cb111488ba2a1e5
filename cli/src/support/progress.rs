//! Progress of long operations: a bar on a terminal, a few plain lines otherwise.

use std::{
    io::IsTerminal,
    sync::mpsc::{self, RecvTimeoutError},
    thread::{self, JoinHandle},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressStyle};

use super::{background::joined, stdout};

/// The time after which a silent operation says what it does.
const LONGEST_SILENCE: Duration = Duration::from_secs(1);

/// The number of lines of an operation without a terminal.
const LINES: u64 = 4;

/// Runs an operation that has no steps to count. If it takes longer than a second, says on standard
/// error what it does: with a spinner on a terminal, and with a plain line otherwise.
///
/// `operation` is a phrase such as `registering the model`. The work may block its thread. It must
/// not report progress itself, because two bars would share a line.
pub(crate) async fn noting<T>(operation: &str, work: impl Future<Output = T>) -> T {
    let _notice = Notice::start(operation);
    work.await
}

/// Runs work that is not asynchronous, and says what it does as [`noting`] does.
pub(crate) fn noting_here<T>(operation: &str, work: impl FnOnce() -> T) -> T {
    let _notice = Notice::start(operation);
    work()
}

/// Runs work that blocks its thread on another one, and says what it does as [`noting`] does.
pub(crate) async fn noting_blocking<T: Send + 'static>(
    operation: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> T {
    noting(operation, joined(tokio::task::spawn_blocking(work))).await
}

/// Says what an operation does if it takes longer than a second, until it is dropped.
///
/// A thread of its own waits for that second, so that work which blocks its thread is noted too.
struct Notice {
    /// Dropped at the end of the operation. Nothing is sent.
    running: Option<mpsc::Sender<()>>,
    teller: Option<JoinHandle<()>>,
}

impl Notice {
    fn start(operation: &str) -> Self {
        let operation = operation.to_owned();
        let (running, ended) = mpsc::channel();
        let tell = move || tell(operation, &ended);
        // Without a thread, the operation is silent.
        let teller = thread::Builder::new().name("notice".to_owned()).spawn(tell);
        Self {
            running: Some(running),
            teller: teller.ok(),
        }
    }
}

impl Drop for Notice {
    fn drop(&mut self) {
        drop(self.running.take());
        if let Some(teller) = self.teller.take() {
            // The spinner is gone before the next output. Its panic must not end the operation.
            drop(teller.join());
        }
    }
}

/// Says what an operation does, unless it ends within a second.
fn tell(operation: String, ended: &mpsc::Receiver<()>) {
    if ended.recv_timeout(LONGEST_SILENCE) != Err(RecvTimeoutError::Timeout) {
        return;
    }
    if !std::io::stderr().is_terminal() {
        stdout::print_line(&format!("{operation} …"), true);
        return;
    }
    let spinner = ProgressBar::new_spinner().with_message(operation);
    spinner.enable_steady_tick(Duration::from_millis(200));
    // Returns an error at the end of the operation, because nothing is sent.
    let _ = ended.recv();
    spinner.finish_and_clear();
}

/// The progress of an operation.
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    lines: Lines,
}

impl Progress {
    /// Starts to report an operation of `total` steps.
    ///
    /// `operation` labels the bar and begins each line; `unit` is the plural of the steps.
    pub(crate) fn new(operation: &'static str, unit: &'static str, total: u64) -> Self {
        let bar = std::io::stderr()
            .is_terminal()
            .then(|| bar(operation, total));
        Self {
            bar,
            lines: Lines {
                operation,
                unit,
                printed: 0,
            },
        }
    }

    /// Reports that `done` of `total` steps are complete, with a short detail.
    ///
    /// Without a terminal, prints one line to standard error for each quarter of the steps.
    pub(crate) fn show(&mut self, done: u64, total: u64, detail: String) {
        if let Some(bar) = &self.bar {
            bar.set_length(total);
            bar.set_position(done);
            bar.set_message(detail);
        } else if let Some(line) = self.lines.next(done, total, &detail) {
            stdout::print_line(&line, true);
        }
    }

    /// Removes the bar from the terminal.
    pub(crate) fn finish(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}

/// The lines of an operation without a terminal.
struct Lines {
    operation: &'static str,
    unit: &'static str,
    /// The number of quarters that lines were printed for.
    printed: u64,
}

impl Lines {
    /// Returns a line if a quarter of the steps was completed since the last one.
    fn next(&mut self, done: u64, total: u64, detail: &str) -> Option<String> {
        let quarters = done.saturating_mul(LINES).checked_div(total)?;
        if quarters <= self.printed {
            return None;
        }
        self.printed = quarters;
        let Self {
            operation, unit, ..
        } = self;
        let separator = if detail.is_empty() { "" } else { ", " };
        Some(format!(
            "{operation}: {done} of {total} {unit}{separator}{detail}"
        ))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(total: u64, detail: &str) -> Vec<String> {
        let mut lines = Lines {
            operation: "training",
            unit: "rounds",
            printed: 0,
        };
        (0..=total)
            .filter_map(|done| lines.next(done, total, detail))
            .collect()
    }

    #[test]
    fn each_quarter_has_one_plain_line() {
        assert_eq!(
            lines(300, ""),
            [75, 150, 225, 300].map(|done| format!("training: {done} of 300 rounds"))
        );
        assert_eq!(
            lines(2, "MAE 15.4"),
            [
                "training: 1 of 2 rounds, MAE 15.4",
                "training: 2 of 2 rounds, MAE 15.4"
            ]
        );
    }

    #[tokio::test]
    async fn noted_operation_returns_its_value_fast_or_slow() {
        assert_eq!(noting("waiting", async { 1 }).await, 1);
        let slow = async {
            tokio::time::sleep(LONGEST_SILENCE + Duration::from_millis(50)).await;
            2
        };
        assert_eq!(noting("waiting", slow).await, 2);
        assert_eq!(noting_blocking("waiting", || 3).await, 3);
        assert_eq!(noting_here("waiting", || 4), 4);
    }

    /// The thread tells what the operation does while the operation blocks its own, and ends with
    /// it.
    #[test]
    fn notice_ends_with_its_operation() {
        for silence in [Duration::ZERO, LONGEST_SILENCE + Duration::from_millis(100)] {
            let mut notice = Notice::start("waiting");
            thread::sleep(silence);
            drop(notice.running.take());
            notice.teller.take().unwrap().join().unwrap();
        }
    }

    #[test]
    fn operation_without_steps_has_no_line() {
        assert!(lines(0, "").is_empty());
    }
}
