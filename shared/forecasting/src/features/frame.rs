//! The feature matrix.

use serde::{Deserialize, Serialize};

use super::{
    COLUMNS, COUNTER_COLUMN, FORECAST_GAP_HOURS, FeatureSpec, History, LAGS_HOURS, TARGET,
    WEEK_AGO_COLUMN, WEEKLY_LAGS_HOURS, WINDOWS_HOURS,
};
use crate::{
    calendar::is_public_holiday,
    counts::{Counter, Counts},
    time::{Day, Hour},
};

/// Fewer rows are built faster than a thread is started.
const MINIMUM_ROWS_PER_THREAD: usize = 20_000;

/// One row of a [`Frame`]: which counter, which hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrameRow {
    /// The position of the counter in [`Frame::counters`].
    pub counter: u32,
    /// The hour.
    pub hour: Hour,
}

/// Features of many rows, row by row, and the counts they should have led to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Frame {
    counters: Vec<Counter>,
    rows: Vec<FrameRow>,
    values: Vec<f32>,
    targets: Vec<f32>,
}

impl Frame {
    /// Builds the features of known counts. `history` should reach 30 days further back than `rows`.
    ///
    /// `rows` are part of what is known, so they need not be in `history` as well.
    pub fn of_counts(spec: &FeatureSpec, history: &[&Counts], rows: &Counts) -> Self {
        let mut parts = history.to_vec();
        parts.push(rows);
        let history = History::new(&parts);
        let positions: Vec<_> = rows
            .counters()
            .iter()
            .map(|counter| history.position(&counter.key()).unwrap_or_default())
            .collect();
        let keys = rows
            .rows()
            .iter()
            .map(|row| (positions[row.counter.position()], row.hour));
        let targets = rows.rows().iter().map(|row| row.count as f32).collect();
        Self {
            targets,
            ..Self::of_rows(spec, &history, keys)
        }
    }

    /// Builds the features of any rows, given as positions in [`History::counters`] and hours.
    ///
    /// The targets are what the history knows, `NaN` for the hours to come.
    pub fn of_rows(
        spec: &FeatureSpec,
        history: &History,
        rows: impl Iterator<Item = (usize, Hour)>,
    ) -> Self {
        let row = |(counter, hour)| FrameRow {
            counter: u32::try_from(counter).unwrap_or(u32::MAX),
            hour,
        };
        let rows: Vec<_> = rows.map(row).collect();
        let numbers = spec.numbers(history.counters());
        let mut values = vec![0.0; rows.len() * COLUMNS.len()];
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let share = rows.len().div_ceil(threads).max(MINIMUM_ROWS_PER_THREAD);
        let mut shares = rows
            .chunks(share)
            .zip(values.chunks_mut(share * COLUMNS.len()));
        let first = shares.next();
        std::thread::scope(|scope| {
            for (rows, values) in shares {
                scope.spawn(|| fill(history, &numbers, rows, values));
            }
            first
                .into_iter()
                .for_each(|(rows, values)| fill(history, &numbers, rows, values));
        });
        let targets = rows
            .iter()
            .map(|row| history.count(row.counter as usize, row.hour))
            .collect();
        Self {
            counters: history.counters().to_vec(),
            rows,
            values,
            targets,
        }
    }

    /// Returns the counters that rows point to.
    pub fn counters(&self) -> &[Counter] {
        &self.counters
    }

    /// Returns the counter and hour of each row.
    pub fn rows(&self) -> &[FrameRow] {
        &self.rows
    }

    /// Returns the number of rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Tells whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Returns the matrix, row by row, [`COLUMNS`] wide.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// Returns the counts, one for each row.
    pub fn targets(&self) -> &[f32] {
        &self.targets
    }

    /// Returns one column, the target included, or `None` for a name that is no column.
    pub fn column(&self, name: &str) -> Option<Vec<f32>> {
        if name == TARGET {
            return Some(self.targets.clone());
        }
        let position = COLUMNS.iter().position(|column| *column == name)?;
        Some(
            self.values
                .iter()
                .skip(position)
                .step_by(COLUMNS.len())
                .copied()
                .collect(),
        )
    }

    /// Returns the counts of the same hour a week earlier: the forecast that costs nothing.
    pub fn seasonal_naive(&self) -> Vec<f32> {
        self.column(COLUMNS[WEEK_AGO_COLUMN]).unwrap_or_default()
    }

    /// Splits by time: the rows before `hour`, and the rest.
    pub fn split_at(&self, hour: Hour) -> (Self, Self) {
        (
            self.filter(|row| row.hour < hour),
            self.filter(|row| row.hour >= hour),
        )
    }

