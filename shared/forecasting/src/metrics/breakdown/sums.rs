//! The sums over the rows of a group, and the scores that follow from them.

use super::{ComparedRow, ForecastRow, Group, GroupScores};
use crate::{metrics::coefficient_of_determination, time::Hour};

/// A row of one or two models.
pub(super) struct Row {
    pub(super) counter: usize,
    pub(super) hour: Hour,
    count: f64,
    champion: f64,
    challenger: Option<f64>,
    seasonal_naive: Option<f64>,
    is_living: bool,
}

impl From<&ComparedRow> for Row {
    fn from(row: &ComparedRow) -> Self {
        Self {
            counter: row.counter,
            hour: row.hour,
            count: row.count,
            champion: row.champion,
            challenger: Some(row.challenger),
            seasonal_naive: row.seasonal_naive,
            is_living: row.is_living,
        }
    }
}

impl From<&ForecastRow> for Row {
    fn from(row: &ForecastRow) -> Self {
        Self {
            counter: row.counter,
            hour: row.hour,
            count: row.count,
            champion: row.forecast,
            challenger: None,
            seasonal_naive: row.seasonal_naive,
            is_living: row.is_living,
        }
    }
}

/// The sums over the rows of a group.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sums {
    pub(super) rows: usize,
    counts: f64,
    squared_counts: f64,
    silent_hours: usize,
    pub(super) champion: ErrorSums,
    pub(super) challenger: ErrorSums,
    pub(super) seasonal_naive: ErrorSums,
}

/// The sums over the rows of a group that have a forecast.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ErrorSums {
    rows: usize,
    errors: f64,
    absolute_errors: f64,
    squared_errors: f64,
}

impl Sums {
    pub(super) fn add(&mut self, row: &Row) {
        self.rows += 1;
        self.counts += row.count;
        self.squared_counts += row.count * row.count;
        self.silent_hours += usize::from(!row.is_living);
        self.champion.add(row.champion - row.count);
        if let Some(challenger) = row.challenger {
            self.challenger.add(challenger - row.count);
        }
        if let Some(seasonal_naive) = row.seasonal_naive {
            self.seasonal_naive.add(seasonal_naive - row.count);
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.rows += other.rows;
        self.counts += other.counts;
        self.squared_counts += other.squared_counts;
        self.silent_hours += other.silent_hours;
        self.champion.merge(other.champion);
        self.challenger.merge(other.challenger);
        self.seasonal_naive.merge(other.seasonal_naive);
    }

    pub(super) fn mean_count(&self) -> f64 {
        self.counts / self.rows as f64
    }

    pub(super) fn group(&self, name: String, all: &Self) -> Group {
        Group {
            name,
            rows: self.rows,
            mean_count: self.mean_count(),
            share_of_counts: if all.counts > 0.0 {
                self.counts / all.counts
            } else {
                0.0
            },
            champion: self.group_scores(self.champion).unwrap_or_default(),
            challenger: self.group_scores(self.challenger),
            seasonal_naive_mae: self.seasonal_naive.scores().map(|scores| scores.mae),
            silent_hours: Some(self.silent_hours),
        }
    }

    /// Returns the scores of a model: all of them if two models are compared.
    fn group_scores(&self, errors: ErrorSums) -> Option<GroupScores> {
        let scores = errors.scores()?;
        if self.challenger.rows == 0 {
            return Some(scores);
        }
        let squared_errors = errors.squared_errors;
        // Counts are whole numbers, so their sums are exact.
        let squared_deviations = self.squared_counts - self.counts * self.mean_count();
        let r2 = coefficient_of_determination(squared_errors, squared_deviations);
        Some(GroupScores {
            rmse: Some((squared_errors / errors.rows as f64).sqrt()),
            r2: Some(r2),
            share: (self.counts > 0.0).then(|| errors.absolute_errors / self.counts),
            ..scores
        })
    }
}

impl ErrorSums {
    fn add(&mut self, error: f64) {
        self.rows += 1;
        self.errors += error;
        self.absolute_errors += error.abs();
        self.squared_errors += error * error;
    }

    fn merge(&mut self, other: Self) {
        self.rows += other.rows;
        self.errors += other.errors;
        self.absolute_errors += other.absolute_errors;
        self.squared_errors += other.squared_errors;
    }

    /// Returns MAE and bias, or `None` without rows.
    pub(super) fn scores(self) -> Option<GroupScores> {
        (self.rows > 0).then(|| GroupScores {
            mae: self.absolute_errors / self.rows as f64,
            bias: self.errors / self.rows as f64,
            ..GroupScores::default()
        })
    }
}
