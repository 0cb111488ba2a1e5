//! The computation of feature rows.

use super::{
    COLUMNS, FrameRow, History, LAGS_DAYS, WEEKLY_LAGS, WINDOWS_DAYS, local_day::LocalDay,
};
use crate::{
    calendar::is_public_holiday,
    time::{Day, Hour},
};

/// Computes rows in the order of their hours.
///
/// All counters of an hour share its calendar and the hours of its lags. All hours of a day share
/// the means and the silence of a counter.
pub(super) struct RowBuilder<'h> {
    history: &'h History,
    codes: &'h [f32],
    hour: HourFeatures,
    day: DayFeatures,
}

/// The features that an hour gives to all counters, and the hours of its lags.
struct HourFeatures {
    hour: Hour,
    hour_of_day: f32,
    lags: [Option<Hour>; LAGS_DAYS.len()],
}

/// The features that a day gives to all its hours.
struct DayFeatures {
    local: LocalDay,
    weekday: f32,
    holidays: [f32; 3],
    /// The features of each counter, computed for its first row.
    counters: Vec<Option<CounterFeatures>>,
}

/// The features of a counter that do not depend on the hour of the day.
#[derive(Clone, Copy)]
struct CounterFeatures {
    means: [f32; WINDOWS_DAYS.len()],
    is_silent: bool,
}

impl<'h> RowBuilder<'h> {
    /// Creates a builder whose first row has the hour `first`. `codes` are the category codes of
    /// the counters.
    pub(super) fn new(history: &'h History, codes: &'h [f32], first: Hour) -> Self {
        let local = first.local();
        let day = DayFeatures::new(Day::from_date(local.date), history);
        Self {
            history,
            codes,
            hour: HourFeatures::new(first, local.hour, &day.local),
            day,
        }
    }

    /// Returns the features of a row, and `true` if its counter is silent.
    pub(super) fn row(&mut self, row: FrameRow) -> ([f32; COLUMNS.len()], bool) {
        self.enter(row.hour);
        let Self {
            history,
            codes,
            hour,
            day,
        } = self;
        let counter = row.counter as usize;
        let (local, start) = (&day.local, day.local.start());
        let CounterFeatures { means, is_silent } =
            *day.counters[counter].get_or_insert_with(|| CounterFeatures {
                means: local
                    .windows()
                    .map(|first| history.mean_by(counter, first, start)),
                is_silent: history.is_silent_by(counter, start),
            });
        let coordinates = history.counters()[counter].coordinates;
        // Degrees in f32 have a resolution of about 30 cm.
        let (latitude, longitude) = coordinates.map_or((f32::NAN, f32::NAN), |location| {
            (location.latitude as f32, location.longitude as f32)
        });
        let lags = hour
            .lags
            .map(|lag| lag.map_or(f32::NAN, |hour| history.count_by(counter, hour, start)));
        let (weekly_mean, weekly_median) = mean_and_median(WEEKLY_LAGS.map(|lag| lags[lag]));
        let mut features = [f32::NAN; COLUMNS.len()];
        features[..5].copy_from_slice(&[
            codes[counter],
            hour.hour_of_day,
            day.weekday,
            latitude,
            longitude,
        ]);
        features[5..8].copy_from_slice(&day.holidays);
        features[8..18].copy_from_slice(&lags);
        features[18..20].copy_from_slice(&[weekly_mean, weekly_median]);
        features[20..].copy_from_slice(&means);
        (features, is_silent)
    }

    fn enter(&mut self, hour: Hour) {
        if hour == self.hour.hour {
            return;
        }
        let local = hour.local();
        let day = Day::from_date(local.date);
        if day != self.day.local.day() {
            self.day = DayFeatures::new(day, self.history);
        }
        self.hour = HourFeatures::new(hour, local.hour, &self.day.local);
    }
}

impl HourFeatures {
    fn new(hour: Hour, hour_of_day: i8, day: &LocalDay) -> Self {
        Self {
            hour,
            hour_of_day: f32::from(hour_of_day),
            lags: day.lags(hour_of_day),
        }
    }
}

impl DayFeatures {
    fn new(day: Day, history: &History) -> Self {
        let is_holiday = |days: i32| f32::from(u8::from(is_public_holiday(day.plus(days).date())));
        Self {
            local: LocalDay::new(day),
            weekday: f32::from(day.date().weekday().to_monday_zero_offset()),
            holidays: [is_holiday(0), is_holiday(-1), is_holiday(-7)],
            counters: vec![None; history.counters().len()],
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
    sort(known);
    let median = f32::midpoint(known[(length - 1) / 2], known[length / 2]);
    (known.iter().sum::<f32>() / length as f32, median)
}

/// Sorts at most four values, of which none is `NaN`. Most rows have all four, and five comparisons
/// without a branch sort them.
fn sort(values: &mut [f32]) {
    if let [first, second, third, fourth] = values {
        order(first, second);
        order(third, fourth);
        order(first, third);
        order(second, fourth);
        order(second, third);
    } else {
        values.sort_unstable_by(f32::total_cmp);
    }
}

fn order(low: &mut f32, high: &mut f32) {
    (*low, *high) = (low.min(*high), low.max(*high));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn values_are_sorted(counts in proptest::collection::vec(0..20_u16, 0..=4)) {
            let mut values: Vec<f32> = counts.iter().copied().map(f32::from).collect();
            let mut expected = values.clone();
            expected.sort_by(f32::total_cmp);
            sort(&mut values);
            prop_assert_eq!(values, expected);
        }

        #[test]
        fn mean_and_median_are_between_the_extremes(values in proptest::array::uniform4(proptest::option::of(0..9_999_u16))) {
            let known: Vec<f32> = values.iter().flatten().map(|value| f32::from(*value)).collect();
            let (mean, median) = mean_and_median(values.map(|value| value.map_or(f32::NAN, f32::from)));
            let (low, high) = known.iter().fold((f32::MAX, f32::MIN), |(low, high), value| (low.min(*value), high.max(*value)));
            prop_assert_eq!(known.is_empty(), mean.is_nan() && median.is_nan());
            prop_assert!(known.is_empty() || (low..=high).contains(&median) && (low - 0.01..=high + 0.01).contains(&mean));
        }
    }
}
