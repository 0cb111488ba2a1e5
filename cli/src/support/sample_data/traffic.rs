//! The traffic model: daily profiles, calendar, season, weather and noise.

use forecasting::calendar::is_public_holiday;
use jiff::civil::{Date, Weekday};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution as _, Poisson, StandardNormal};

use super::{
    Purpose,
    city::{Counter, Habits},
    random_for,
};

/// The traffic by hour of the day in Paris, relative to the daily mean.
type Profile = [f64; 24];

const TO_WORK: Profile = [
    0.1, 0.0, 0.0, 0.0, 0.0, 0.2, 0.6, 2.4, 5.3, 3.6, 1.3, 0.9, 1.0, 0.9, 0.8, 0.8, 0.9, 1.2, 1.6,
    1.2, 0.6, 0.3, 0.2, 0.1,
];
const TO_HOME: Profile = [
    0.3, 0.1, 0.1, 0.0, 0.0, 0.1, 0.1, 0.5, 1.1, 0.8, 0.4, 0.5, 0.7, 0.7, 0.8, 1.1, 1.6, 3.1, 4.4,
    3.7, 1.8, 1.0, 0.6, 0.5,
];
const ERRANDS: Profile = [
    0.4, 0.2, 0.1, 0.1, 0.1, 0.1, 0.2, 0.5, 0.9, 1.0, 1.0, 1.1, 1.5, 1.5, 1.3, 1.3, 1.6, 1.9, 2.2,
    2.2, 1.8, 1.4, 0.9, 0.7,
];
const LEISURE: Profile = [
    0.6, 0.3, 0.2, 0.1, 0.1, 0.1, 0.1, 0.2, 0.5, 0.9, 1.2, 1.5, 1.6, 1.5, 1.7, 2.0, 2.1, 2.1, 2.0,
    1.7, 1.3, 0.9, 0.7, 0.6,
];

/// The seasonal amplitude around the mean, with the maximum in midsummer.
const SEASON: f64 = 0.06;

/// The share of a day's weather that carries over to the next day.
const WEATHER_STAYS: f64 = 0.4;

/// The standard deviation of the daily weather innovation, in log traffic.
const WEATHER_CHANGES: f64 = 0.045;

/// The standard deviation of the noise of an hour at a counter, in log traffic.
const UNREST: f64 = 0.15;

/// The share of traffic that remains under restrictions.
const LEFT_BY_RESTRICTIONS: f64 = 0.62;

/// The shares of traffic and of commuters that remain on the first day of the exodus.
const LEFT_BY_EXODUS: f64 = 0.55;
const COMMUTERS_LEFT_BY_EXODUS: f64 = 0.1;

/// The weekly decrease of the remaining traffic, down to [`LEAST_LEFT_BY_EXODUS`].
const LOST_EACH_WEEK: f64 = 0.05;
const LEAST_LEFT_BY_EXODUS: f64 = 0.45;

/// A generator of counts. Days must be generated in order.
pub(super) struct Traffic {
    weather: f64,
    random_weather: ChaCha8Rng,
    random_counts: ChaCha8Rng,
}

/// The conditions of a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Regime {
    /// Normal traffic.
    Usual,
    /// Traffic under restrictions.
    Restricted,
    /// The summer exodus, which affects commuters most.
    Exodus {
        /// The days since its start.
        days: u64,
    },
}

/// The factors that all counters share on a day.
pub(super) struct Today {
    weekday: Weekday,
    is_rest: bool,
    /// The factors of traffic.
    season: f64,
    left: f64,
    /// The factor of the share of commuters.
    commuters_left: f64,
    /// The logarithm of the weather factor, before it is weighted by the share of commuters.
    weather: f64,
}

