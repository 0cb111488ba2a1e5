//! Drift and live error of one week.

use std::{panic::resume_unwind, sync::Arc, thread};

use forecasting::{
    counts::Counts,
    coverage::Coverage,
    drift::{self, Column, DatasetDrift, EmptySide, Histogram, frame_columns, histograms},
    features::{FeatureSpec, Frame, HISTORY_DAYS},
    policy::Policy,
    time::Week,
};
use runtime::Error;
use shared::{
    Timestamp, fixed_test,
    program::Program,
    store::Store,
    warehouse::Warehouse,
    week_report::{ChampionRecord, WeekReport},
};

use crate::{intervals, live::Live};

/// The counts of a week, and those before it that its features need.
pub struct WeekCounts {
    week: Week,
    known: Counts,
    counts: Counts,
    coverage: Coverage,
}

impl WeekCounts {
    /// Reads the counts of a week.
    ///
    /// # Errors
    /// Returns an error if the warehouse fails.
    pub async fn read(warehouse: &dyn Warehouse, week: Week) -> Result<Self, Error> {
        let (first, last) = (week.first_day(), week.last_day());
        let known = warehouse.counts(first.plus(-HISTORY_DAYS), last).await?;
        Ok(Self {
            week,
            counts: known.days(first, last),
            coverage: Coverage::of(&known, (first, last), |_| true),
            known,
        })
    }

    /// Returns the days, hours and counters with counts.
    pub fn coverage(&self) -> &Coverage {
        &self.coverage
    }

    /// Returns `true` if the week can be judged: all its days have counts, or the deadline of the
    /// policy has passed.
    pub fn is_due(&self, policy: &Policy, now: Timestamp) -> bool {
        self.coverage.has_all_days() || now >= policy.deadline(self.week)
    }

    /// Returns a transient error if the week cannot be judged yet.
    pub(crate) fn check_due(&self, policy: &Policy, now: Timestamp) -> Result<(), Error> {
        if self.is_due(policy, now) {
            return Ok(());
        }
        let Self { week, coverage, .. } = self;
        Err(Error::transient(format!(
            "cannot judge {week} yet: {coverage}; to request these days, run `bike-traffic ingest --from {} --to {}`; \
             from {} on, the week is judged without them",
            week.first_day(),
            week.last_day(),
            policy.deadline(*week)
        )))
    }
}

/// Checks a week for drift and for a high live error.
///
/// Writes nothing, so it is safe to call for any week at any time. Does not wait for missing days.
/// Hours of an uploaded test set that begin after `now` are rejected.
///
/// # Errors
/// Returns a permanent error if the week has no counts, if the fixed test set is missing, or if
/// neither a column nor a forecast can be compared. Returns a transient error if a port fails.
pub async fn check_week(
    store: &Arc<dyn Store>,
    warehouse: &dyn Warehouse,
    policy: &Policy,
    champion: ChampionRecord,
    week_counts: &WeekCounts,
    now: Timestamp,
) -> Result<WeekReport, Error> {
    let WeekCounts {
        week,
        known,
        counts,
        coverage,
    } = week_counts;
    if counts.is_empty() {
        return Err(no_counts(*week));
    }
    let forecasts = warehouse
        .forecasts(week.first_day(), week.last_day())
        .await?;
    let weeks_before = intervals::weeks_before(&**store, *week).await?;
    let profile = fixed_test::profile(store, now).await?;
    let frame = Frame::from_counts(&FeatureSpec::for_counters([]), &[known], counts);
    let (live, compared) = in_parallel(
        || Live::of(&forecasts, &frame),
        || compare_columns(profile.columns, policy, &frame),
    );
    let (drift, histograms) = compared.map_err(|source| incomparable(*week, source))?;
    let (live, breakdowns) = live?.unzip();
    if drift.share().is_none() && live.is_none() {
        return Err(nothing_to_compare(*week));
    }
    let live_error = live.map(|live| live.error(champion.test_mae));
    let (breakdown, uncorrected_breakdown) = breakdowns
        .map(|breakdowns| (breakdowns.published, breakdowns.uncorrected))
        .unzip();
    let accuracy = live.map(|live| live.accuracy);
    let mut report = WeekReport {
        week: *week,
        champion,
        days_with_counts: coverage.days,
        coverage: Some(coverage.clone()),
        verdict: policy.judge_week(drift.share(), live_error),
        drift,
        live: live.map(|live| live.published),
        accuracy,
        recent_intervals: intervals::recent(*week, accuracy, weeks_before),
        started_at: None,
        program: Some(Program::current()),
        histograms,
        breakdown,
        uncorrected_breakdown,
    };
    for finding in findings(&report, live, counts.len()) {
        report.verdict.reason.push_str("; ");
        report.verdict.reason.push_str(&finding);
    }
    Ok(report)
}

