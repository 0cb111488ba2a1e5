//! The condensed form of a column: distinct values and how often each occurs.

use serde::{Deserialize, Serialize, Serializer};

/// Distinct values in ascending order, each with its number of rows.
///
/// Invariants: values that do not compare (NaN) are absent, no value occurs twice, no number of
/// rows is zero. Reading restores them, so that a text format which rounds the last digit of
/// a number cannot disturb the order.
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
        let renamed = counts.map(|(value, rows)| (to(value), rows));
        renamed.collect::<Vec<_>>().into()
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
        counts.dedup_by(|(value, rows), (kept, kept_rows)| {
            let same = value == kept;
            if same {
                *kept_rows += *rows;
            }
            same
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

/// Returns every value of either side, ascending, with its rows in the reference and in the
/// current data.
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
        let rows = |taken: Option<&(K, u64)>| taken.map_or(0, |(_, rows)| *rows);
        Some((value, rows(from_reference), rows(from_current)))
    })
}

/// Says whether both sides together have more than `limit` distinct values.
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
    fn values_are_sorted_and_counted_and_nan_is_dropped() {
        let counts = Counts::of([2.0, f64::NAN, -0.0, 2.0, 0.0]);

        assert_eq!(counts.values, [(0.0, 2), (2.0, 2)]);
        assert_eq!(counts.rows(), 4);
    }

    #[test]
    fn reading_restores_order_and_merges_equal_values() {
        let counts: Counts<f64> =
            serde_json::from_str("[[3.0,1],[1.0,2],[3.0,4],[2.0,0]]").unwrap();

        assert_eq!(counts.values, [(1.0, 2), (3.0, 5)]);
    }

    #[test]
    fn sides_are_merged_by_value() {
        let reference = Counts::of(["a", "c", "c"]);
        let current = Counts::of(["b", "c", "d"]);

        let merged: Vec<_> = side_by_side(&reference, &current).collect();

        assert_eq!(
            merged,
            [(&"a", 1, 0), (&"b", 0, 1), (&"c", 2, 1), (&"d", 0, 1)]
        );
    }

    #[test]
    fn distinct_values_are_counted_over_both_sides() {
        let reference = Counts::of(["a", "b"]);
        let current = Counts::of(["b", "c"]);

        assert!(has_more_values_than(2, &reference, &current));
        assert!(!has_more_values_than(3, &reference, &current));
    }
}
