//! The counts and forecasts of a week, as the charts show them.

use std::collections::HashMap;

use forecasting::{
    correction::{BANDS, band},
    counts::Counts,
    features::MINIMUM_ZEROS,
    time::{Day, Hour, Week},
};
use shared::warehouse::Forecast;

use super::data::{BandSource, Cell, CityHour, CounterWeek, DayCoverage, Traffic};

/// The number of days before a week whose counts and forecasts its page needs.
pub(super) const DAYS_BEFORE: i32 = 28;
/// The number of days that a sparkline shows.
const SPARKLINE_DAYS: i32 = 28;
/// The number of past errors that each part of the day needs for an interval of the city.
const MINIMUM_ERRORS: usize = 40;
/// The largest number of hours of a day in the public data, which omits the repeated hour when
/// summer time ends.
const PUBLISHED_HOURS: usize = 24;

impl Traffic {
    /// Joins the counts and forecasts of a week and of the 28 days before it.
    pub fn of(week: Week, counts: &Counts, forecasts: &[Forecast]) -> Self {
        let grid = Grid::new(week, counts, forecasts);
        let mut city: Vec<_> = grid.week().map(|at| grid.city_hour(at)).collect();
        let band = grid.set_intervals(&mut city);
        let mut counters: Vec<_> = (0..grid.counters.len())
            .filter(|counter| grid.is_known[*counter])
            .map(|counter| grid.counter_week(counter))
            .collect();
        counters.sort_by(|left, right| left.name.cmp(&right.name));
        Self {
            city,
            band,
            counters,
            cells: grid.cells(),
            days: grid.days(week),
        }
    }
}

/// A published forecast.
#[derive(Clone, Copy)]
struct Predicted {
    prediction: f64,
    interval: Option<(f64, f64)>,
}

/// Counts and forecasts by counter and hour.
struct Grid<'a> {
    first: Hour,
    /// The position of the first hour of the week.
    week_start: usize,
    /// The local hours: day, weekday and hour.
    local: Vec<(Day, usize, usize)>,
    /// The position of the same local hour, one week earlier.
    week_earlier: Vec<Option<usize>>,
    counters: &'a [forecasting::counts::Counter],
    is_known: Vec<bool>,
    counts: Vec<Vec<Option<f64>>>,
    forecasts: Vec<Vec<Option<Predicted>>>,
    has_forecasts: bool,
}

impl<'a> Grid<'a> {
    fn new(week: Week, counts: &'a Counts, forecasts: &[Forecast]) -> Self {
        let first = week.first_day().plus(-DAYS_BEFORE).first_hour();
        let end = week.last_day().plus(1).first_hour();
        let position = |hour: Hour| {
            let position = usize::try_from(hour.number() - first.number()).ok();
            position.filter(|_| hour < end)
        };
        let hours = usize::try_from(end.number() - first.number()).unwrap_or_default();
        let counters = counts.counters();
        let mut grid = Self {
            first,
            week_start: position(week.first_day().first_hour()).unwrap_or_default(),
            local: Vec::with_capacity(hours),
            week_earlier: Vec::with_capacity(hours),
            counters,
            is_known: vec![false; counters.len()],
            counts: vec![vec![None; hours]; counters.len()],
            forecasts: vec![vec![None; hours]; counters.len()],
            has_forecasts: false,
        };
        for hour in (first.number()..end.number()).map(Hour::from_number) {
            let (local, day) = (hour.local(), hour.day());
            let earlier = day.plus(-7).local_hour(local.hour);
            let index = |number: i8| usize::try_from(number).unwrap_or_default();
            grid.local
                .push((day, index(local.weekday()), index(local.hour)));
            grid.week_earlier.push(earlier.and_then(position));
        }
        for row in counts.rows() {
            if let Some(at) = position(row.hour) {
                let counter = row.counter.position();
                grid.is_known[counter] = true;
                grid.counts[counter][at] = Some(f64::from(row.count));
            }
        }
        let mut known = HashMap::<&str, Option<usize>>::new();
        for forecast in forecasts {
            let counter = *known
                .entry(forecast.counter_name.as_str())
                .or_insert_with(|| {
                    let index = counts.find(&forecast.counter_key());
                    index.map(forecasting::counts::CounterIndex::position)
                });
            let (Some(counter), Some(at)) = (counter, position(forecast.hour)) else {
                continue;
            };
            grid.has_forecasts |= at >= grid.week_start;
            grid.forecasts[counter][at] = Some(Predicted {
                prediction: forecast.prediction,
                interval: forecast.prediction_low_80.zip(forecast.prediction_high_80),
            });
        }
        grid
    }

