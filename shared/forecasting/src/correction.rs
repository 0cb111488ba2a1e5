//! The daily correction: a factor per counter and part of the day, from the errors of recent days.
//!
//! A champion is trained once, and the city changes. [`Correction`] compares the forecasts of the
//! last days with the counts, and scales the next forecasts of the same counter and [band](BANDS)
//! by their ratio. Recent days weigh more, days of the same [kind](DayKind) weigh more, and a
//! counter with few bicycles is scaled little. The correction has no training and no parameters of
//! a model: it is a function of forecasts and counts.
//!
//! With `k` for the kind, `c` for the counter and `b` for the band:
//!
//! ```text
//! after each day:  all sums *= 0.5^(1/3.5)
//!                  SQ[k,c,b] += uncorrected forecasts;  SY[k,c,b] += counts;  N[k,c] += 1
//! for a day of kind k:  sq, sy, n = sums over both kinds of SQ, SY, N; the other kind weighs 0.1
//!                  day = sq / n
//!                  factor = clip((sy + 5 day + 1) / (sq + 5 day + 1), 1/2, 2)
//! ```
//!
//! Source: exponential smoothing of the ratio of sums, with an empirical prior of five days at the
//! ratio 1, which pulls factors of little evidence to 1. The half-life, the prior and the weight of
//! the other kind were tuned on weeks inside the training data, not on the fixed test set.

use crate::{
    calendar::is_public_holiday,
    time::{Day, Hour, LocalHour},
};

/// The number of days of forecasts and counts that a correction is computed from. Earlier days
/// would weigh less than 0.4 %.
pub const CORRECTION_DAYS: i32 = 28;

/// The bands of the day: the first and the last local hour of each.
///
/// Both instants of a repeated local hour belong to its band.
pub const BANDS: [(i8, i8); 5] = [(0, 5), (6, 9), (10, 15), (16, 19), (20, 23)];

/// The age in days at which a day weighs half as much as yesterday.
const HALF_LIFE_DAYS: f64 = 3.5;
/// The weight of days of the other kind.
const OTHER_KIND_WEIGHT: f64 = 0.1;
/// The prior: this number of mean days with counts equal to the forecasts.
const PRIOR_DAYS: f64 = 5.0;
/// The part of the prior that does not depend on the forecasts. It keeps the factor defined for a
/// counter without bicycles.
const PRIOR_BICYCLES: f64 = 1.0;
/// The largest factor, and the inverse of the smallest.
const FACTOR_LIMIT: f64 = 2.0;

/// The kind of a day. Traffic on days off differs from that on workdays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DayKind {
    /// Monday to Friday, except public holidays.
    Workday,
    /// Saturday, Sunday, and the public holidays of France.
    Off,
}

impl DayKind {
    const ALL: [Self; 2] = [Self::Workday, Self::Off];

    /// Returns the kind of a day.
    pub fn of(day: Day) -> Self {
        let date = day.date();
        let is_weekend = date.weekday().to_monday_zero_offset() >= 5;
        if is_weekend || is_public_holiday(date) {
            Self::Off
        } else {
            Self::Workday
        }
    }
}

/// Returns the position in [`BANDS`] of an hour.
pub fn band(hour: Hour) -> usize {
    band_of_local(hour.local().hour)
}

fn band_of_local(hour: i8) -> usize {
    BANDS
        .iter()
        .rposition(|(first, _)| *first <= hour)
        .unwrap_or_default()
}

/// An hour as the correction sees it: the kind of its day, and the part of the day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HourKind {
    day: DayKind,
    band: usize,
}

impl HourKind {
    /// Returns the kind of an hour.
    pub fn of(local: LocalHour) -> Self {
        Self {
            day: DayKind::of(Day::from_date(local.date)),
            band: band_of_local(local.hour),
        }
    }
}

/// A forecast of one counter and hour, with its count if that is known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Observation {
    /// The position of the counter in the caller's list of counters.
    pub counter: usize,
    /// The hour.
    pub hour: Hour,
    /// The uncorrected forecast, at least 0.
    pub forecast: f64,
    /// The bicycles counted, or `None` if unknown.
    pub count: Option<f64>,
    /// `true` if the counter was silent, so that its forecast is 0 by rule.
    pub silent: bool,
}

impl Observation {
    /// Returns the count of an observation that says something about the model: one of a counter
    /// that was not silent.
    pub(crate) fn evidence(&self) -> Option<f64> {
        self.count.filter(|_| !self.silent)
    }
}

