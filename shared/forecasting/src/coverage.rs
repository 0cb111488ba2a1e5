//! The coverage of a period: the days, hours and counters whose counts a result is based on.

use std::{collections::BTreeMap, fmt};

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use crate::{
    counts::Counts,
    time::{Day, Hour},
};

/// The largest number of hours of a day in the public data, which omits the repeated hour when
/// summer time ends.
const PUBLISHED_HOURS: u64 = 24;
/// The maximum number of silent, and of incomplete, counters that a text names.
const LISTED_COUNTERS: usize = 3;

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
    /// The counters with counts in the period that lack at least a day's hours on the other days
    /// than those above, as a counter that stops in the middle of a week. Coverages written before
    /// this field existed have none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub incomplete_counters: Vec<CounterHours>,
}

/// The hours of one counter on the days that are neither missing nor partial.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CounterHours {
    /// The name of the counter.
    pub counter: String,
    /// The number of hours with a count.
    pub hours: u64,
    /// The number of hours of these days.
    pub expected_hours: u64,
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
        let mut counts_of = FxHashMap::<(Day, usize), u64>::default();
        // Rows of one hour are mostly neighbours, so the last hour is looked up once.
        let mut last: Option<(Hour, Option<Day>)> = None;
        for row in known.rows() {
            let counter = row.counter.position();
            is_known[counter] = true;
            let day = match last {
                Some((hour, day)) if hour == row.hour => day,
                _ => hours.get(&row.hour).copied(),
            };
            last = Some((row.hour, day));
            if let Some(day) = day {
                has_counts[counter] = true;
                *counts_per_day.entry(day).or_default() += 1;
                *counts_of.entry((day, counter)).or_default() += 1;
            }
        }
        let mut hours_per_day = BTreeMap::<Day, u64>::new();
        for day in hours.values() {
            *hours_per_day.entry(*day).or_default() += 1;
        }
        let mut coverage = Self::of_counters(known, &is_known, &has_counts);
        for (day, hours) in &hours_per_day {
            let counts = counts_per_day.get(day).copied().unwrap_or_default();
            coverage.add_day(*day, *hours, counts);
        }
        let counters = known.counters().iter().enumerate();
        let counted = counters.filter(|(position, _)| has_counts[*position]);
        let names = counted.map(|(position, counter)| (position, counter.name.as_str()));
        coverage.incomplete_counters =
            coverage.find_incomplete_counters(names, &hours_per_day, &counts_of);
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

    /// Returns the counters that lack at least a day's hours on days which most counters cover.
    fn find_incomplete_counters<'a>(
        &self,
        counters: impl Iterator<Item = (usize, &'a str)>,
        hours_per_day: &BTreeMap<Day, u64>,
        counts_of: &FxHashMap<(Day, usize), u64>,
    ) -> Vec<CounterHours> {
        let days: Vec<_> = hours_per_day
            .iter()
            .filter(|(day, _)| !self.missing_days.contains(day) && !self.partial_days.contains(day))
            .map(|(day, hours)| (*day, (*hours).min(PUBLISHED_HOURS)))
            .collect();
        let expected_hours: u64 = days.iter().map(|(_, hours)| hours).sum();
        let hours_of = |counter: usize| -> u64 {
            let hours = days.iter().map(|(day, hours)| {
                let counts = counts_of.get(&(*day, counter)).copied();
                counts.unwrap_or_default().min(*hours)
            });
            hours.sum()
        };
        let mut incomplete: Vec<_> = counters
            .map(|(position, name)| CounterHours {
                counter: name.to_owned(),
                hours: hours_of(position),
                expected_hours,
            })
            .filter(|counter| counter.hours + PUBLISHED_HOURS <= expected_hours)
            .collect();
        incomplete.sort_unstable_by(|one, other| one.counter.cmp(&other.counter));
        incomplete
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
    /// 2021-07-27`. Names the first three silent and the first three incomplete counters.
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
        let silent = self.silent_counters.iter().cloned();
        let incomplete = self.incomplete_counters.iter().map(|of| {
            let (hours, expected) = (of.hours, of.expected_hours);
            format!(
                "{} {} of {} hours",
                of.counter,
                with_separators(hours),
                with_separators(expected)
            )
        });
        for (finding, counters) in [
            ("without counts", silent.collect::<Vec<_>>()),
            ("incomplete", incomplete.collect()),
        ] {
            if !counters.is_empty() {
                write!(formatter, "; {finding}: {}", first_of(&counters))?;
            }
        }
        Ok(())
    }
}

/// Lists the first texts, and the number of the others.
fn first_of(texts: &[String]) -> String {
    let listed = texts[..texts.len().min(LISTED_COUNTERS)].join(", ");
    match texts.len().saturating_sub(LISTED_COUNTERS) {
        0 => listed,
        others => format!("{listed} and {others} more"),
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
mod tests;