    /// Returns the positions of the hours of the week.
    fn week(&self) -> std::ops::Range<usize> {
        self.week_start..self.local.len()
    }

    fn known(&self) -> usize {
        self.is_known.iter().filter(|is_known| **is_known).count()
    }

    /// Returns the sums of an hour, with the sums of the counters' bounds as interval.
    fn city_hour(&self, at: usize) -> CityHour {
        let has_count = |counter: &usize| self.counts[*counter][at].is_some();
        let with_count = (0..self.counters.len()).filter(has_count).count();
        let is_counted = with_count > 0 && with_count * 2 >= self.known();
        let is_shown = |counter: &usize| {
            (!is_counted || has_count(counter))
                && (!self.has_forecasts || self.forecasts[*counter][at].is_some())
        };
        let shown: Vec<_> = (0..self.counters.len()).filter(is_shown).collect();
        let predicted = || {
            shown
                .iter()
                .filter_map(move |counter| self.forecasts[*counter][at])
        };
        let bounds = |predicted: Predicted| {
            predicted
                .interval
                .unwrap_or((predicted.prediction, predicted.prediction))
        };
        let has_interval = predicted().any(|predicted| predicted.interval.is_some());
        let (low, high) = predicted()
            .map(bounds)
            .fold((0.0, 0.0), |(low, high): (f64, f64), (lower, upper)| {
                (low + lower, high + upper)
            });
        let earlier = self.week_earlier[at].map(|earlier| {
            let counts = shown
                .iter()
                .filter_map(|counter| self.counts[*counter][earlier]);
            counts.fold((0_usize, 0.0), |(rows, sum), count| (rows + 1, sum + count))
        });
        CityHour {
            hour: self.first.plus(i32::try_from(at).unwrap_or_default()),
            counted: (is_counted && !shown.is_empty()).then(|| {
                let counts = shown.iter().filter_map(|counter| self.counts[*counter][at]);
                counts.sum()
            }),
            forecast: (self.has_forecasts && !shown.is_empty())
                .then(|| predicted().map(|predicted| predicted.prediction).sum()),
            interval: has_interval.then_some((low, high)),
            week_earlier: earlier
                .filter(|(rows, _)| *rows > 0 && rows * 2 >= shown.len())
                .map(|(_, sum)| sum),
            counters: with_count,
        }
    }

    /// Replaces the sums of bounds by the interval of past errors, if there are enough.
    fn set_intervals(&self, city: &mut [CityHour]) -> BandSource {
        let mut ratios: [Vec<f64>; BANDS.len()] = std::array::from_fn(|_| Vec::new());
        let mut days = std::collections::BTreeSet::new();
        for at in 0..self.week_start {
            let CityHour {
                hour,
                counted: Some(counted),
                forecast: Some(forecast),
                ..
            } = self.city_hour(at)
            else {
                continue;
            };
            if forecast > 0.0 {
                ratios[band(hour)].push(counted / forecast);
                days.insert(self.local[at].0);
            }
        }
        if ratios.iter().any(|errors| errors.len() < MINIMUM_ERRORS) {
            let has_bounds = city.iter().any(|hour| hour.interval.is_some());
            return if has_bounds {
                BandSource::SumOfBounds
            } else {
                BandSource::None
            };
        }
        let factors = ratios.map(|mut errors| {
            errors.sort_by(f64::total_cmp);
            (quantile(&errors, 0.1), quantile(&errors, 0.9))
        });
        for hour in city {
            let (low, high) = factors[band(hour.hour)];
            hour.interval = hour.forecast.map(|sum| (sum * low, sum * high));
        }
        BandSource::PastErrors { days: days.len() }
    }

    fn counter_week(&self, counter: usize) -> CounterWeek {
        let counts = &self.counts[counter];
        let mut errors = Errors::default();
        let mut naive = Errors::default();
        for at in self.week() {
            let Some(count) = counts[at] else { continue };
            if let Some(predicted) = self.forecasts[counter][at] {
                errors.add(predicted.prediction - count);
                let earlier = self.week_earlier[at].and_then(|earlier| counts[earlier]);
                if let Some(earlier) = earlier {
                    naive.add(earlier - count);
                }
            }
        }
        let before = self.week_start.saturating_sub(7 * 24)..self.week_start;
        CounterWeek {
            name: self.counters[counter].name.clone(),
            coordinates: self.counters[counter].coordinates,
            daily: self.daily(counts),
            mean: mean(&counts[self.week()]),
            mean_before: mean(&counts[before]),
            rows: errors.rows,
            mae: errors.mae(),
            bias: errors.bias(),
            naive_mae: naive.mae(),
            silent_hours: self.silent_hours(counts),
            missing_hours: counts[self.week()]
                .iter()
                .filter(|count| count.is_none())
                .count(),
        }
    }

