//! Local hours that occur twice when the clocks go back, in rows without an offset.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use super::{Count, CounterIndex};
use crate::time::Hour;

/// Assigns rows of a repeated local hour to its first and its second occurrence.
///
/// `repeated` has the positions of these rows, which are read as the second occurrence (winter
/// time). If a counter has two such rows, they are both occurrences, in the order of the file. A
/// single row stays the second one, because the city's exports omit the first. Rows that occur
/// twice because the whole file does are no second occurrence. Returns the number of rows whose
/// occurrence the file does not show.
pub(super) fn assign(rows: &mut [Count], repeated: &[usize]) -> u64 {
    let is_descending = rows
        .first()
        .zip(rows.last())
        .is_some_and(|(first, last)| first.hour > last.hour);
    let mut groups = BTreeMap::<(CounterIndex, Hour), Vec<usize>>::new();
    for &position in repeated {
        let row = rows[position];
        let group = groups.entry((row.counter, row.hour)).or_default();
        group.push(position);
    }
    let copies = copies(rows, &groups);
    let mut unknown = 0;
    for (key, mut positions) in groups {
        if is_descending {
            positions.reverse();
        }
        let rows_per_copy = positions.len() / copies.get(&key).copied().unwrap_or(1).max(1);
        if rows_per_copy < 2 {
            unknown += positions.len() as u64;
            continue;
        }
        for copy in positions.chunks_exact(rows_per_copy) {
            rows[copy[0]].hour = key.1.plus(-1);
        }
    }
    unknown
}

/// Returns how often each group's neighbouring hours occur in the file.
fn copies(
    rows: &[Count],
    groups: &BTreeMap<(CounterIndex, Hour), Vec<usize>>,
) -> FxHashMap<(CounterIndex, Hour), usize> {
    // The local hours before and after the two occurrences.
    let neighbours = |hour: Hour| [hour.plus(-2), hour.plus(1)];
    let mut occurrences: FxHashMap<(CounterIndex, Hour), usize> = groups
        .iter()
        .filter(|(_, positions)| positions.len() > 1)
        .flat_map(|(&(counter, hour), _)| neighbours(hour).map(|hour| ((counter, hour), 0)))
        .collect();
    if occurrences.is_empty() {
        return occurrences;
    }
    for row in rows {
        if let Some(number) = occurrences.get_mut(&(row.counter, row.hour)) {
            *number += 1;
        }
    }
    groups
        .keys()
        .map(|&(counter, hour)| {
            let numbers = neighbours(hour).map(|hour| occurrences.get(&(counter, hour)));
            let most = numbers.into_iter().flatten().max();
            ((counter, hour), most.copied().unwrap_or(0))
        })
        .collect()
}
