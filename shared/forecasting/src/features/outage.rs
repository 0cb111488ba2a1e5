//! Outages: counters that report the same count again and again.
//!
//! A run consists of successive known counts of one counter that are equal. Unknown hours neither
//! end nor lengthen it, so a day of late counts does not end the outage of a dead counter. A run of
//! [`MINIMUM_ZEROS`] zeros, or of [`MINIMUM_CONSTANT`] equal counts of at least
//! [`MINIMUM_CONSTANT_COUNT`], is an outage from its first hour on, but known only from the hour on
//! that completes this length.

use serde::{Deserialize, Serialize};

/// The number of successive zeros from which on they are an outage. A quiet counter has fewer in
/// one night.
pub const MINIMUM_ZEROS: usize = 24;
/// The number of successive equal counts from which on they are an outage, if they are not zeros.
pub const MINIMUM_CONSTANT: usize = 6;
/// The smallest count that is an outage if it is repeated. Smaller counts repeat by chance.
pub const MINIMUM_CONSTANT_COUNT: u32 = 5;

/// The kind of outage that an hour belongs to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outage {
    /// The hour belongs to no outage, or its count is unknown.
    #[default]
    None,
    /// The count is one of [`MINIMUM_ZEROS`] or more successive zeros.
    Zeros,
    /// The count is one of [`MINIMUM_CONSTANT`] or more successive equal counts of at least
    /// [`MINIMUM_CONSTANT_COUNT`].
    Constant,
}

/// The count of one counter in one hour.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cell {
    /// The count, or `NaN` if it is unknown.
    pub(super) count: f32,
    /// The number of the first hour whose preceding counts show that this hour belongs to an
    /// outage; [`Cell::NEVER`] if it belongs to none.
    outage_from: i32,
}

impl Cell {
    pub(super) const UNKNOWN: Self = Self {
        count: f32::NAN,
        outage_from: Self::NEVER,
    };
    const NEVER: i32 = i32::MAX;

    /// Returns the outage that the hour belongs to, with all counts known.
    pub(super) fn outage(self) -> Outage {
        if self.outage_from == Self::NEVER {
            Outage::None
        } else if self.count == 0.0 {
            Outage::Zeros
        } else {
            Outage::Constant
        }
    }

    /// Returns the count, or `NaN` if it is unknown or if the counts before the hour `end` show
    /// that it belongs to an outage.
    pub(super) fn count_by(self, end: i32) -> f32 {
        if self.is_outage_by(end) {
            f32::NAN
        } else {
            self.count
        }
    }

    /// Returns `true` if the counts before the hour `end` show that this hour belongs to an outage.
    pub(super) fn is_outage_by(self, end: i32) -> bool {
        self.outage_from <= end
    }

    /// Returns `true` if the count is known and the hour belongs to no outage.
    pub(super) fn is_counted(self) -> bool {
        !self.count.is_nan() && self.outage_from == Self::NEVER
    }
}

/// A run of equal counts of one counter.
#[derive(Clone, Copy)]
struct Run {
    count: f32,
    /// The position of the first count in the matrix.
    start: usize,
    /// The number of known counts.
    length: usize,
    /// The length from which on the run is an outage.
    minimum: usize,
    outage_from: i32,
}

impl Run {
    const NONE: Self = Self::of(f32::NAN, 0);

    const fn of(count: f32, start: usize) -> Self {
        Self {
            count,
            start,
            length: 0,
            minimum: minimum_length(count),
            outage_from: Cell::NEVER,
        }
    }
}

/// Finds the outages in a matrix of hours and counters that is `width` wide. Its first row is the
/// hour with the number `first`.
pub(super) fn mark_outages(cells: &mut [Cell], width: usize, first: i32) {
    // Hour by hour, in the order of the memory.
    let mut runs = vec![Run::NONE; width];
    let mut end = first;
    for hour in (0..cells.len()).step_by(width.max(1)) {
        end += 1;
        for (position, run) in (hour..).zip(&mut runs) {
            let cell = &mut cells[position];
            if cell.count.is_nan() {
                continue;
            }
            if cell.count != run.count {
                *run = Run::of(cell.count, position);
            }
            run.length += 1;
            cell.outage_from = run.outage_from;
            if run.length == run.minimum {
                run.outage_from = end;
                for position in (run.start..=position).step_by(width) {
                    let cell = &mut cells[position];
                    if !cell.count.is_nan() {
                        cell.outage_from = end;
                    }
                }
            }
        }
    }
}

/// Returns the length from which on a run of `count` is an outage, or the largest number if it
/// never is.
const fn minimum_length(count: f32) -> usize {
    if count == 0.0 {
        MINIMUM_ZEROS
    } else if count >= MINIMUM_CONSTANT_COUNT as f32 {
        MINIMUM_CONSTANT
    } else {
        usize::MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: i32 = 1_000;

    fn marked(counts: &[Option<u16>]) -> Vec<Cell> {
        let mut cells: Vec<_> = counts
            .iter()
            .map(|count| Cell {
                count: count.map_or(f32::NAN, f32::from),
                ..Cell::UNKNOWN
            })
            .collect();
        mark_outages(&mut cells, 1, FIRST);
        cells
    }

    fn outages(counts: &[Option<u16>]) -> Vec<Outage> {
        marked(counts).into_iter().map(Cell::outage).collect()
    }

    #[test]
    fn run_is_an_outage_from_its_minimum_length_on() {
        for (count, length, expected) in [
            (0, 23, Outage::None),
            (0, 24, Outage::Zeros),
            (5, 5, Outage::None),
            (5, 6, Outage::Constant),
            (4, 100, Outage::None),
        ] {
            let mut counts = vec![Some(count); length];
            counts.insert(0, Some(1));
            counts.push(Some(1));
            let found = outages(&counts);
            assert_eq!(
                found[1..=length],
                vec![expected; length],
                "{length} times {count}"
            );
            assert_eq!((found[0], found[length + 1]), (Outage::None, Outage::None));
        }
    }

    #[test]
    fn unknown_hours_neither_end_nor_lengthen_a_run() {
        let mut counts = vec![Some(7); 5];
        counts.insert(3, None);
        assert_eq!(outages(&counts), [Outage::None; 6]);
        counts.push(Some(7));
        let mut expected = [Outage::Constant; 7];
        expected[3] = Outage::None;
        assert_eq!(outages(&counts), expected);
    }

    #[test]
    fn outage_is_known_once_its_minimum_length_is_reached() {
        let cells = marked(&[Some(9); 8]);
        for cell in cells {
            assert!(!cell.is_outage_by(FIRST + 5) && cell.is_outage_by(FIRST + 6));
        }
    }

    #[test]
    fn counters_have_separate_runs() {
        let cell = |count| Cell {
            count,
            ..Cell::UNKNOWN
        };
        let mut cells: Vec<_> = (0_u8..6)
            .flat_map(|hour| [cell(9.0), cell(f32::from(hour))])
            .collect();
        mark_outages(&mut cells, 2, FIRST);
        for pair in cells.chunks(2) {
            assert_eq!(
                (pair[0].outage(), pair[1].outage()),
                (Outage::Constant, Outage::None)
            );
        }
        mark_outages(&mut [], 0, FIRST);
    }
}
