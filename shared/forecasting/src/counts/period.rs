//! The check that the hours of a file are plausible: not in the future, and near each other.

use std::ops::RangeInclusive;

use super::{Count, reject::RejectReason};
use crate::time::Hour;

const HOURS_PER_DAY: i32 = 24;
/// The number of days without a row that separates two groups of hours.
///
/// It is more than a year, so a file may have one season of each year.
const GAP_DAYS: usize = 400;
/// The number of days without a row that separates a group from which most rows are missing.
const SPARSE_GAP_DAYS: usize = 31;
/// A group of hours is implausible if it has less than one in so many rows of its file.
const ROWS_PER_IMPLAUSIBLE_ROW: u64 = 100;

/// The hours of a file that are plausible.
///
/// Hours after the present one are not. Neither are groups of hours with less than 1 % of the rows
/// that are far from the rest: one row with a wrong year must not stretch the period of a file. A
/// group is far if it is more than 400 days away, or more than 31 days and its days have less than
/// half of the usual number of rows. Files of up to 100 rows have no such group.
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
    let usual = usual_rows(&rows_per_day);
    let is_few = |group: &Group| group.rows * ROWS_PER_IMPLAUSIBLE_ROW < all;
    let is_sparse = |group: &Group| group.rows * 2 < usual * group.days;
    let start_of = |day: usize| first.plus(day as i32 * HOURS_PER_DAY);
    let far = groups(&rows_per_day, GAP_DAYS);
    let sparse = groups(&rows_per_day, SPARSE_GAP_DAYS)
        .into_iter()
        .filter(is_sparse);
    far.into_iter()
        .chain(sparse)
        .filter(is_few)
        .map(|group| start_of(group.first)..=start_of(group.last + 1).plus(-1))
        .collect()
}

/// Days with rows, without a long gap between them.
struct Group {
    first: usize,
    last: usize,
    /// The number of days with rows.
    days: u64,
    rows: u64,
}

/// Returns the groups of days that are separated by more than `gap` days without rows.
fn groups(rows_per_day: &[u64], gap: usize) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for (day, &rows) in rows_per_day.iter().enumerate() {
        match groups.last_mut() {
            _ if rows == 0 => {}
            Some(group) if day - group.last <= gap => {
                group.last = day;
                group.days += 1;
                group.rows += rows;
            }
            _ => groups.push(Group {
                first: day,
                last: day,
                days: 1,
                rows,
            }),
        }
    }
    groups
}

/// Returns the median number of rows of the days with rows.
fn usual_rows(rows_per_day: &[u64]) -> u64 {
    let mut rows: Vec<_> = rows_per_day
        .iter()
        .copied()
        .filter(|rows| *rows > 0)
        .collect();
    rows.sort_unstable();
    rows.get(rows.len() / 2).copied().unwrap_or_default()
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

    /// A row with the year of the year before or after.
    #[test]
    fn few_hours_of_a_sparse_day_a_month_away_are_rejected() {
        for days in [32, 365] {
            let others = [450_000 - days * 24, LAST + days * 24];
            assert_eq!(rejected(&rows(&others), 700_000), others, "{days}");
        }
    }

    #[test]
    fn near_hours_whole_days_and_large_groups_are_accepted() {
        assert!(rejected(&rows(&[LAST + 31 * 24]), 700_000).is_empty());
        let first = LAST + 1 + 398 * 24;
        // A day with half of the usual rows.
        let day: Vec<_> = (first..first + 12).collect();
        assert!(rejected(&rows(&day), 700_000).is_empty());
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
