//! The computation of feature rows.

use super::{
    COLUMNS, FrameRow, History, LAGS_DAYS, Outage, WEEKLY_LAGS, WINDOWS_DAYS, local_day::LocalDay,
    outage::Cell,
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
    hour: HourFeatures<'h>,
    day: DayFeatures,
}

/// A row of the matrix, with the properties of its counter that are no features.
pub(super) struct Row {
    pub(super) features: [f32; COLUMNS.len()],
    /// `true` if the counter is silent.
    pub(super) is_silent: bool,
    /// The outage that the hour belongs to, as all counts of the history show it.
    pub(super) outage: Outage,
}

/// The features that an hour gives to all counters, and the counts of the hours that it refers to.
struct HourFeatures<'h> {
    hour: Hour,
    hour_of_day: f32,
    /// The counts of the hour. `None` if it is outside of the history.
    cells: Option<&'h [Cell]>,
    /// The counts of the lags. `None` for hours that do not exist or are outside of the history.
    lags: [Option<&'h [Cell]>; LAGS_DAYS.len()],
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
    code: f32,
    latitude: f32,
    longitude: f32,
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
            hour: HourFeatures::new(first, local.hour, &day.local, history),
            day,
        }
    }

    /// Returns a row of the matrix.
    pub(super) fn row(&mut self, row: FrameRow) -> Row {
        self.enter(row.hour);
        let Self {
            history,
            codes,
            hour,
            day,
        } = self;
        let counter = row.counter as usize;
        let CounterFeatures {
            code,
            latitude,
            longitude,
            means,
            is_silent,
        } = *day.counters[counter].get_or_insert_with(|| {
            CounterFeatures::new(history, counter, codes[counter], &day.local)
        });
        let start = day.local.start().number();
        let lags = hour
            .lags
            .map(|cells| cells.map_or(f32::NAN, |cells| cells[counter].count_by(start)));
        let (weekly_mean, weekly_median) = mean_and_median(WEEKLY_LAGS.map(|lag| lags[lag]));
        let mut features = [f32::NAN; COLUMNS.len()];
        features[..5].copy_from_slice(&[code, hour.hour_of_day, day.weekday, latitude, longitude]);
        features[5..8].copy_from_slice(&day.holidays);
        features[8..18].copy_from_slice(&lags);
        features[18..20].copy_from_slice(&[weekly_mean, weekly_median]);
        features[20..].copy_from_slice(&means);
        let outage = hour.cells.map(|cells| cells[counter].outage());
        Row {
            features,
            is_silent,
            outage: outage.unwrap_or_default(),
        }
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
        self.hour = HourFeatures::new(hour, local.hour, &self.day.local, self.history);
    }
}

impl<'h> HourFeatures<'h> {
    fn new(hour: Hour, hour_of_day: i8, day: &LocalDay, history: &'h History) -> Self {
        Self {
            hour,
            hour_of_day: f32::from(hour_of_day),
            cells: history.cells(hour),
            lags: day.lags(hour_of_day).map(|lag| history.cells(lag?)),
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

impl CounterFeatures {
    fn new(history: &History, counter: usize, code: f32, day: &LocalDay) -> Self {
        let start = day.start();
        let coordinates = history.counters()[counter].coordinates;
        // Degrees in f32 have a resolution of about 30 cm.
        let (latitude, longitude) = coordinates.map_or((f32::NAN, f32::NAN), |location| {
            (location.latitude as f32, location.longitude as f32)
        });
        Self {
            code,
            latitude,
            longitude,
            means: day
                .windows()
                .map(|first| history.mean_by(counter, first, start)),
            is_silent: history.is_silent_by(counter, start),
        }
    }
}

/// Returns mean and median of the known values, or `NaN` if none is known.
///
/// The values are counts: whole numbers, whose sums and differences are exact.
fn mean_and_median(values: [f32; 4]) -> (f32, f32) {
    let known: u8 = values.iter().map(|value| u8::from(!value.is_nan())).sum();
    if known == 0 {
        return (f32::NAN, f32::NAN);
    }
    let known_or_zero = values.map(|value| if value.is_nan() { 0.0 } else { value });
    let sum: f32 = known_or_zero.iter().sum();
    let median = match known {
        1 | 2 => sum / f32::from(known),
        // One or two values are between the lowest and the highest. `min` and `max` ignore `NaN`.
        _ => {
            let lowest = values.into_iter().fold(f32::NAN, f32::min);
            let highest = values.into_iter().fold(f32::NAN, f32::max);
            (sum - lowest - highest) / f32::from(known - 2)
        }
    };
    (sum / f32::from(known), median)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn mean_and_median_are_those_of_the_sorted_values(values in proptest::array::uniform4(proptest::option::of(0..50_001_u16))) {
            let mut known: Vec<f32> = values.iter().flatten().map(|value| f32::from(*value)).collect();
            known.sort_by(f32::total_cmp);
            let length = known.len();
            let expected = if known.is_empty() {
                (f32::NAN, f32::NAN)
            } else {
                let median = f32::midpoint(known[(length - 1) / 2], known[length / 2]);
                (known.iter().sum::<f32>() / length as f32, median)
            };
            let actual = mean_and_median(values.map(|value| value.map_or(f32::NAN, f32::from)));
            let bits = |(mean, median): (f32, f32)| (mean.to_bits(), median.to_bits());
            prop_assert_eq!(bits(actual), bits(expected));
        }
    }
}
