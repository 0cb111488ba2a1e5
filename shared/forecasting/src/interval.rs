//! Prediction intervals from the errors of the last two weeks.
//!
//! The residual of a row is `sqrt(count) - sqrt(forecast)`, with the published forecast. On this
//! scale, errors of busy and of quiet hours have a similar spread, so the residuals of all counters
//! and hours form one sample. With its quantiles `a` and `b`, the interval of a forecast `q` is
//!
//! ```text
//! max(sqrt(q) + a, 0)^2   to   max(sqrt(q) + b, 0)^2
//! ```
//!
//! Rows of silent counters are not part of the sample, and have no interval: their forecast is 0 by
//! rule, and the errors of other counters say nothing about the end of an outage.
//!
//! Source: empirical quantiles of past errors on the variance-stabilising scale of counts
//! (Anscombe, 1948); split conformal prediction with a moving calibration window.

use std::collections::VecDeque;

use crate::{
    correction::{Observation, by_day},
    time::Day,
};

/// The number of days whose residuals form the sample.
pub const RESIDUAL_DAYS: i32 = 14;
/// The minimum number of residuals. With fewer, the outer quantiles are those of a few rows.
const MINIMUM_RESIDUALS: usize = 100;

/// An interval that should contain the count, both ends included.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// The lower end, at least 0.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

impl Interval {
    /// Returns `true` if the interval contains a count.
    pub fn contains(&self, count: f64) -> bool {
        (self.low..=self.high).contains(&count)
    }

    /// Returns the difference of the ends.
    pub fn width(&self) -> f64 {
        self.high - self.low
    }
}

/// The intervals of a forecast.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Intervals {
    /// The interval that should contain 80 % of the counts.
    pub level_80: Interval,
    /// The interval that should contain 95 % of the counts.
    pub level_95: Interval,
}

/// The residuals of the last [`RESIDUAL_DAYS`] days.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Residuals {
    days: VecDeque<(Day, Vec<f64>)>,
}

impl Residuals {
    /// Adds the residuals of a day, and drops those of days that are too old for the next day.
    ///
    /// `factors` are the [factors](crate::correction::Correction::factor) that the published
    /// forecasts of `rows` had. Must be called in the order of the days. Rows of silent counters
    /// and rows without a count are ignored.
    pub fn learn(&mut self, day: Day, rows: &[Observation], factors: &[f64]) {
        let residual = |(row, factor): (&Observation, &f64)| {
            let count = row.evidence()?;
            Some(count.sqrt() - (row.forecast * factor).sqrt())
        };
        let residuals = rows.iter().zip(factors).filter_map(residual).collect();
        self.days.push_back((day, residuals));
        let oldest = day.plus(1 - RESIDUAL_DAYS);
        self.days.retain(|(known, _)| *known >= oldest);
    }

    /// Returns the quantiles of the residuals, or `None` if there are too few residuals.
    pub fn quantiles(&self) -> Option<Quantiles> {
        let days = self.days.iter().flat_map(|(_, residuals)| residuals);
        let mut sorted: Vec<_> = days.copied().collect();
        if sorted.len() < MINIMUM_RESIDUALS {
            return None;
        }
        sorted.sort_unstable_by(f64::total_cmp);
        let bounds = |low, high| (quantile(&sorted, low), quantile(&sorted, high));
        Some(Quantiles {
            level_80: bounds(0.1, 0.9),
            level_95: bounds(0.025, 0.975),
        })
    }
}

/// The quantiles of residuals that bound the intervals.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quantiles {
    level_80: (f64, f64),
    level_95: (f64, f64),
}

impl Quantiles {
    /// Returns the intervals of a published forecast.
    pub fn intervals(&self, forecast: f64) -> Intervals {
        let end = |residual: f64| (forecast.max(0.0).sqrt() + residual).max(0.0).powi(2);
        let interval = |(low, high)| Interval {
            low: end(low),
            high: end(high),
        };
        Intervals {
            level_80: interval(self.level_80),
            level_95: interval(self.level_95),
        }
    }
}

/// Returns the intervals of each row as if it had been served: from the residuals of earlier days
/// only. Rows of silent counters, and rows of the first days, have none.
///
/// `rows` are ordered by hour, and `factors` are those of [`correct`](crate::correction::correct).
pub fn intervals(rows: &[Observation], factors: &[f64]) -> Vec<Option<Intervals>> {
    let mut residuals = Residuals::default();
    let mut intervals = Vec::with_capacity(rows.len());
    let mut rest = factors;
    for (day, rows) in by_day(rows) {
        let (factors, later) = rest.split_at(rows.len().min(rest.len()));
        rest = later;
        let quantiles = residuals.quantiles();
        let of_row = |(row, factor): (&Observation, &f64)| {
            let quantiles = quantiles.filter(|_| !row.silent)?;
            Some(quantiles.intervals(row.forecast * factor))
        };
        intervals.extend(rows.iter().zip(factors).map(of_row));
        residuals.learn(day, rows, factors);
    }
    intervals
}

/// Returns a quantile of sorted values, with linear interpolation between neighbours as by default
/// in `numpy.quantile` (definition 7 of Hyndman and Fan, 1996). `sorted` must not be empty.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let position = share * (sorted.len() - 1) as f64;
    // The cast truncates a non-negative number below the length.
    let below = position as usize;
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (sorted[above] - sorted[below]) * position.fract()
}

#[cfg(test)]
mod tests;
