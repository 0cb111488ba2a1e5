//! The gain of the forecasts over the seasonal naive, in bicycles.

use std::collections::HashMap;

use forecasting::{
    counts::{CounterIndex, Counts},
    time::{Day, Hour},
};
use shared::warehouse::Forecast;

/// The errors of forecasts and of the seasonal naive on the same hours.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Gain {
    /// The number of hours of single counters that have a forecast, a count, and a count one week
    /// earlier.
    pub rows: usize,
    /// The counted bicycles.
    pub counted: f64,
    /// The sum of the absolute errors of the published forecasts, in bicycles.
    pub error: f64,
    /// The sum of the absolute errors of the seasonal naive, in bicycles.
    pub naive_error: f64,
}

impl Gain {
    /// Returns the bicycles by which the forecasts were nearer to the counts than the seasonal
    /// naive; negative if they were farther.
    pub fn saved(&self) -> f64 {
        self.naive_error - self.error
    }

    /// Returns the share of the seasonal naive's error that was saved; `None` without errors.
    pub fn share(&self) -> Option<f64> {
        (self.naive_error > 0.0).then(|| self.saved() / self.naive_error)
    }

    /// Returns the mean absolute error of the forecasts; `None` without hours.
    pub fn mae(&self) -> Option<f64> {
        (self.rows > 0).then(|| self.error / self.rows as f64)
    }

    /// Returns the mean absolute error of the seasonal naive; `None` without hours.
    pub fn naive_mae(&self) -> Option<f64> {
        (self.rows > 0).then(|| self.naive_error / self.rows as f64)
    }

    /// Adds the hours of another gain.
    pub fn add(&mut self, other: &Self) {
        self.rows += other.rows;
        self.counted += other.counted;
        self.error += other.error;
        self.naive_error += other.naive_error;
    }
}

/// The counts by counter and hour.
pub(super) struct Lookup<'a> {
    counts: &'a Counts,
    by_hour: HashMap<(CounterIndex, Hour), u32>,
}

impl<'a> Lookup<'a> {
    pub(super) fn new(counts: &'a Counts) -> Self {
        let by_hour = counts
            .rows()
            .iter()
            .map(|row| ((row.counter, row.hour), row.count))
            .collect();
        Self { counts, by_hour }
    }

    /// Returns the gain of the forecasts of one day.
    pub(super) fn gain_of(&self, day: Day, forecasts: &[&Forecast]) -> Gain {
        // The same local hour, also across a change of the clocks.
        let earlier: HashMap<Hour, Option<Hour>> = day
            .hours()
            .map(|hour| (hour, day.plus(-7).local_hour(hour.local().hour)))
            .collect();
        let mut gain = Gain::default();
        for forecast in forecasts {
            let Some(Some(earlier)) = earlier.get(&forecast.hour) else {
                continue;
            };
            let Some(counter) = self.counts.find(&forecast.counter_key()) else {
                continue;
            };
            let count = |hour: Hour| self.by_hour.get(&(counter, hour)).copied().map(f64::from);
            let counted = forecast
                .actual
                .map(f64::from)
                .or_else(|| count(forecast.hour));
            let (Some(counted), Some(naive)) = (counted, count(*earlier)) else {
                continue;
            };
            gain.add(&Gain {
                rows: 1,
                counted,
                error: (forecast.prediction - counted).abs(),
                naive_error: (naive - counted).abs(),
            });
        }
        gain
    }
}