impl Traffic {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            weather: 0.0,
            random_weather: random_for(Purpose::Weather, seed),
            random_counts: random_for(Purpose::Counts, seed),
        }
    }

    /// Draws the weather of the next day from that of the day before.
    pub(super) fn next_day(&mut self, date: Date, regime: Regime) -> Today {
        let change: f64 = StandardNormal.sample(&mut self.random_weather);
        self.weather = WEATHER_STAYS * self.weather + WEATHER_CHANGES * change;
        let weekday = date.weekday();
        let is_weekend = matches!(weekday, Weekday::Saturday | Weekday::Sunday);
        let (left, commuters_left) = left_by(regime);
        Today {
            weekday,
            is_rest: is_weekend || is_public_holiday(date),
            season: season(date),
            left,
            commuters_left,
            weather: self.weather,
        }
    }

    /// Draws the count of an hour at a counter whose traffic has grown by a factor.
    pub(super) fn count(
        &mut self,
        today: &Today,
        counter: &Counter,
        hour: usize,
        growth: f64,
    ) -> u64 {
        let unrest: f64 = StandardNormal.sample(&mut self.random_counts);
        // The mean is 1 for every standard deviation.
        let unrest = (UNREST * unrest - UNREST * UNREST / 2.0).exp();
        let mean = today.expected(&counter.habits, hour) * growth * unrest;
        // The Poisson distribution requires a positive mean.
        Poisson::new(mean).map_or(0, |poisson| poisson.sample(&mut self.random_counts) as u64)
    }
}

impl Today {
    /// Returns the mean count of an hour.
    fn expected(&self, habits: &Habits, hour: usize) -> f64 {
        let commuters = habits.commuters * self.commuters_left;
        // Rain affects leisure cyclists more than commuters.
        let weather = (self.weather * (1.4 - 0.6 * commuters)).exp();
        let volume = habits.level * self.season * self.left * weather;
        let at = |profile: &Profile| later(profile, hour, habits.lateness);
        if self.is_rest {
            let idle = 1.1 - 0.6 * habits.commuters;
            return volume * idle * rest_of_week(self.weekday) * at(&LEISURE);
        }
        let ways = habits.inbound * at(&TO_WORK) + (1.0 - habits.inbound) * at(&TO_HOME);
        let mixed = commuters * ways + (1.0 - commuters) * at(&ERRANDS);
        volume * working_week(self.weekday) * mixed
    }
}

/// Returns the factors of traffic and of the share of commuters.
fn left_by(regime: Regime) -> (f64, f64) {
    match regime {
        Regime::Usual => (1.0, 1.0),
        Regime::Restricted => (LEFT_BY_RESTRICTIONS, 1.0),
        Regime::Exodus { days } => {
            let left = LEFT_BY_EXODUS * (1.0 - LOST_EACH_WEEK).powf(days as f64 / 7.0);
            (left.max(LEAST_LEFT_BY_EXODUS), COMMUTERS_LEFT_BY_EXODUS)
        }
    }
}

/// Interpolates a profile that is delayed by a fraction of an hour.
fn later(profile: &Profile, hour: usize, part: f64) -> f64 {
    let before = (hour + profile.len() - 1) % profile.len();
    profile[hour] * (1.0 - part) + profile[before] * part
}

fn season(date: Date) -> f64 {
    const MIDSUMMER: f64 = 172.0;
    let angle = std::f64::consts::TAU * (f64::from(date.day_of_year()) - MIDSUMMER) / 365.25;
    1.0 + SEASON * angle.cos()
}

fn working_week(weekday: Weekday) -> f64 {
    match weekday {
        Weekday::Monday => 0.94,
        Weekday::Tuesday | Weekday::Thursday => 1.05,
        Weekday::Wednesday => 1.02,
        _ => 0.98,
    }
}

fn rest_of_week(weekday: Weekday) -> f64 {
    if weekday == Weekday::Saturday {
        1.04
    } else {
        0.96
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles_keep_the_mean_of_the_day() {
        for profile in [TO_WORK, TO_HOME, ERRANDS, LEISURE] {
            let mean = profile.iter().sum::<f64>() / 24.0;
            assert!((mean - 1.0).abs() < 1e-9, "{profile:?} has mean {mean}");
        }
    }
}
