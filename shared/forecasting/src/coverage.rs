//! The coverage of a period: the days, hours and counters whose counts a result is based on.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use crate::{
    counts::Counts,
    time::{Day, Hour},
};

/// The largest number of hours of a day in the public data, which omits the repeated hour when
/// summer time ends.
const PUBLISHED_HOURS: u64 = 24;

/// The counts of a period, compared with those that the known counters have in complete days.
///
/// The known counters are those with a count in the period or in the history read with it. Hours
/// are hours of single counters: a complete day of 56 counters has 1,344.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coverage {
    /// The number of days with counts.
    pub days: usize,
    /// The number of days of the period.
    pub expected_days: usize,
    /// The number of hours with a count, summed over the counters.
    pub hours: u64,
    /// The number of hours of the period, summed over the known counters.
    pub expected_hours: u64,
    /// The number of counters with counts in the period.
    pub counters: usize,
    /// The number of known counters.
    pub expected_counters: usize,
    /// The days without counts.
    pub missing_days: Vec<Day>,
    /// The days with less than half of the expected counts.
    pub partial_days: Vec<Day>,
    /// The names of the known counters without counts in the period.
    pub silent_counters: Vec<String>,
}

impl Coverage {
    /// Returns the coverage of the days from `first` to `last` inclusive, without the hours that
    /// `is_expected` rejects.
    ///
    /// `known` contains the counts of the period. Its earlier counts only extend the known
    /// counters.
    pub fn of(
        known: &Counts,
        (first, last): (Day, Day),
        is_expected: impl Fn(Hour) -> bool,
    ) -> Self {
        let hours: BTreeMap<Hour, Day> = first
            .through(last)
            .flat_map(|day| day.hours().map(move |hour| (hour, day)))
            .filter(|(hour, _)| is_expected(*hour))
            .collect();
        let mut is_known = vec![false; known.counters().len()];
        let mut has_counts = is_known.clone();
        let mut counts_per_day = BTreeMap::<Day, u64>::new();
        for row in known.rows() {
            let counter = row.counter.position();
            is_known[counter] = true;
            if let Some(day) = hours.get(&row.hour) {
                has_counts[counter] = true;
                *counts_per_day.entry(*day).or_default() += 1;
            }
        }
        let mut hours_per_day = BTreeMap::<Day, u64>::new();
        for day in hours.values() {
            *hours_per_day.entry(*day).or_default() += 1;
        }
        let mut coverage = Self::of_counters(known, &is_known, &has_counts);
        for (day, hours) in hours_per_day {
            let counts = counts_per_day.get(&day).copied().unwrap_or_default();
            coverage.add_day(day, hours, counts);
        }
        coverage
    }

    fn of_counters(known: &Counts, is_known: &[bool], has_counts: &[bool]) -> Self {
        let number = |flags: &[bool]| flags.iter().filter(|flag| **flag).count();
        let mut silent_counters: Vec<_> = known
            .counters()
            .iter()
            .zip(is_known.iter().zip(has_counts))
            .filter(|(_, (is_known, has_counts))| **is_known && !**has_counts)
            .map(|(counter, _)| counter.name.clone())
            .collect();
        silent_counters.sort_unstable();
        Self {
            counters: number(has_counts),
            expected_counters: number(is_known),
            silent_counters,
            ..Self::default()
        }
    }

    fn add_day(&mut self, day: Day, hours: u64, counts: u64) {
        let expected = hours.min(PUBLISHED_HOURS) * self.expected_counters as u64;
        let counts = counts.min(expected);
        self.expected_days += 1;
        self.expected_hours += expected;
        self.hours += counts;
        if counts == 0 {
            self.missing_days.push(day);
            return;
        }
        self.days += 1;
        if counts * 2 < expected {
            self.partial_days.push(day);
        }
    }

    /// Returns `true` if each day has at least half of its counts.
    pub fn has_all_days(&self) -> bool {
        self.missing_days.is_empty() && self.partial_days.is_empty()
    }

    /// Returns `true` if each known counter has a count for each hour.
    pub fn is_complete(&self) -> bool {
        self.has_all_days() && self.hours == self.expected_hours
    }
}

impl fmt::Display for Coverage {
    /// Formats the coverage as in `6 of 7 days, 8,064 of 9,408 hours, 56 counters; missing
    /// 2021-07-27`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} of {} days, {} of {} hours, ",
            self.days,
            self.expected_days,
            with_separators(self.hours),
            with_separators(self.expected_hours)
        )?;
        if self.counters != self.expected_counters {
            write!(formatter, "{} of ", self.counters)?;
        }
        let noun = if self.expected_counters == 1 {
            "counter"
        } else {
            "counters"
        };
        write!(formatter, "{} {noun}", self.expected_counters)?;
        for (finding, days) in [
            ("missing", &self.missing_days),
            ("partial", &self.partial_days),
        ] {
            if !days.is_empty() {
                write!(formatter, "; {finding} {}", ranges(days))?;
            }
        }
        Ok(())
    }
}

