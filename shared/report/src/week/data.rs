//! The data of a week's page, free of ports.

use forecasting::{
    counts::Coordinates,
    metrics::Scores,
    time::{Day, Hour, Week},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use shared::{
    audit::{AuditEntry, AuditRow},
    evaluation::Evaluation,
    event::Function,
    registry::Version,
    week_report::WeekReport,
};

/// The data of a week's page.
///
/// Everything beside the report may be absent: older reports have no histograms, the first weeks no
/// history, and a week without drift no evaluation.
#[derive(Clone, Debug)]
pub struct WeekPage {
    /// The week.
    pub week: Week,
    /// The subject of the shown judgement: the week, or `WEEK@INSTANT` if it was judged again.
    pub subject: String,
    /// The report of the drift check.
    pub report: WeekReport,
    /// The distributions of the drift columns, on both sides.
    pub histograms: Vec<Histogram>,
    /// The reports of at most eleven earlier weeks, oldest first.
    pub earlier: Vec<WeekReport>,
    /// The decisions about the champion in the shown weeks, oldest first.
    pub marks: Vec<Mark>,
    /// The counts and forecasts.
    pub traffic: Traffic,
    /// The scores of the champion on the fixed test set, beyond its MAE.
    pub test: Option<TestScores>,
    /// The comparison of the champion with a challenger.
    pub evaluation: Option<Evaluation>,
    /// The training of the challenger.
    pub training: Option<Training>,
    /// The last step that followed from the judgement.
    pub last_step: Option<Step>,
    /// The ingestion of each day, as far as it is recorded.
    pub days: Vec<DayOfData>,
    /// The option that selects the deployment in commands, with a leading space.
    pub target: String,
}

impl WeekPage {
    /// Adds a decision that is not yet in the audit log, because its function is about to record
    /// it.
    #[must_use]
    pub fn with_step(mut self, function: Function, entry: &AuditEntry) -> Self {
        let step = Step::of_entry(function, entry);
        if let Some(mark) = Mark::of(self.week, &step) {
            self.marks
                .retain(|known| known.week != mark.week || known.kind == MarkKind::RolledBack);
            self.marks.push(mark);
        }
        self.last_step = Some(step);
        self
    }

    /// Returns the report of the week before.
    pub fn week_before(&self) -> Option<&WeekReport> {
        let before = self.week.first_day().plus(-7).week();
        self.earlier.iter().find(|report| report.week == before)
    }
}

/// The distribution of a column in the fixed test set and in the week.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Histogram {
    /// The name of the column.
    pub column: String,
    /// The bins of a numerical column.
    #[serde(default)]
    pub bins: Vec<Bin>,
    /// The values of a categorical column.
    #[serde(default)]
    pub categories: Vec<Category>,
}

/// A bin of a histogram.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bin {
    /// The lower end.
    pub from: f64,
    /// The upper end.
    pub to: f64,
    /// The share of the fixed test set, from 0 to 1.
    pub reference: f64,
    /// The share of the week.
    pub current: f64,
}

/// A value of a categorical column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Category {
    /// The value.
    #[serde(alias = "category", alias = "value")]
    pub name: String,
    /// The share of the fixed test set, from 0 to 1.
    pub reference: f64,
    /// The share of the week.
    pub current: f64,
}

/// A decision about the champion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The week that the decision is about.
    pub week: Week,
    /// The decision.
    pub kind: MarkKind,
    /// The champion after the decision.
    pub champion: Option<Version>,
    /// The version that was considered.
    pub challenger: Option<Version>,
}

/// The kind of a decision about the champion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MarkKind {
    /// Another version became champion.
    Promoted,
    /// The champion stays.
    Kept,
    /// An operator returned to an earlier version.
    RolledBack,
}

impl Mark {
    /// Returns the mark of a step, or `None` if it is no decision about the champion.
    pub(super) fn of(week: Week, step: &Step) -> Option<Self> {
        if step.function != Function::Promote {
            return None;
        }
        let kind = match step.decision.as_str() {
            "promoted" | "trained" | "retrained" => MarkKind::Promoted,
            "kept" => MarkKind::Kept,
            "rolled-back" => MarkKind::RolledBack,
            _ => return None,
        };
        // The champion may have changed again before a promotion was recorded.
        let promoted = step.challenger.filter(|_| step.decision == "promoted");
        Some(Self {
            week,
            kind,
            champion: promoted.or(step.champion),
            challenger: step.challenger,
        })
    }
}

/// A step that followed from the judgement of a week: a row of the audit log.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// The function.
    pub function: Function,
    /// The decision, for example `kept`.
    pub decision: String,
    /// The reason.
    pub reason: String,
    /// The champion afterwards.
    pub champion: Option<Version>,
    /// The challenger.
    pub challenger: Option<Version>,
    /// `true` if the step failed.
    pub is_failed: bool,
}

impl Step {
    /// Returns the step of a row.
    pub fn of(row: &AuditRow) -> Self {
        Self::of_entry(row.function, &row.entry)
    }

    fn of_entry(function: Function, entry: &AuditEntry) -> Self {
        Self {
            function,
            decision: entry.decision.clone(),
            reason: entry.reason.clone(),
            champion: entry.champion_version,
            challenger: entry.challenger_version,
            is_failed: entry.error_message.is_some(),
        }
    }
}