/// Runs two computations, the first one on another thread.
fn in_parallel<T: Send, U>(other: impl FnOnce() -> T + Send, own: impl FnOnce() -> U) -> (T, U) {
    thread::scope(|scope| {
        let other = scope.spawn(other);
        let own = own();
        match other.join() {
            Ok(other) => (other, own),
            Err(panicked) => resume_unwind(panicked),
        }
    })
}

fn incomparable(week: Week, source: drift::Error) -> Error {
    Error::permanent(format!("cannot compare {week} with the fixed test set")).caused_by(source)
}

fn no_counts(week: Week) -> Error {
    let (first, last) = (week.first_day(), week.last_day());
    Error::permanent(format!(
        "there are no counts for {week}; run `bike-traffic ingest --from {first} --to {last}`, then \
         `bike-traffic drift-check --week {week} --request`"
    ))
}

fn nothing_to_compare(week: Week) -> Error {
    Error::permanent(format!(
        "cannot judge {week}: no column of `drift_columns` has values on both sides, and no forecast has a count; \
         add columns to `drift_columns` in POLICY, then run `bike-traffic drift-check --week {week} --request`"
    ))
}

/// Compares the drift columns of a week with those of the fixed test set. Also returns the
/// histograms of the compared columns.
fn compare_columns(
    of_test_set: Vec<Column>,
    policy: &Policy,
    frame: &Frame,
) -> Result<(DatasetDrift, Vec<Histogram>), drift::Error> {
    let names = &policy.drift_columns;
    let reference: Vec<_> = of_test_set
        .into_iter()
        .filter(|column| names.iter().any(|name| name == column.name()))
        .collect();
    let current = frame_columns(frame, names.iter().map(String::as_str));
    let drift = drift::dataset(&reference, &current)?;
    Ok((drift, histograms(&reference, &current)))
}

/// Describes the accuracy of the forecasts, and then what the verdict does not cover: columns,
/// forecasts, days, hours or counters.
fn findings(report: &WeekReport, live: Option<Live>, counts: usize) -> Vec<String> {
    let mut findings: Vec<_> = live.iter().map(Live::sentence).collect();
    findings.extend(report.recent_intervals.iter().flat_map(intervals::findings));
    let drift = &report.drift;
    let of_counts = report.count_columns();
    if of_counts > 0 {
        findings.push(format!(
            "{of_counts} of {} columns are the count itself, its lags and means",
            drift.columns.len()
        ));
    }
    for (side, location) in [
        (EmptySide::Reference, "in the fixed test set"),
        (EmptySide::Current, "in the week"),
        (EmptySide::Both, "in the fixed test set and in the week"),
    ] {
        let excluded = drift.excluded.iter().filter(|column| column.empty == side);
        let names: Vec<_> = excluded.map(|column| column.column.as_str()).collect();
        if !names.is_empty() {
            let names = names.join(", ");
            findings.push(format!(
                "excluded because they have no values {location}: {names}"
            ));
        }
    }
    if let Some(live) = live.filter(|live| live.published.rows < counts) {
        findings.push(format!(
            "live MAE of {} forecasts for {counts} counts",
            live.published.rows
        ));
    }
    let coverage = report.coverage.iter();
    findings.extend(
        coverage
            .filter(|found| !found.is_complete())
            .map(ToString::to_string),
    );
    findings
}
