//! The instants to which the features of a local day refer.

use std::array;

use super::{LAGS_DAYS, WINDOWS_DAYS};
use crate::time::{Day, Hour};

/// The number of days before a day whose counts its features use.
const REACH_DAYS: usize = 28;
const HOURS_PER_DAY: i32 = 24;

/// A local day with the first hours of the days that its features use.
///
/// Lags are joined by local date and hour. Joined by instant, they are one hour off for up to four
/// weeks after the clocks change.
#[derive(Clone, Debug)]
pub(super) struct LocalDay {
    day: Day,
    /// The first hours of 28 days before the day, of the day, and of the next day.
    starts: [Hour; REACH_DAYS + 2],
}

impl LocalDay {
    pub(super) fn new(day: Day) -> Self {
        // The casts are exact: positions are at most 29.
        let start = |position: usize| day.plus(position as i32 - REACH_DAYS as i32).first_hour();
        Self {
            day,
            starts: array::from_fn(start),
        }
    }

    pub(super) const fn day(&self) -> Day {
        self.day
    }

    /// Returns the first hour of the day. Its features use only earlier counts.
    pub(super) const fn start(&self) -> Hour {
        self.starts[REACH_DAYS]
    }

    /// Returns the first hour of each window of the means. All windows end before [`Self::start`].
    pub(super) fn windows(&self) -> [Hour; WINDOWS_DAYS.len()] {
        WINDOWS_DAYS.map(|days| self.starts[REACH_DAYS - days])
    }

    /// Returns the hours of the lags of `hour` o'clock: the same local hour on earlier days.
    ///
    /// A local hour that does not exist on a day yields `None`, and a repeated one its first
    /// occurrence.
    pub(super) fn lags(&self, hour: i8) -> [Option<Hour>; LAGS_DAYS.len()] {
        LAGS_DAYS.map(|days| {
            let position = REACH_DAYS - days;
            let (start, end) = (self.starts[position], self.starts[position + 1]);
            if end == start.plus(HOURS_PER_DAY) {
                return Some(start.plus(i32::from(hour)));
            }
            self.day.plus(-(days as i32)).local_hour(hour)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lags(day: &str, hour: i8) -> [Option<String>; LAGS_DAYS.len()] {
        LocalDay::new(day.parse().unwrap())
            .lags(hour)
            .map(|lag| lag.map(|hour| hour.to_string()))
    }

    fn text(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn lags_have_the_same_local_hour_across_a_clock_change() {
        let lags = lags("2021-03-29", 8);
        assert_eq!(lags[0], text("2021-03-28T06:00:00Z"));
        assert_eq!(lags[1], text("2021-03-27T07:00:00Z"));
        assert_eq!(lags[9], text("2021-03-01T07:00:00Z"));
    }

    #[test]
    fn skipped_hour_has_no_lag_and_repeated_hour_its_first() {
        assert_eq!(lags("2021-03-29", 2)[0], None);
        assert_eq!(lags("2021-04-04", 2)[6], None);
        assert_eq!(lags("2020-10-26", 2)[0], text("2020-10-25T00:00:00Z"));
        assert_eq!(lags("2020-10-26", 3)[0], text("2020-10-25T02:00:00Z"));
    }

    #[test]
    fn windows_are_whole_local_days() {
        let day = LocalDay::new("2020-10-26".parse().unwrap());
        assert_eq!(day.start().to_string(), "2020-10-25T23:00:00Z");
        let windows = day.windows().map(|first| first.to_string());
        assert_eq!(
            windows,
            [
                "2020-10-24T22:00:00Z",
                "2020-10-18T22:00:00Z",
                "2020-09-27T22:00:00Z"
            ]
        );
    }
}
