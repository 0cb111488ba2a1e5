//! Tracks: several ways to forecast the same days, and their errors on the same rows.
//!
//! A track is played by the handlers of the functions on ports in memory with a simulated clock:
//! each morning the counts of the day before are stored and the day is forecast, and each Monday
//! the week is judged, with all that follows. There is no HTTP and no bus, so a week takes seconds.

mod play;
mod rows;
mod seed;
mod simulation;
mod week;

pub(crate) use play::{Plan, Played, play};
pub(crate) use rows::{LiveRows, WeekRows, mae};
pub(crate) use seed::Seed;
pub use week::{JudgedWeek, RuleVerdicts, Step};
pub(crate) use week::{RULES, rule_name};

use forecasting::features::HISTORY_DAYS;

/// The hour at which the counts of the previous day are ingested.
pub(crate) const INGEST_HOUR: i8 = 6;
/// The hour at which a week is judged.
pub(crate) const DRIFT_CHECK_HOUR: i8 = 7;
/// The number of days of history before the first simulated day. Fine-tuning reaches 30 days back,
/// and its features 30 more.
pub(crate) const SEED_DAYS: i32 = 2 * HISTORY_DAYS;
