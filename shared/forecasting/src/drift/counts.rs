//! The condensed form of a column: distinct values and their frequencies.

use serde::{Deserialize, Serialize, Serializer};

/// Distinct values in ascending order, each with its number of rows.
///
/// Invariants: no value is NaN, all values are distinct, and all numbers of rows are positive.
/// Deserialization restores them, because text formats may round the last digit of a number.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(from = "Vec<(K, u64)>")]
#[serde(bound(deserialize = "K: Deserialize<'de> + PartialOrd"))]
pub(super) struct Counts<K> {
    values: Vec<(K, u64)>,
    rows: u64,
}

impl<K: PartialOrd> Counts<K> {
    pub(super) fn of(values: impl IntoIterator<Item = K>) -> Self {
        let counts = values.into_iter().map(|value| (value, 1));
        counts.collect::<Vec<_>>().into()
    }

    pub(super) fn map_values<L: PartialOrd>(self, to: impl Fn(K) -> L) -> Counts<L> {
        let counts = self.values.into_iter();
        let mapped = counts.map(|(value, rows)| (to(value), rows));
        mapped.collect::<Vec<_>>().into()
    }

    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&K, u64)> {
        self.values.iter().map(|(value, rows)| (value, *rows))
    }
}

impl<K: PartialOrd> From<Vec<(K, u64)>> for Counts<K> {
    fn from(mut counts: Vec<(K, u64)>) -> Self {
        counts.retain(|(value, rows)| value.partial_cmp(value).is_some() && *rows > 0);
        counts.sort_unstable_by(|(left, _), (right, _)| {
            left.partial_cmp(right).unwrap_or(std::cmp::Ordering::Equal)
        });
        counts.dedup_by(|(value, rows), (previous, previous_rows)| {
            let is_duplicate = value == previous;
            if is_duplicate {
                *previous_rows += *rows;
            }
            is_duplicate
        });
        let rows = counts.iter().map(|(_, rows)| rows).sum();
        Self {
            values: counts,
            rows,
        }
    }
}

impl<K: Serialize> Serialize for Counts<K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.values.serialize(serializer)
    }
}

/// Returns the values of both sides in ascending order, each with its number of rows in the
/// reference and in the current data.
pub(super) fn side_by_side<'a, K: PartialOrd>(
    reference: &'a Counts<K>,
    current: &'a Counts<K>,
) -> impl Iterator<Item = (&'a K, u64, u64)> {
    let (mut reference, mut current) = (&reference.values[..], &current.values[..]);
    std::iter::from_fn(move || {
        let (left, right) = (reference.first(), current.first());
        let from_reference = left.filter(|left| right.is_none_or(|right| left.0 <= right.0));
        let from_current = right.filter(|right| left.is_none_or(|left| right.0 <= left.0));
        let (value, _) = from_reference.or(from_current)?;

        reference = &reference[usize::from(from_reference.is_some())..];
        current = &current[usize::from(from_current.is_some())..];
        let rows = |entry: Option<&(K, u64)>| entry.map_or(0, |(_, rows)| *rows);
        Some((value, rows(from_reference), rows(from_current)))
    })
}

/// Returns `true` if both sides together have more than `limit` distinct values.
pub(super) fn has_more_values_than<K: PartialOrd>(
    limit: usize,
    reference: &Counts<K>,
    current: &Counts<K>,
) -> bool {
    side_by_side(reference, current).nth(limit).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_sorted_and_counted_without_nan() {
        let counts = Counts::of([2.0, f64::NAN, -0.0, 2.0, 0.0]);

        assert_eq!(counts.values, [(0.0, 2), (2.0, 2)]);
        assert_eq!(counts.rows(), 4);
    }

    #[test]
    fn deserialization_restores_the_invariants() {
        let counts: Counts<f64> =
            serde_json::from_str("[[3.0,1],[1.0,2],[3.0,4],[2.0,0]]").unwrap();

        assert_eq!(counts.values, [(1.0, 2), (3.0, 5)]);
    }

    #[test]
    fn side_by_side_merges_by_value() {
        let reference = Counts::of(["a", "c", "c"]);
        let current = Counts::of(["b", "c", "d"]);

        let merged: Vec<_> = side_by_side(&reference, &current).collect();

        assert_eq!(
            merged,
            [(&"a", 1, 0), (&"b", 0, 1), (&"c", 2, 1), (&"d", 0, 1)]
        );
    }

    #[test]
    fn has_more_values_than_counts_both_sides() {
        let reference = Counts::of(["a", "b"]);
        let current = Counts::of(["b", "c"]);

        assert!(has_more_values_than(2, &reference, &current));
        assert!(!has_more_values_than(3, &reference, &current));
    }
}
