//! Counts as a dense matrix of hours and counters. A lag is one lookup, a rolling mean three.

use super::outage::{Cell, Outage, mark_outages};
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
    cells: Vec<Cell>,
    sums: Vec<RunningSum>,
}

/// The sum and the number of a counter's known counts before an hour, without those in outages.
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
        let mut cells = vec![Cell::UNKNOWN; hours * width];
        for (part, indices) in parts.iter().zip(&indices) {
            for row in part.rows() {
                let hour = usize::try_from(row.hour.number() - first).unwrap_or_default();
                // Counts up to 50,000 are exact in f32.
                cells[hour * width + indices[row.counter.position()].position()].count =
                    row.count as f32;
            }
        }
        mark_outages(&mut cells, width, first);
        let sums = running_sums(&cells, width);
        Self {
            counters,
            first,
            hours,
            cells,
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
        self.cells(hour)
            .map_or(f32::NAN, |cells| cells[counter].count)
    }

    /// Returns the counts of all counters in one hour, or `None` if the hour is outside of the
    /// period.
    pub(super) fn cells(&self, hour: Hour) -> Option<&[Cell]> {
        let row = usize::try_from(hour.number().saturating_sub(self.first)).ok()?;
        let width = self.counters().len();
        (row < self.hours).then(|| &self.cells[row * width..][..width])
    }

    /// Returns the mean of the known counts from `first` to before `end`, without the outages that
    /// the counts before `end` show.
    ///
    /// Returns `NaN` if no count remains.
    pub fn mean_by(&self, counter: usize, first: Hour, end: Hour) -> f32 {
        let (before, until) = (
            self.sum_before(counter, first),
            self.sum_before(counter, end),
        );
        let (pending, count) = self.pending_outage(counter, first, end);
        let known = until.known - before.known + pending;
        if known == 0 {
            return f32::NAN;
        }
        // The cast is exact: counts are non-negative whole numbers.
        let sum = until.sum - before.sum + u64::from(pending) * count as u64;
        sum as f32 / known as f32
    }

    /// Returns `true` if the counter is silent: its last known counts before `end` are the zeros of
    /// an outage.
    pub fn is_silent_by(&self, counter: usize, end: Hour) -> bool {
        self.known_before(counter, Hour::from_number(self.first), end)
            .next()
            .is_some_and(|cell| cell.count == 0.0 && cell.is_outage_by(end.number()))
    }

    /// Returns the number of hours from `first` to before `end` whose outage only later counts
    /// show, and their count. The running sums leave them out.
    ///
    /// They are the latest known counts before `end`, because their run goes on after it.
    fn pending_outage(&self, counter: usize, first: Hour, end: Hour) -> (u32, f32) {
        let mut pending = (0, 0.0);
        let is_pending =
            |cell: &&Cell| cell.outage() != Outage::None && !cell.is_outage_by(end.number());
        for cell in self
            .known_before(counter, first, end)
            .take_while(is_pending)
        {
            pending = (pending.0 + 1, cell.count);
        }
        pending
    }

    /// Returns the hours from `first` to before `end` whose count is known, the latest first.
    fn known_before(&self, counter: usize, first: Hour, end: Hour) -> impl Iterator<Item = &Cell> {
        let width = self.counters().len();
        (self.row(first)..self.row(end))
            .rev()
            .map(move |hour| &self.cells[hour * width + counter])
            .filter(|cell| !cell.count.is_nan())
    }

    fn sum_before(&self, counter: usize, hour: Hour) -> RunningSum {
        self.sums[self.row(hour) * self.counters().len() + counter]
    }

    /// Returns the row of an hour in the matrix, or the nearest row.
    fn row(&self, hour: Hour) -> usize {
        usize::try_from(hour.number().saturating_sub(self.first))
            .unwrap_or_default()
            .min(self.hours)
    }
}

/// Returns `hours + 1` rows, `width` wide. Row `h` contains the sums over the hours before `h`.
fn running_sums(cells: &[Cell], width: usize) -> Vec<RunningSum> {
    let mut sums = Vec::with_capacity(cells.len() + width);
    let mut row = vec![RunningSum::default(); width];
    sums.extend_from_slice(&row);
    for cells in cells.chunks_exact(width.max(1)) {
        for (sum, cell) in row.iter_mut().zip(cells) {
            if cell.is_counted() {
                // The cast is exact: counts are non-negative whole numbers.
                sum.sum += u64::from(cell.count as u32);
                sum.known += 1;
            }
        }
        sums.extend_from_slice(&row);
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

    /// Returns the history of counter `a`, whose counts start at hour 10.
    fn history(counts_of_a: &[u32]) -> History {
        let rows: Vec<_> = (10..)
            .zip(counts_of_a)
            .map(|(hour, count)| ("a", hour, *count))
            .collect();
        History::new(&[&counts(&rows)])
    }

    fn mean(history: &History, first: i32, end: i32) -> f32 {
        history.mean_by(0, Hour::from_number(first), Hour::from_number(end))
    }

    fn is_silent(history: &History, end: i32) -> bool {
        history.is_silent_by(0, Hour::from_number(end))
    }

    #[test]
    fn mean_ignores_unknown_counts() {
        let history = History::new(&[&counts(&[("a", 10, 4), ("a", 12, 8), ("a", 14, 100)])]);
        assert_eq!(mean(&history, 10, 14), 6.0);
        assert_eq!(mean(&history, 12, 13), 8.0);
        assert_eq!(mean(&history, -900, 100), 112.0 / 3.0);
        assert!(mean(&history, 13, 14).is_nan());
        assert!(mean(&history, 2, 6).is_nan());
    }

    /// Six counts of 90 from hour 12 on are an outage once the hour 17 is known.
    #[test]
    fn mean_and_count_leave_out_outages_that_are_known() {
        let history = history(&[10, 20, 90, 90, 90, 90, 90, 90, 90, 40]);
        let at = Hour::from_number;
        let cell = history.cells(at(12)).unwrap()[0];
        assert_eq!(cell.count_by(17), 90.0);
        assert!(cell.count_by(18).is_nan());
        assert_eq!(history.count(0, at(12)), 90.0);
        assert_eq!(mean(&history, 10, 17), (10.0 + 20.0 + 5.0 * 90.0) / 7.0);
        assert_eq!(mean(&history, 14, 17), 90.0);
        assert_eq!(mean(&history, 10, 18), 15.0);
        assert_eq!(mean(&history, 10, 20), 70.0 / 3.0);
        assert!(mean(&history, 12, 18).is_nan());
    }

    #[test]
    fn counter_is_silent_after_24_zeros() {
        let mut zeros = vec![3];
        zeros.extend([0; 24]);
        let history = history(&zeros);
        assert!(!is_silent(&history, 34), "23 zeros are known");
        assert!(is_silent(&history, 35), "24 zeros are known");
        assert!(is_silent(&history, 99), "no later count is known");
        assert!(!is_silent(&history, 10), "no count is known");
        let constant = self::history(&[8; 30]);
        assert!(!is_silent(&constant, 40), "the counts are not zeros");
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