/// The state of the correction: decayed sums of forecasts and counts.
#[derive(Clone, Debug, PartialEq)]
pub struct Correction {
    /// The sums of each counter, by kind of day in the order of [`DayKind::ALL`].
    sums: [Vec<Sums>; 2],
}

/// The decayed sums of a counter over the days of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Sums {
    forecasts: [f64; BANDS.len()],
    counts: [f64; BANDS.len()],
    days: f64,
}

impl Sums {
    fn decay(&mut self, factor: f64) {
        let bands = self.forecasts.iter_mut().chain(&mut self.counts);
        bands
            .chain(std::iter::once(&mut self.days))
            .for_each(|sum| *sum *= factor);
    }
}

impl Correction {
    /// Creates a correction that has learned nothing: every factor is 1.
    pub fn new(counters: usize) -> Self {
        let sums = vec![Sums::default(); counters];
        Self {
            sums: [sums.clone(), sums],
        }
    }

    /// Learns from the observations of a day, in any order.
    ///
    /// Must be called for every day in order, with no rows for a day without observations, because
    /// the sums decay once per day. Rows of silent counters and rows without a count are ignored.
    ///
    /// # Panics
    /// Panics if the counter of a row is not below the number of counters.
    pub fn learn(&mut self, day: Day, rows: &[Observation]) {
        let decay = 0.5_f64.powf(1.0 / HALF_LIFE_DAYS);
        self.sums
            .iter_mut()
            .flatten()
            .for_each(|sums| sums.decay(decay));
        let sums = &mut self.sums[DayKind::of(day) as usize];
        let mut learned = vec![false; sums.len()];
        for row in rows {
            let Some(count) = row.evidence() else {
                continue;
            };
            let (sums, band) = (&mut sums[row.counter], band(row.hour));
            sums.forecasts[band] += row.forecast;
            sums.counts[band] += count;
            learned[row.counter] = true;
        }
        for (sums, _) in sums.iter_mut().zip(learned).filter(|(_, learned)| *learned) {
            sums.days += 1.0;
        }
    }

    /// Returns the factor of a counter and hour of a later day, from 1/2 to 2.
    ///
    /// # Panics
    /// Panics if the counter is not below the number of counters.
    pub fn factor(&self, counter: usize, hour: Hour) -> f64 {
        self.factor_of_kind(counter, HourKind::of(hour.local()))
    }

    /// Returns the factor of a counter and a kind of hours, like [`Correction::factor`].
    ///
    /// # Panics
    /// Panics if the counter is not below the number of counters.
    pub fn factor_of_kind(&self, counter: usize, hour: HourKind) -> f64 {
        let HourKind { day, band } = hour;
        let (mut forecasts, mut counts, mut days) = (0.0, 0.0, 0.0);
        for (of, sums) in DayKind::ALL.into_iter().zip(&self.sums) {
            let weight = if of == day { 1.0 } else { OTHER_KIND_WEIGHT };
            let sums = &sums[counter];
            forecasts += weight * sums.forecasts[band];
            counts += weight * sums.counts[band];
            days += weight * sums.days;
        }
        if days <= 0.0 {
            return 1.0;
        }
        let prior = PRIOR_DAYS * forecasts / days + PRIOR_BICYCLES;
        ((counts + prior) / (forecasts + prior)).clamp(1.0 / FACTOR_LIMIT, FACTOR_LIMIT)
    }
}

/// Returns the factor of each row as if it had been served: from the rows of earlier days only.
///
/// `rows` are ordered by hour. The first day has the factors of a correction that has learned
/// nothing.
pub fn correct(rows: &[Observation]) -> Vec<f64> {
    let counters = rows.iter().map(|row| row.counter + 1).max();
    let mut correction = Correction::new(counters.unwrap_or_default());
    let mut factors = Vec::with_capacity(rows.len());
    for (day, rows) in by_day(rows) {
        let of_row = |row: &Observation| correction.factor(row.counter, row.hour);
        factors.extend(rows.iter().map(of_row));
        correction.learn(day, rows);
    }
    factors
}

/// Splits rows into the days from the first to the last. Days without rows have an empty slice.
///
/// `rows` are ordered by hour.
pub fn by_day(rows: &[Observation]) -> impl Iterator<Item = (Day, &[Observation])> {
    let bounds = rows.first().zip(rows.last());
    let days = bounds.map(|(first, last)| first.hour.day().through(last.hour.day()));
    let mut rest = rows;
    days.into_iter().flatten().map(move |day| {
        let end = day.plus(1).first_hour();
        let (of_day, later) = rest.split_at(rest.partition_point(|row| row.hour < end));
        rest = later;
        (day, of_day)
    })
}

#[cfg(test)]
mod tests;
