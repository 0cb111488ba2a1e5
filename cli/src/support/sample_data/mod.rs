//! Generates sample data in the format of the public export.
//!
//! The three files imitate a year of counts of the City of Paris. They contain fictitious counters,
//! commuters and leisure cyclists, weather, public holidays, failing counters and clock changes.
//!
//! The last five weeks of the training period are under restrictions, the test period is not. The
//! live period has four events:
//!
//! - A summer exodus from the 7th to the 28th day: traffic falls by almost half, then further each
//!   week, and rush hours flatten. A drift check therefore finds little drift in the first live week
//!   and much in the later ones.
//! - A new bike lane on the 10th day: one counter has 2.5 times its traffic from then on.
//! - An outage from the 16th to the 25th day: one counter reports zeros.
//! - The return from the holidays on the 29th day: traffic is as before the exodus.
//!
//! A challenger that was trained on weeks of the exodus forecasts the fourth live week about 5 %
//! better than the first champion, also after the daily correction, and is as good on the fixed test
//! set. `guarded` promotes it, `fixed-test` does not. Both refuse the challenger of the fifth week,
//! which was trained before the return. `tests/reference/sample_loop.py` computes these weeks for
//! several seeds.

mod city;
mod events;
mod export;
mod faults;
mod hours;
mod plan;
mod traffic;

#[cfg(test)]
mod tests;

use std::{
    fmt,
    ops::Range,
    path::{Path, PathBuf},
};

pub use events::{EventKind, LiveEvent};
use export::Export;
use jiff::civil::{Date, date};
use plan::Plan;
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use serde::Serialize;
use traffic::Traffic;

const MAX_COUNTERS: u32 = 1_000;

/// The minimum length of the training period: the history that the weekly lags need.
const SHORTEST_TRAINING: u32 = 28;

/// The settings of the generator.
///
/// Equal settings give byte-identical files. On another platform, single counts may differ because
/// of the rounding of `exp`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The number of counters, 1 to 1,000. Two counters share a site, one for each direction.
    pub counters: u32,
    /// The seed of all random numbers.
    pub seed: u64,
    /// The first day of the training period, in Paris.
    pub first_day: Date,
    /// The length of the training period in days.
    pub train_days: u32,
    /// The length of the test period in days. It follows the training period.
    pub test_days: u32,
    /// The length of the live period in days. It follows the test period.
    pub live_days: u32,
}

impl Default for Settings {
    /// Returns the periods of the real baseline, split at 2020-09-01, 2021-05-16, 2021-07-19 and
    /// 2021-08-22.
    fn default() -> Self {
        Self {
            counters: 20,
            seed: 1,
            first_day: date(2020, 9, 1),
            train_days: 257,
            test_days: 64,
            live_days: 35,
        }
    }
}

impl Settings {
    /// Sets the length of the training period so that all files together have at least `rows` rows.
    ///
    /// The training period has the minimum length required, but at least four weeks. Its first day
    /// moves; the dates of the test and live periods are unchanged.
    ///
    /// # Errors
    /// Returns an error if the periods are outside the calendar, or if other settings are invalid.
    pub fn with_rows(self, rows: u64) -> Result<Self, Error> {
        let mut settings = self.with_train_days(SHORTEST_TRAINING)?;
        loop {
            let missing = rows.saturating_sub(Plan::new(&settings)?.rows()?);
            if missing == 0 {
                return Ok(settings);
            }
            let step = (missing / (24 * u64::from(settings.counters))).max(1);
            let days = u64::from(settings.train_days) + step;
            let days = u32::try_from(days).map_err(|_| Error::TooManyRows { rows })?;
            settings = settings.with_train_days(days)?;
        }
    }

    fn with_train_days(mut self, days: u32) -> Result<Self, Error> {
        let moved = i64::from(self.train_days) - i64::from(days);
        self.first_day = day_after(self.first_day, moved)?;
        self.train_days = days;
        Ok(self)
    }
}

/// The files written by [`write()`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Written {
    /// `train_baseline.csv.gz`
    pub train: WrittenFile,
    /// `test_baseline.csv.gz`
    pub test: WrittenFile,
    /// `live.csv.gz`
    pub live: WrittenFile,
    /// The events of the live period, in order.
    pub events: Vec<LiveEvent>,
}

impl fmt::Display for Written {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut files = [&self.train, &self.test, &self.live].into_iter();
        files.try_for_each(|file| {
            writeln!(formatter, "{} rows in {}", file.rows, file.path.display())
        })?;
        let mut events = self.events.iter();
        events.try_for_each(|event| writeln!(formatter, "{event}"))
    }
}

/// A written file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WrittenFile {
    /// The path of the file.
    pub path: PathBuf,
    /// The number of rows, without the header.
    pub rows: u64,
}

/// An error of the generator.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The number of counters is 0 or above 1,000.
    #[error("cannot generate {counters} counters, only 1 to {MAX_COUNTERS}")]
    Counters {
        /// The requested number.
        counters: u32,
    },
    /// One of the three periods has no day.
    #[error("the {period} period needs at least one day")]
    EmptyPeriod {
        /// `train`, `test` or `live`.
        period: &'static str,
    },
    /// The requested number of rows needs too many days.
    #[error("cannot compute a training period for {rows} rows")]
    TooManyRows {
        /// The requested number.
        rows: u64,
    },
    /// A day is outside the calendar.
    #[error("cannot compute the days around {day}")]
    Calendar {
        /// The day that others are computed from.
        day: Date,
        /// The error of the calendar.
        source: jiff::Error,
    },
    /// A file or its folder could not be written.
    #[error(transparent)]
    Write(anyhow::Error),
}

/// Writes `train_baseline.csv.gz`, `test_baseline.csv.gz` and `live.csv.gz` to the folder `out`.
///
/// The folder is created if necessary, and existing files are replaced atomically. Rows are sorted
/// by time, then by counter. After each day, `progress` is called with the number of rows written
/// and the total.
///
/// # Errors
/// Returns an error if the settings are invalid, or if a file cannot be written.
pub fn write(
    settings: &Settings,
    out: &Path,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Written, Error> {
    let plan = Plan::new(settings)?;
    let total = plan.rows()?;
    let mut done = 0;
    let mut traffic = Traffic::new(settings.seed);
    let mut write_period = |name: &str, days: Range<u64>| {
        let mut export = Export::create(out.join(name))?;
        for day in days {
            done += plan.write_day(day, &mut traffic, &mut export)?;
            progress(done, total);
        }
        export.finish()
    };
    Ok(Written {
        train: write_period("train_baseline.csv.gz", plan.train())?,
        test: write_period("test_baseline.csv.gz", plan.test())?,
        live: write_period("live.csv.gz", plan.live())?,
        events: plan.events()?,
    })
}

/// Returns an independent random number generator for one purpose.
fn random_for(purpose: Purpose, seed: u64) -> ChaCha8Rng {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    random.set_stream(purpose as u64);
    random
}

enum Purpose {
    City = 1,
    Faults,
    Weather,
    Counts,
}

fn day_after(day: Date, days: i64) -> Result<Date, Error> {
    let span = jiff::Span::new().try_days(days);
    span.and_then(|span| day.checked_add(span))
        .map_err(|source| Error::Calendar { day, source })
}