    /// Gives the counters the numbers that a model knows them by.
    #[must_use]
    pub fn encode_counters(mut self, spec: &FeatureSpec) -> Self {
        let numbers = spec.numbers(&self.counters);
        for (row, values) in self
            .rows
            .iter()
            .zip(self.values.chunks_exact_mut(COLUMNS.len()))
        {
            values[COUNTER_COLUMN] = numbers[row.counter as usize];
        }
        self
    }

    /// Returns the rows for which `keep` holds.
    #[must_use]
    pub fn filter(&self, keep: impl Fn(&FrameRow) -> bool) -> Self {
        let mut frame = Self {
            counters: self.counters.clone(),
            ..Self::default()
        };
        for (position, row) in self.rows.iter().enumerate().filter(|(_, row)| keep(row)) {
            frame.rows.push(*row);
            frame.targets.push(self.targets[position]);
            frame
                .values
                .extend_from_slice(&self.values[position * COLUMNS.len()..][..COLUMNS.len()]);
        }
        frame
    }
}

/// Writes the features of some rows, [`COLUMNS`] by [`COLUMNS`].
fn fill(history: &History, numbers: &[f32], rows: &[FrameRow], values: &mut [f32]) {
    // Rows come hour by hour, and the calendar is the same for all counters of an hour.
    let mut last: Option<(Hour, CalendarFeatures)> = None;
    for (row, values) in rows.iter().zip(values.as_chunks_mut().0) {
        let known = last.filter(|(hour, _)| *hour == row.hour);
        let calendar =
            known.map_or_else(|| CalendarFeatures::of(row.hour), |(_, calendar)| calendar);
        last = Some((row.hour, calendar));
        *values = features(history, numbers, *row, calendar);
    }
}

fn features(
    history: &History,
    numbers: &[f32],
    row: FrameRow,
    calendar: CalendarFeatures,
) -> [f32; COLUMNS.len()] {
    let (counter, hour) = (row.counter as usize, row.hour);
    let coordinates = history.counters()[counter].coordinates;
    // Degrees as f32 are exact to about 30 cm.
    let (latitude, longitude) = coordinates.map_or((f32::NAN, f32::NAN), |place| {
        (place.latitude as f32, place.longitude as f32)
    });
    let lags = LAGS_HOURS.map(|lag| history.count(counter, hour.plus(-lag)));
    let weekly = WEEKLY_LAGS_HOURS.map(|lag| history.count(counter, hour.plus(-lag)));
    let (weekly_mean, weekly_median) = mean_and_median(weekly);
    let last = hour.plus(-FORECAST_GAP_HOURS);
    let means = WINDOWS_HOURS.map(|window| history.mean(counter, last, window));
    let mut features = [f32::NAN; COLUMNS.len()];
    features[..5].copy_from_slice(&[
        numbers[counter],
        calendar.hour,
        calendar.weekday,
        latitude,
        longitude,
    ]);
    features[5..8].copy_from_slice(&calendar.holidays);
    features[8..18].copy_from_slice(&lags);
    features[18..20].copy_from_slice(&[weekly_mean, weekly_median]);
    features[20..].copy_from_slice(&means);
    features
}

/// What the calendar says of an hour, the same for all counters.
#[derive(Clone, Copy)]
struct CalendarFeatures {
    hour: f32,
    weekday: f32,
    holidays: [f32; 3],
}

impl CalendarFeatures {
    fn of(hour: Hour) -> Self {
        let local = hour.local();
        let is_holiday = |days: i32| {
            f32::from(u8::from(is_public_holiday(
                Day::from_date(local.date).plus(days).date(),
            )))
        };
        let holidays = [is_holiday(0), is_holiday(-1), is_holiday(-7)];
        Self {
            hour: f32::from(local.hour),
            weekday: f32::from(local.weekday()),
            holidays,
        }
    }
}

/// Returns mean and median of the values that are known, `NaN` when none is.
fn mean_and_median(values: [f32; 4]) -> (f32, f32) {
    let mut known = values;
    let mut length = 0;
    for value in values {
        if !value.is_nan() {
            known[length] = value;
            length += 1;
        }
    }
    let known = &mut known[..length];
    if known.is_empty() {
        return (f32::NAN, f32::NAN);
    }
    known.sort_unstable_by(f32::total_cmp);
    let median = f32::midpoint(known[(length - 1) / 2], known[length / 2]);
    (known.iter().sum::<f32>() / length as f32, median)
}

#[cfg(test)]
mod tests;
