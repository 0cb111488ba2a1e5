//! The feature matrix.

use serde::{Deserialize, Serialize};

use super::{
    COLUMNS, COUNTER_COLUMN, FeatureMatrix, FeatureSpec, History, Outage, SEASONAL_NAIVE_COLUMN,
    TARGET,
};
use crate::{
    counts::{Counter, Counts},
    time::Hour,
};

/// The number of rows whose columns are copied at once. Their values fit in the fastest cache.
const ROWS_PER_BLOCK: usize = 256;

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
    silent: Vec<bool>,
    outages: Vec<Outage>,
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
        Self::build(spec, &history, frame_rows(keys), targets)
    }

    /// Builds the features of arbitrary rows: positions in [`History::counters`] and hours.
    ///
    /// The targets are the counts of the history, and `NaN` for unknown hours.
    pub fn from_rows(
        spec: &FeatureSpec,
        history: &History,
        rows: impl Iterator<Item = (usize, Hour)>,
    ) -> Self {
        let rows = frame_rows(rows);
        let targets = rows
            .iter()
            .map(|row| history.count(row.counter as usize, row.hour))
            .collect();
        Self::build(spec, history, rows, targets)
    }

    fn build(
        spec: &FeatureSpec,
        history: &History,
        rows: Vec<FrameRow>,
        targets: Vec<f32>,
    ) -> Self {
        let matrix = FeatureMatrix::new(&spec.codes_of(history), history, &rows);
        Self {
            counters: history.counters().to_vec(),
            rows,
            values: matrix.values,
            targets,
            silent: matrix.silent,
            outages: matrix.outages,
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

    /// Returns the values and the targets, and frees the rest of the frame.
    #[must_use]
    pub fn into_values_and_targets(self) -> (Vec<f32>, Vec<f32>) {
        (self.values, self.targets)
    }

    /// Returns `true` for each row whose counter is silent: its last known counts before the day of
    /// the row are [`MINIMUM_ZEROS`](super::MINIMUM_ZEROS) zeros or more.
    pub fn silent(&self) -> &[bool] {
        &self.silent
    }

    /// Returns the outage that each row belongs to, as all counts of the history show it. Unlike a
    /// feature, it is known only afterwards.
    pub fn outages(&self) -> &[Outage] {
        &self.outages
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

    /// Returns all columns of the matrix in the order of [`COLUMNS`]. Taking them one by one reads
    /// the matrix once for each of them.
    pub fn columns(&self) -> [Vec<f32>; COLUMNS.len()] {
        let mut columns = COLUMNS.map(|_| Vec::with_capacity(self.len()));
        let rows = self.values.as_chunks::<{ COLUMNS.len() }>().0;
        for rows in rows.chunks(ROWS_PER_BLOCK) {
            for (position, column) in columns.iter_mut().enumerate() {
                column.extend(rows.iter().map(|row| row[position]));
            }
        }
        columns
    }

    /// Returns the seasonal naive forecast of each row: same local hour, one week earlier. `NaN` if
    /// that count is unknown or in an outage.
    ///
    /// The rule for silent counters holds for this forecast as well: it is 0 for a silent row. It is
    /// `NaN` where the count is unknown.
    pub fn seasonal_naive(&self) -> Vec<f32> {
        let lags = self.column(COLUMNS[SEASONAL_NAIVE_COLUMN]);
        let forecast = |(lag, silent): (f32, &bool)| if *silent { 0.0 } else { lag };
        let lags = lags.unwrap_or_default().into_iter();
        lags.zip(&self.silent).map(forecast).collect()
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
        encode(&codes, &self.rows, &mut self.values);
        self
    }

    /// Returns the matrix with the category codes of `spec`.
    pub fn encoded_values(&self, spec: &FeatureSpec) -> Vec<f32> {
        let codes = spec.category_codes(&self.counters);
        let mut values = self.values.clone();
        encode(&codes, &self.rows, &mut values);
        values
    }

    /// Returns a frame of the rows that satisfy `predicate`.
    #[must_use]
    pub fn filter(&self, predicate: impl Fn(&FrameRow) -> bool) -> Self {
        self.select(|position| predicate(&self.rows[position]))
    }

    /// Returns a frame of the rows of living counters, without the hours in runs of zeros. They show
    /// the error of the forecasts that matter.
    #[must_use]
    pub fn living(&self) -> Self {
        self.select(|position| self.outages[position] != Outage::Zeros)
    }

    /// Removes the rows in outages, which a model cannot learn from, like [`Frame::retain`].
    #[must_use]
    pub fn without_outages(self) -> Self {
        self.keep(|frame, position| frame.outages[position] == Outage::None)
    }

    /// Removes the rows that do not satisfy `predicate`. The others are not copied into a new
    /// frame: those of a training take most of its memory.
    #[must_use]
    pub fn retain(self, predicate: impl Fn(&FrameRow) -> bool) -> Self {
        self.keep(|frame, position| predicate(&frame.rows[position]))
    }

    fn keep(mut self, is_kept: impl Fn(&Self, usize) -> bool) -> Self {
        let mut length = 0;
        for position in 0..self.len() {
            if !is_kept(&self, position) {
                continue;
            }
            self.rows[length] = self.rows[position];
            self.targets[length] = self.targets[position];
            self.silent[length] = self.silent[position];
            self.outages[length] = self.outages[position];
            let first = position * COLUMNS.len();
            self.values
                .copy_within(first..first + COLUMNS.len(), length * COLUMNS.len());
            length += 1;
        }
        self.rows.truncate(length);
        self.targets.truncate(length);
        self.silent.truncate(length);
        self.outages.truncate(length);
        self.values.truncate(length * COLUMNS.len());
        self
    }

    fn select(&self, is_selected: impl Fn(usize) -> bool) -> Self {
        let positions = || (0..self.len()).filter(|position| is_selected(*position));
        let rows = positions().count();
        let mut frame = Self {
            counters: self.counters.clone(),
            rows: Vec::with_capacity(rows),
            values: Vec::with_capacity(rows * COLUMNS.len()),
            targets: Vec::with_capacity(rows),
            silent: Vec::with_capacity(rows),
            outages: Vec::with_capacity(rows),
        };
        for position in positions() {
            frame.rows.push(self.rows[position]);
            frame.targets.push(self.targets[position]);
            frame.silent.push(self.silent[position]);
            frame.outages.push(self.outages[position]);
            frame
                .values
                .extend_from_slice(&self.values[position * COLUMNS.len()..][..COLUMNS.len()]);
        }
        frame
    }
}

fn frame_rows(rows: impl Iterator<Item = (usize, Hour)>) -> Vec<FrameRow> {
    let row = |(counter, hour)| FrameRow {
        counter: u32::try_from(counter).unwrap_or(u32::MAX),
        hour,
    };
    rows.map(row).collect()
}

/// Replaces the category codes of a matrix. `codes` are those of the counters.
fn encode(codes: &[f32], rows: &[FrameRow], values: &mut [f32]) {
    for (row, values) in rows.iter().zip(values.chunks_exact_mut(COLUMNS.len())) {
        values[COUNTER_COLUMN] = codes[row.counter as usize];
    }
}

#[cfg(test)]
mod tests;