/// The scores on the fixed test set.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TestScores {
    /// Those of the champion.
    pub champion: Scores,
    /// The mean absolute error of the seasonal naive forecast, in bicycles per hour.
    pub seasonal_naive_mae: Option<f64>,
}

/// The training of a challenger.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Training {
    /// The strategy that made the challenger.
    pub strategy: Option<String>,
    /// The MAE of the unchanged champion on the selection days.
    pub champion_mae: Option<f64>,
    /// The strategies that were tried.
    pub trials: Vec<Trial>,
    /// The importance of each feature for the challenger, as a share, the largest first.
    pub importance: Vec<(String, f64)>,
}

/// A strategy that was tried.
#[derive(Clone, Debug, PartialEq)]
pub struct Trial {
    /// The name of the strategy.
    pub strategy: String,
    /// The MAE on the selection days; `None` if the strategy failed.
    pub mae: Option<f64>,
    /// The error of a strategy that failed.
    pub error: Option<String>,
}

/// The ingestion of a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DayOfData {
    /// The day.
    pub day: Day,
    /// The time at which counts of the day were first accepted.
    pub ingested_at: Timestamp,
    /// The number of records in the last reply.
    pub records: u64,
    /// The number of counts in the day's table.
    pub rows: u64,
    /// The number of records dropped as duplicates.
    pub duplicates: u64,
    /// The number of rejected records.
    pub rejected: u64,
}

impl DayOfData {
    /// Returns `true` if the counts came more than a day after the end of their day.
    pub fn is_late(&self) -> bool {
        self.ingested_at > self.day.plus(2).first_hour().timestamp()
    }
}

/// The counts and forecasts of a week.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Traffic {
    /// The hours of the week, summed over the counters.
    pub city: Vec<CityHour>,
    /// The origin of the interval of the city's forecast.
    pub band: BandSource,
    /// The counters, in the order of their names.
    pub counters: Vec<CounterWeek>,
    /// The errors by weekday and local hour: 7 times 24 cells, from Monday.
    pub cells: Vec<Cell>,
    /// The number of counts and expected counts of each day.
    pub days: Vec<DayCoverage>,
}

/// An hour of the city: sums over the counters that have both a count and a forecast.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CityHour {
    /// The hour.
    pub hour: Hour,
    /// The bicycles counted; `None` if less than half of the counters have a count.
    pub counted: Option<f64>,
    /// The sum of the published forecasts.
    pub forecast: Option<f64>,
    /// The interval that contains 80 % of the sums, see [`BandSource`].
    pub interval: Option<(f64, f64)>,
    /// The sum of the counts of the same local hour, a week earlier.
    pub week_earlier: Option<f64>,
    /// The number of counters with a count.
    pub counters: usize,
}

/// The origin of the interval of the city's forecast. The bounds of the counters do not add up to
/// the bounds of their sum, because their errors partly cancel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BandSource {
    /// There is no interval.
    #[default]
    None,
    /// The errors of the city's forecast in the days before, by part of the day.
    PastErrors {
        /// The number of these days.
        days: usize,
    },
    /// The sums of the counters' bounds, which are wider than the interval of the sum.
    SumOfBounds,
}

/// A counter in a week.
#[derive(Clone, Debug, PartialEq)]
pub struct CounterWeek {
    /// The name.
    pub name: String,
    /// The location, if known.
    pub coordinates: Option<Coordinates>,
    /// The sum of each of the last 28 days; `None` for a day with less than half of its hours.
    pub daily: Vec<Option<f64>>,
    /// The mean count; `None` without counts in the week.
    pub mean: Option<f64>,
    /// The mean count of the week before.
    pub mean_before: Option<f64>,
    /// The number of hours with a count and a forecast.
    pub rows: usize,
    /// The mean absolute error of the published forecasts.
    pub mae: Option<f64>,
    /// The mean of the forecasts minus the mean of the counts.
    pub bias: Option<f64>,
    /// The mean absolute error of the seasonal naive forecast.
    pub naive_mae: Option<f64>,
    /// The number of hours in runs of 24 or more zeros.
    pub silent_hours: usize,
    /// The number of hours without a count.
    pub missing_hours: usize,
}

impl CounterWeek {
    /// Returns the sum of the absolute errors.
    pub fn total_error(&self) -> f64 {
        self.mae.unwrap_or_default() * self.rows as f64
    }
}

/// The errors in one local hour of one weekday.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cell {
    /// The number of counts with a forecast.
    pub rows: usize,
    /// The mean of the forecasts minus the mean of the counts.
    pub bias: f64,
    /// The mean absolute error.
    pub mae: f64,
}

/// The counts of a day, of all counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DayCoverage {
    /// The day.
    pub day: Day,
    /// The number of counts.
    pub counts: usize,
    /// The number of counts if each counter had one for each hour.
    pub expected: usize,
}

impl DayCoverage {
    /// Returns the share of the expected counts, from 0 to 1.
    pub fn share(&self) -> f64 {
        self.counts.min(self.expected) as f64 / self.expected.max(1) as f64
    }
}
