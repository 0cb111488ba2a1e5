//! Counts as a dense matrix of hours and counters. A lag is one lookup, a rolling mean two.

use crate::{
    counts::{Counter, CounterKey, Counts},
    time::Hour,
};

/// The counts of a period by hour and counter, with their running sums.
#[derive(Clone, Debug)]
pub struct History {
    counters: Counts,
    first: i32,
    hours: usize,
    counts: Vec<f32>,
    sums: Vec<RunningSum>,
}

/// The sum and the number of a counter's known counts before an hour.
#[derive(Clone, Copy, Debug, Default)]
struct RunningSum {
    sum: u64,
    known: u32,
}

impl History {
    /// Creates a history of several collections of counts.
    ///
    /// If more than one collection has a count for the same hour and counter, the last one wins.
    pub fn new(parts: &[&Counts]) -> Self {
        let mut counters = Counts::default();
        let indices: Vec<Vec<_>> = parts
            .iter()
            .map(|part| {
                part.counters()
                    .iter()
                    .map(|counter| counters.intern(counter.clone()))
                    .collect()
            })
            .collect();
        let periods: Vec<_> = parts.iter().filter_map(|part| part.period()).collect();
        let first = periods
            .iter()
            .map(|(first, _)| first.number())
            .min()
            .unwrap_or_default();
        let last = periods
            .iter()
            .map(|(_, last)| last.number() + 1)
            .max()
            .unwrap_or_default();
        let hours = usize::try_from(last - first).unwrap_or_default();
        let width = counters.counters().len();
        let mut counts = vec![f32::NAN; hours * width];
        for (part, indices) in parts.iter().zip(&indices) {
            for row in part.rows() {
                let hour = usize::try_from(row.hour.number() - first).unwrap_or_default();
                // Counts up to 50,000 are exact in f32.
                counts[hour * width + indices[row.counter.position()].position()] =
                    row.count as f32;
            }
        }
        let sums = running_sums(&counts, width);
        Self {
            counters,
            first,
            hours,
            counts,
            sums,
        }
    }

    /// Returns all counters. Their positions identify them in [`History::count`].
    pub fn counters(&self) -> &[Counter] {
        self.counters.counters()
    }

    /// Returns the position of a counter in [`History::counters`], if it is there.
    pub fn position(&self, key: &CounterKey) -> Option<usize> {
        self.counters
            .find(key)
            .map(crate::counts::CounterIndex::position)
    }

    /// Returns the count of one hour, or `NaN` if it is unknown.
    pub fn count(&self, counter: usize, hour: Hour) -> f32 {
        match usize::try_from(hour.number() - self.first) {
            Ok(hour) if hour < self.hours => self.counts[hour * self.counters().len() + counter],
            _ => f32::NAN,
        }
    }

    /// Returns the mean of the known counts in the `window` hours that end with `last`, inclusive.
    ///
    /// Returns `NaN` if no count is known.
    pub fn mean(&self, counter: usize, last: Hour, window: i32) -> f32 {
        let end = self.sum_before(counter, last.number() + 1);
        let start = self.sum_before(counter, last.number() + 1 - window);
        let known = end.known - start.known;
        if known == 0 {
            f32::NAN
        } else {
            (end.sum - start.sum) as f32 / known as f32
        }
    }

    fn sum_before(&self, counter: usize, hour: i32) -> RunningSum {
        let hour = usize::try_from(hour - self.first)
            .unwrap_or_default()
            .min(self.hours);
        self.sums[hour * self.counters().len() + counter]
    }
}

/// Returns `hours + 1` rows, `width` wide. Row `h` contains the sums over the hours before `h`.
fn running_sums(counts: &[f32], width: usize) -> Vec<RunningSum> {
    let mut sums = vec![RunningSum::default(); counts.len() + width];
    for (position, count) in counts.iter().enumerate() {
        let before = sums[position];
        // The cast is exact: counts are non-negative whole numbers.
        let next = if count.is_nan() {
            before
        } else {
            RunningSum {
                sum: before.sum + *count as u64,
                known: before.known + 1,
            }
        };
        sums[position + width] = next;
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::counts::CounterIndex;

    fn counts(rows: &[(&str, i32, u32)]) -> Counts {
        let mut counts = Counts::default();
        for (name, hour, count) in rows {
            let counter = counts.intern(Counter {
                id: None,
                name: (*name).to_owned(),
                coordinates: None,
            });
            counts.push(counter, Hour::from_number(*hour), *count);
        }
        counts
    }

    #[test]
    fn gaps_are_nan_and_later_parts_win() {
        let (old, new) = (
            counts(&[("a", 10, 1), ("b", 11, 2)]),
            counts(&[("b", 11, 5), ("a", 13, 9)]),
        );
        let history = History::new(&[&old, &new]);
        let b = history.position(&CounterKey::of_name("B")).unwrap();
        assert_eq!(history.count(b, Hour::from_number(11)), 5.0);
        assert_eq!(history.count(0, Hour::from_number(13)), 9.0);
        for hour in [9, 11, 12, 14] {
            assert!(history.count(0, Hour::from_number(hour)).is_nan(), "{hour}");
        }
    }

    #[test]
    fn mean_ignores_unknown_counts() {
        let history = History::new(&[&counts(&[("a", 10, 4), ("a", 12, 8), ("a", 14, 100)])]);
        assert_eq!(history.mean(0, Hour::from_number(13), 4), 6.0);
        assert_eq!(history.mean(0, Hour::from_number(12), 1), 8.0);
        assert_eq!(history.mean(0, Hour::from_number(99), 1_000), 112.0 / 3.0);
        assert!(history.mean(0, Hour::from_number(13), 1).is_nan());
        assert!(history.mean(0, Hour::from_number(5), 4).is_nan());
    }

    #[test]
    fn empty_history_has_no_counts() {
        let history = History::new(&[&Counts::default()]);
        assert!(history.counters().is_empty());
        let mut one = Counts::default();
        let index: CounterIndex = one.intern(Counter {
            id: None,
            name: "a".to_owned(),
            coordinates: None,
        });
        assert!(
            History::new(&[&one])
                .count(index.position(), Hour::from_number(0))
                .is_nan()
        );
    }
}
