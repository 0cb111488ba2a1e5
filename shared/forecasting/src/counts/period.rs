//! The check that the hours of a file are plausible: not in the future, and near each other.

use std::ops::RangeInclusive;

use super::{Count, reject::RejectReason};
use crate::time::Hour;

const HOURS_PER_DAY: i32 = 24;
/// The number of days without a row that separates two groups of hours.
///
/// It is more than a year, so a file may have one season of each year.
const GAP_DAYS: usize = 400;
/// A group of hours is implausible if it has less than one in so many rows of its file.
const ROWS_PER_IMPLAUSIBLE_ROW: u64 = 100;

/// The hours of a file that are plausible.
///
/// Hours after the present one are not. Neither are groups of hours that are more than 400 days
/// from the rest and have less than 1 % of the rows: one row with a wrong year must not stretch the
/// period of a file. Files of up to 100 rows have no such group.
pub(super) struct PlausiblePeriod {
    now: Hour,
    has_future: bool,
    isolated: Vec<RangeInclusive<Hour>>,
}

impl PlausiblePeriod {
    /// Determines the plausible hours of rows in any order. All hours must be in plausible years,
    /// because the memory is proportional to the period.
    pub(super) fn of(rows: &[Count], now: Hour) -> Self {
        let past = || {
            rows.iter()
                .map(|row| row.hour)
                .filter(move |hour| *hour <= now)
        };
        let isolated = past()
            .min()
            .zip(past().max())
            .map(|(first, last)| isolated(past(), first, last));
        Self {
            now,
            has_future: rows.iter().any(|row| row.hour > now),
            isolated: isolated.unwrap_or_default(),
        }
    }

    /// Returns `true` if all rows are plausible.
    pub(super) fn is_complete(&self) -> bool {
        !self.has_future && self.isolated.is_empty()
    }

    /// Checks one hour.
    ///
    /// # Errors
    /// Returns the reason for rejecting its row.
    pub(super) fn check(&self, hour: Hour) -> Result<(), RejectReason> {
        if hour > self.now {
            Err(RejectReason::FutureHour(hour.to_string()))
        } else if self.isolated.iter().any(|group| group.contains(&hour)) {
            Err(RejectReason::IsolatedHour(hour.to_string()))
        } else {
            Ok(())
        }
    }
}

/// Returns the groups of hours that are far from the rest of the hours and few.
fn isolated(
    hours: impl Iterator<Item = Hour>,
    first: Hour,
    last: Hour,
) -> Vec<RangeInclusive<Hour>> {
    let day_of = |hour: Hour| ((hour.number() - first.number()) / HOURS_PER_DAY) as usize;
    let mut rows_per_day = vec![0_u64; day_of(last) + 1];
    hours.for_each(|hour| rows_per_day[day_of(hour)] += 1);
    let all: u64 = rows_per_day.iter().sum();
    // Each group has its first day, its last day and its number of rows.
    let mut groups: Vec<(usize, usize, u64)> = Vec::new();
    for (day, rows) in rows_per_day.into_iter().enumerate() {
        match groups.last_mut() {
            _ if rows == 0 => {}
            Some((_, last_day, group_rows)) if day - *last_day <= GAP_DAYS => {
                *last_day = day;
                *group_rows += rows;
            }
            _ => groups.push((day, day, rows)),
        }
    }
    let start_of = |day: usize| first.plus(day as i32 * HOURS_PER_DAY);
    groups
        .into_iter()
        .filter(|(_, _, rows)| rows * ROWS_PER_IMPLAUSIBLE_ROW < all)
        .map(|(first_day, last_day, _)| start_of(first_day)..=start_of(last_day + 1).plus(-1))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::counts::CounterIndex;

    /// The hours of 60 days from the number 450,000, and others.
    fn rows(others: &[i32]) -> Vec<Count> {
        (450_000..450_000 + 60 * 24)
            .chain(others.iter().copied())
            .map(|hour| Count {
                hour: Hour::from_number(hour),
                counter: CounterIndex(0),
                count: 1,
            })
            .collect()
    }

    fn rejected(rows: &[Count], now: i32) -> Vec<i32> {
        let period = PlausiblePeriod::of(rows, Hour::from_number(now));
        let hours = rows.iter().map(|row| row.hour);
        let rejected: Vec<_> = hours
            .filter(|hour| period.check(*hour).is_err())
            .map(Hour::number)
            .collect();
        assert_eq!(period.is_complete(), rejected.is_empty());
        rejected
    }

    const LAST: i32 = 450_000 + 60 * 24 - 1;

    #[test]
    fn hours_after_the_present_one_are_rejected() {
        assert!(rejected(&rows(&[]), LAST).is_empty());
        assert_eq!(rejected(&rows(&[]), LAST - 2), [LAST - 1, LAST]);
        assert_eq!(rejected(&rows(&[]), 0).len(), 60 * 24);
    }

    #[test]
    fn few_hours_far_before_or_after_the_rest_are_rejected() {
        let (before, after) = (450_000 - 500 * 24, LAST + 500 * 24);
        assert_eq!(
            rejected(&rows(&[after, before, before + 1]), 700_000),
            [after, before, before + 1]
        );
    }

    #[test]
    fn hours_within_400_days_and_large_groups_are_accepted() {
        assert!(rejected(&rows(&[LAST + 399 * 24]), 700_000).is_empty());
        let first = LAST + 500 * 24;
        let many: Vec<_> = (first..first + 24).collect();
        assert!(rejected(&rows(&many), 700_000).is_empty());
        // One of 100 rows is not less than 1 %.
        let mut few = rows(&[first]);
        few.drain(..60 * 24 - 99);
        assert!(rejected(&few, 700_000).is_empty());
        few.insert(0, few[0]);
        assert_eq!(rejected(&few, 700_000), [first]);
    }
}