/// Formats a number with a comma after each group of three digits: `8,064`.
pub fn with_separators(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Formats days in ascending order, consecutive ones as a range: `2021-07-20 to 2021-07-25`.
fn ranges(days: &[Day]) -> String {
    let is_consecutive = |before: &Day, after: &Day| before.plus(1) == *after;
    let ranges: Vec<_> = days
        .chunk_by(is_consecutive)
        .filter_map(|range| match range {
            [] => None,
            [day] => Some(day.to_string()),
            [first, .., last] => Some(format!("{first} to {last}")),
        })
        .collect();
    ranges.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::counts::Counter;

    fn day(text: &str) -> Day {
        text.parse().unwrap()
    }

    fn week() -> (Day, Day) {
        (day("2021-07-26"), day("2021-08-01"))
    }

    /// Returns counts of counters named 1, 2, …: those that `is_counted` accepts, from the day
    /// before the week to its end.
    fn counts(counters: u32, is_counted: impl Fn(u32, Hour) -> bool) -> Counts {
        let (first, last) = week();
        let mut counts = Counts::default();
        for number in 1..=counters {
            let counter = counts.intern(Counter {
                id: None,
                name: number.to_string(),
                coordinates: None,
            });
            first
                .plus(-1)
                .through(last)
                .flat_map(Day::hours)
                .filter(|hour| is_counted(number, *hour))
                .for_each(|hour| counts.push(counter, hour, 1));
        }
        counts
    }

    #[test]
    fn complete_week_has_all_days_hours_and_counters() {
        let coverage = Coverage::of(&counts(56, |_, _| true), week(), |_| true);
        assert!(coverage.is_complete() && coverage.has_all_days());
        assert_eq!(
            coverage.to_string(),
            "7 of 7 days, 9,408 of 9,408 hours, 56 counters"
        );
    }

    #[test]
    fn missing_day_is_named() {
        let missing = day("2021-07-27");
        let counts = counts(56, |_, hour| hour.day() != missing);
        let coverage = Coverage::of(&counts, week(), |_| true);
        assert!(!coverage.is_complete() && !coverage.has_all_days());
        assert_eq!(
            coverage.to_string(),
            "6 of 7 days, 8,064 of 9,408 hours, 56 counters; missing 2021-07-27"
        );
    }

    #[test]
    fn week_with_a_single_count_has_one_partial_day() {
        let (first, _) = week();
        let only = first.first_hour();
        let counts = counts(2, |number, hour| hour < only || (number, hour) == (1, only));
        let coverage = Coverage::of(&counts, week(), |_| true);
        assert_eq!(coverage.silent_counters, ["2"]);
        assert_eq!(
            coverage.to_string(),
            "1 of 7 days, 1 of 336 hours, 1 of 2 counters; missing 2021-07-27 to 2021-08-01; \
             partial 2021-07-26"
        );
    }

    #[test]
    fn half_of_the_counts_of_a_day_suffice() {
        let first = week().0;
        for (hours, has_all_days) in [(12, true), (11, false)] {
            let end = first.first_hour().plus(hours);
            let counts = counts(1, |_, hour| hour.day() != first || hour < end);
            let coverage = Coverage::of(&counts, week(), |_| true);
            assert_eq!(coverage.has_all_days(), has_all_days, "{coverage}");
            assert!(!coverage.is_complete(), "{coverage}");
        }
    }

    #[test]
    fn rejected_hours_are_not_expected() {
        let noon = day("2021-07-31").first_hour().plus(12);
        let coverage = Coverage::of(&counts(1, |_, hour| hour > noon), week(), |hour| {
            hour >= noon
        });
        assert_eq!(
            coverage.to_string(),
            "2 of 2 days, 35 of 36 hours, 1 counter"
        );
    }

    /// The public data have 24 of the 25 hours of 2020-10-25.
    #[test]
    fn repeated_hour_of_autumn_is_not_expected() {
        let autumn = day("2020-10-25");
        let mut counts = Counts::default();
        let counter = counts.intern(Counter {
            id: None,
            name: "1".to_owned(),
            coordinates: None,
        });
        for hour in autumn.hours().skip(1) {
            counts.push(counter, hour, 1);
        }
        let coverage = Coverage::of(&counts, (autumn, autumn), |_| true);
        assert!(coverage.is_complete(), "{coverage}");
        assert_eq!(coverage.expected_hours, 24);
    }

    #[test]
    fn period_without_any_count_has_no_days() {
        let coverage = Coverage::of(&Counts::default(), week(), |_| true);
        assert!(!coverage.has_all_days());
        assert_eq!(
            coverage.to_string(),
            "0 of 7 days, 0 of 0 hours, 0 counters; missing 2021-07-26 to 2021-08-01"
        );
    }
}
