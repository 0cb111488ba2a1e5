//! Writes invented counts in the form of the public export, for people who have no data yet.
//!
//! The three files look like a year of the City of Paris: counters on streets that do not exist,
//! commuters and strollers, weather, public holidays, dead counters, clock changes. The last five
//! weeks of training are under restrictions, the test period is not. On the seventh live day people
//! begin to leave for the summer: traffic falls by over a third, then by some more each week, and rush
//! hours flatten. A drift check finds little in the first live week and much in the later ones, and
//! a model that has learnt from the new weeks forecasts the next one better.

mod city;
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

use export::Export;
use jiff::civil::{Date, date};
use plan::Plan;
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use serde::Serialize;
use traffic::Traffic;

const MOST_COUNTERS: u32 = 1_000;

/// What is needed before the four weekly lags of a first training row exist.
const SHORTEST_TRAINING: u32 = 28;

/// Describes the data to invent.
///
/// Equal settings give equal files, byte for byte. On another platform single counts may differ,
/// where `exp` rounds otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Number of counters, 1 to 1,000; two share a site, one for each direction.
    pub counters: u32,
    /// Seed of everything that is drawn.
    pub seed: u64,
    /// First day of the training period, in Paris.
    pub first_day: Date,
    /// Length of the training period in days.
    pub train_days: u32,
    /// Length of the test period in days; it follows the training period.
    pub test_days: u32,
    /// Length of the live period in days; it follows the test period.
    pub live_days: u32,
}

impl Default for Settings {
    /// Takes the periods of the real baseline: 2020-09-01, 2021-05-16, 2021-07-19 and 2021-08-22.
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
    /// It becomes no longer than needed, but at least four weeks. The first day moves; test and live
    /// periods keep their dates.
    ///
    /// # Errors
    /// As [`write()`], for settings that cannot be laid out.
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

/// Tells what [`write()`] wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Written {
    /// `train_baseline.csv.gz`
    pub train: WrittenFile,
    /// `test_baseline.csv.gz`
    pub test: WrittenFile,
    /// `live.csv.gz`
    pub live: WrittenFile,
}

impl fmt::Display for Written {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut files = [&self.train, &self.test, &self.live].into_iter();
        files.try_for_each(|file| {
            writeln!(formatter, "{} rows in {}", file.rows, file.path.display())
        })
    }
}

/// Names one file and the number of its rows, without the header.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WrittenFile {
    /// Where the file is.
    pub path: PathBuf,
    /// Number of counts in it.
    pub rows: u64,
}

/// Says why no sample data came to be.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The number of counters is 0 or above 1,000.
    #[error("cannot invent {counters} counters, only 1 to {MOST_COUNTERS}")]
    Counters {
        /// The number asked for.
        counters: u32,
    },
    /// One of the three periods has no day.
    #[error("the {period} period needs at least one day")]
    EmptyPeriod {
        /// `train`, `test` or `live`.
        period: &'static str,
    },
    /// So many rows are asked for that their days cannot be counted.
    #[error("cannot lay out a training period for {rows} rows")]
    TooManyRows {
        /// The number asked for.
        rows: u64,
    },
    /// A day lies outside the calendar.
    #[error("cannot lay out days around {day} in the calendar")]
    Calendar {
        /// The day counted from.
        day: Date,
        /// What the calendar says.
        source: jiff::Error,
    },
    /// A file or its folder could not be written.
    #[error(transparent)]
    Write(anyhow::Error),
}

/// Writes `train_baseline.csv.gz`, `test_baseline.csv.gz` and `live.csv.gz` into the folder `out`,
/// replacing them.
///
/// Each appears whole or not at all. The folder is made if need be. Rows are sorted by instant, then by counter. After each day
/// `progress` hears how many rows are done, of how many.
///
/// # Errors
/// When the settings name no possible data, or when a file cannot be written.
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
    })
}

/// Makes a source of random numbers for one purpose; drawing more for one leaves the others alone.
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
