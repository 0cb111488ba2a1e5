//! The forecast of the next day against the same day of the week before.

use std::collections::BTreeMap;

use forecasting::{
    counts::{CounterKey, Counts},
    time::Day,
};
use jiff::Timestamp;
use shared::{registry::Version, warehouse::Forecast};

/// The number of hours of a day's chart.
const HOURS: usize = 24;

/// The city's forecast of a day, beside the counts of the same day one week earlier.
#[derive(Clone, Debug, PartialEq)]
pub struct NextDay {
    /// The day of the forecast.
    pub day: Day,
    /// The forecast bicycles of each hour, summed over the counters.
    pub forecast: [Option<f64>; HOURS],
    /// The counts one week earlier, of the same counters.
    pub week_earlier: [Option<f64>; HOURS],
    /// The time of the forecast.
    pub predicted_at: Timestamp,
    /// The version that made it.
    pub version: Version,
    /// The number of counters with a forecast.
    pub counters: usize,
    /// The number of them whose forecast is 0 because they are silent.
    pub silent: usize,
}

impl NextDay {
    /// Compares the latest day with forecasts. `counts` holds those of a week earlier.
    pub fn of(forecasts: &[Forecast], counts: &Counts) -> Option<Self> {
        let day = forecasts.iter().map(|row| row.hour.day()).max()?;
        let of_day: Vec<_> = forecasts
            .iter()
            .filter(|row| row.hour.day() == day)
            .collect();
        let newest = of_day.iter().max_by_key(|row| row.predicted_at)?;
        let mut is_silent = BTreeMap::<CounterKey, bool>::new();
        let mut forecast = [None; HOURS];
        for row in &of_day {
            *is_silent.entry(row.counter_key()).or_default() |= row.silent == Some(true);
            add(&mut forecast, row.hour.local().hour, row.prediction);
        }
        let earlier = counts.days(day.plus(-7), day.plus(-7));
        let mut week_earlier = [None; HOURS];
        for row in earlier.rows() {
            if is_silent.contains_key(&earlier.counter(row.counter).key()) {
                add(&mut week_earlier, row.hour.local().hour, row.count.into());
            }
        }
        Some(Self {
            day,
            forecast,
            week_earlier,
            predicted_at: newest.predicted_at,
            version: newest.model_version,
            counters: is_silent.len(),
            silent: is_silent.values().filter(|silent| **silent).count(),
        })
    }

    /// Returns the forecast bicycles of the day.
    pub fn total(&self) -> f64 {
        self.forecast.iter().flatten().sum()
    }

    /// Returns the bicycles counted a week earlier; `None` without counts.
    pub fn total_week_earlier(&self) -> Option<f64> {
        let known = self.week_earlier.iter().flatten();
        (known.clone().count() > 0).then(|| known.sum())
    }
}

/// Adds a number to an hour of the day, from 0 to 23.
fn add(hours: &mut [Option<f64>; HOURS], hour: i8, value: f64) {
    let position = usize::try_from(hour).unwrap_or_default();
    if let Some(total) = hours.get_mut(position) {
        *total = Some(total.unwrap_or_default() + value);
    }
}
