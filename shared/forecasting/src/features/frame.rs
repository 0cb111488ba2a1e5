//! The feature matrix.

use serde::{Deserialize, Serialize};

use super::{
    COLUMNS, COUNTER_COLUMN, FORECAST_GAP_HOURS, FeatureSpec, History, LAGS_HOURS,
    SEASONAL_NAIVE_COLUMN, TARGET, WEEKLY_LAGS_HOURS, WINDOWS_HOURS,
};
use crate::{
    calendar::is_public_holiday,
    counts::{Counter, Counts},
    time::{Day, Hour},
};

/// The minimum number of rows per thread. Below it, starting a thread costs more than it saves.
const MINIMUM_ROWS_PER_THREAD: usize = 20_000;

/// The key of one row of a [`Frame`]: counter and hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrameRow {
    /// The position of the counter in [`Frame::counters`].
    pub counter: u32,
    /// The hour.
    pub hour: Hour,
}

/// A feature matrix in row-major order, with the key and the target count of each row.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Frame {
    counters: Vec<Counter>,
    rows: Vec<FrameRow>,
    values: Vec<f32>,
    targets: Vec<f32>,
}

impl Frame {
    /// Builds the features of known counts, which are also the targets.
    ///
    /// `history` should start [`HISTORY_DAYS`](super::HISTORY_DAYS) days before `rows`. It need not
    /// contain `rows` themselves.
    pub fn from_counts(spec: &FeatureSpec, history: &[&Counts], rows: &Counts) -> Self {
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
            ..Self::from_rows(spec, &history, keys)
        }
    }

    /// Builds the features of arbitrary rows: positions in [`History::counters`] and hours.
    ///
    /// The targets are the counts of the history, and `NaN` for unknown hours.
    pub fn from_rows(
        spec: &FeatureSpec,
        history: &History,
        rows: impl Iterator<Item = (usize, Hour)>,
    ) -> Self {
        let row = |(counter, hour)| FrameRow {
            counter: u32::try_from(counter).unwrap_or(u32::MAX),
            hour,
        };
        let rows: Vec<_> = rows.map(row).collect();
        let codes = spec.category_codes(history.counters());
        let mut values = vec![0.0; rows.len() * COLUMNS.len()];
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let share = rows.len().div_ceil(threads).max(MINIMUM_ROWS_PER_THREAD);
        let mut shares = rows
            .chunks(share)
            .zip(values.chunks_mut(share * COLUMNS.len()));
        let first = shares.next();
        std::thread::scope(|scope| {
            for (rows, values) in shares {
                scope.spawn(|| fill(history, &codes, rows, values));
            }
            first
                .into_iter()
                .for_each(|(rows, values)| fill(history, &codes, rows, values));
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

    /// Returns the counters, indexed by [`FrameRow::counter`].
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

    /// Returns `true` if the frame has no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Returns the matrix in row-major order. Each row has the columns of [`COLUMNS`].
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// Returns the target count of each row, `NaN` if unknown.
    pub fn targets(&self) -> &[f32] {
        &self.targets
    }

    /// Returns one column by name, or `None` if it does not exist. [`TARGET`] returns the targets.
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

    /// Returns the seasonal naive forecast of each row: same hour, one week earlier.
    pub fn seasonal_naive(&self) -> Vec<f32> {
        self.column(COLUMNS[SEASONAL_NAIVE_COLUMN])
            .unwrap_or_default()
    }

    /// Splits the frame into the rows before `hour` and the remaining rows.
    pub fn split_at(&self, hour: Hour) -> (Self, Self) {
        (
            self.filter(|row| row.hour < hour),
            self.filter(|row| row.hour >= hour),
        )
    }

    /// Replaces the category codes of the counters with those of `spec`.
    #[must_use]
    pub fn encode_counters(mut self, spec: &FeatureSpec) -> Self {
        let codes = spec.category_codes(&self.counters);
        for (row, values) in self
            .rows
            .iter()
            .zip(self.values.chunks_exact_mut(COLUMNS.len()))
        {
            values[COUNTER_COLUMN] = codes[row.counter as usize];
        }
        self
    }

    /// Returns a frame of the rows that satisfy `predicate`.
    #[must_use]
    pub fn filter(&self, predicate: impl Fn(&FrameRow) -> bool) -> Self {
        let mut frame = Self {
            counters: self.counters.clone(),
            ..Self::default()
        };
        for (position, row) in self
            .rows
            .iter()
            .enumerate()
            .filter(|(_, row)| predicate(row))
        {
            frame.rows.push(*row);
            frame.targets.push(self.targets[position]);
            frame
                .values
                .extend_from_slice(&self.values[position * COLUMNS.len()..][..COLUMNS.len()]);
        }
        frame
    }
}

/// Writes the features of `rows` to `values`, a matrix in row-major order.
fn fill(history: &History, codes: &[f32], rows: &[FrameRow], values: &mut [f32]) {
    // Rows are ordered by hour, and all counters of an hour share the calendar features.
    let mut last: Option<(Hour, CalendarFeatures)> = None;
    for (row, values) in rows.iter().zip(values.as_chunks_mut().0) {
        let known = last.filter(|(hour, _)| *hour == row.hour);
        let calendar =
            known.map_or_else(|| CalendarFeatures::of(row.hour), |(_, calendar)| calendar);
        last = Some((row.hour, calendar));
        *values = features(history, codes, *row, calendar);
    }
}

fn features(
    history: &History,
    codes: &[f32],
    row: FrameRow,
    calendar: CalendarFeatures,
) -> [f32; COLUMNS.len()] {
    let (counter, hour) = (row.counter as usize, row.hour);
    let coordinates = history.counters()[counter].coordinates;
    // Degrees in f32 have a resolution of about 30 cm.
    let (latitude, longitude) = coordinates.map_or((f32::NAN, f32::NAN), |location| {
        (location.latitude as f32, location.longitude as f32)
    });
    let lags = LAGS_HOURS.map(|lag| history.count(counter, hour.plus(-lag)));
    let weekly = WEEKLY_LAGS_HOURS.map(|lag| history.count(counter, hour.plus(-lag)));
    let (weekly_mean, weekly_median) = mean_and_median(weekly);
    let last = hour.plus(-FORECAST_GAP_HOURS);
    let means = WINDOWS_HOURS.map(|window| history.mean(counter, last, window));
    let mut features = [f32::NAN; COLUMNS.len()];
    features[..5].copy_from_slice(&[
        codes[counter],
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

/// The calendar features of an hour, which are equal for all counters.
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

/// Returns mean and median of the known values, or `NaN` if none is known.
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