    /// Returns the sums of the last days.
    fn daily(&self, counts: &[Option<f64>]) -> Vec<Option<f64>> {
        let Some((last, _, _)) = self.local.last() else {
            return Vec::new();
        };
        let first = last.plus(1 - SPARKLINE_DAYS);
        let days = self.local.chunk_by(|left, right| left.0 == right.0);
        let mut start = 0;
        let mut sums = Vec::new();
        for hours in days {
            let of_day = &counts[start..start + hours.len()];
            start += hours.len();
            if hours[0].0 < first {
                continue;
            }
            let known = of_day.iter().flatten();
            let is_known = known.clone().count() * 2 >= hours.len();
            sums.push(is_known.then(|| known.sum()));
        }
        sums
    }

    /// Returns the number of hours of the week in runs of 24 or more zeros.
    fn silent_hours(&self, counts: &[Option<f64>]) -> usize {
        let (mut silent, mut length, mut in_week) = (0, 0, 0);
        for (at, count) in counts.iter().enumerate() {
            match count {
                // An unknown hour neither ends nor lengthens a run.
                None => {}
                Some(0.0) => {
                    length += 1;
                    in_week += usize::from(at >= self.week_start);
                }
                Some(_) => {
                    silent += if length >= MINIMUM_ZEROS { in_week } else { 0 };
                    (length, in_week) = (0, 0);
                }
            }
        }
        silent + if length >= MINIMUM_ZEROS { in_week } else { 0 }
    }

    fn cells(&self) -> Vec<Cell> {
        let mut sums = vec![Errors::default(); 7 * 24];
        for at in self.week() {
            let (_, weekday, hour) = self.local[at];
            for (counts, forecasts) in self.counts.iter().zip(&self.forecasts) {
                if let (Some(count), Some(predicted)) = (counts[at], forecasts[at]) {
                    sums[weekday * 24 + hour].add(predicted.prediction - count);
                }
            }
        }
        let cell = |errors: Errors| Cell {
            rows: errors.rows,
            bias: errors.bias().unwrap_or_default(),
            mae: errors.mae().unwrap_or_default(),
        };
        sums.into_iter().map(cell).collect()
    }

    fn days(&self, week: Week) -> Vec<DayCoverage> {
        let coverage = |day: Day| {
            let of_day = |at: &usize| self.local[*at].0 == day;
            let hours: Vec<_> = self.week().filter(of_day).collect();
            let counts = self.counts.iter().map(|counts| {
                let known = hours.iter().filter(|at| counts[**at].is_some());
                known.count()
            });
            DayCoverage {
                day,
                counts: counts.sum(),
                expected: hours.len().min(PUBLISHED_HOURS) * self.known(),
            }
        };
        week.first_day()
            .through(week.last_day())
            .map(coverage)
            .collect()
    }
}

/// Sums of errors.
#[derive(Clone, Copy, Default)]
struct Errors {
    rows: usize,
    sum: f64,
    absolute: f64,
}

impl Errors {
    fn add(&mut self, error: f64) {
        self.rows += 1;
        self.sum += error;
        self.absolute += error.abs();
    }

    fn mae(self) -> Option<f64> {
        (self.rows > 0).then(|| self.absolute / self.rows as f64)
    }

    fn bias(self) -> Option<f64> {
        (self.rows > 0).then(|| self.sum / self.rows as f64)
    }
}

fn mean(counts: &[Option<f64>]) -> Option<f64> {
    let known = counts.iter().flatten();
    let rows = known.clone().count();
    (rows > 0).then(|| known.sum::<f64>() / rows as f64)
}

/// Returns a quantile of ascending values, with linear interpolation.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let position = share * sorted.len().saturating_sub(1) as f64;
    let (below, above) = (position.floor() as usize, position.ceil() as usize);
    match (sorted.get(below), sorted.get(above)) {
        (Some(low), Some(high)) => low + (high - low) * position.fract(),
        _ => f64::NAN,
    }
}

#[cfg(test)]
mod tests;
