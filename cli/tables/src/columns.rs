//! The merge of counts in columns.

use polars::prelude::*;

use crate::Overlap;

const KEY: &str = "key";
const COUNT: &str = "count";

/// Counts in columns, sorted by unique keys.
pub(crate) struct Columns(DataFrame);

impl Columns {
    /// Creates columns of counts with unique keys, in any order.
    pub(crate) fn new(keys: Vec<i64>, counts: Vec<u32>) -> PolarsResult<Self> {
        let columns = vec![
            Column::new(KEY.into(), keys),
            Column::new(COUNT.into(), counts),
        ];
        DataFrame::new_infer_height(columns).map(Self)
    }

    /// Adds the counts of a later source, which replace earlier counts of the same keys.
    pub(crate) fn merge(&mut self, later: Self) -> PolarsResult<Overlap> {
        let both = &mut self.0;
        both.vstack_mut_owned(later.0)?;
        // The sort is stable: of two counts with the same key, the later one comes second.
        both.sort_in_place([KEY], SortMultipleOptions::new().with_maintain_order(true))?;
        let (keys, counts) = (both.column(KEY)?.i64()?, both.column(COUNT)?.u32()?);
        let is_repeated = keys.equal(&keys.shift(1));
        let is_same = counts.equal(&counts.shift(1));
        let unchanged = count_true(&(&is_repeated & &is_same));
        let overlap = Overlap {
            replaced: count_true(&is_repeated) - unchanged,
            unchanged,
        };
        let is_last = keys.not_equal_missing(&keys.shift(-1));
        *both = both.filter(&is_last)?;
        Ok(overlap)
    }

    /// Returns all keys with their counts, sorted by key.
    pub(crate) fn rows(&self) -> PolarsResult<impl Iterator<Item = (i64, u32)>> {
        let (keys, counts) = (self.0.column(KEY)?.i64()?, self.0.column(COUNT)?.u32()?);
        Ok(keys.into_no_null_iter().zip(counts.into_no_null_iter()))
    }
}

fn count_true(mask: &BooleanChunked) -> usize {
    mask.sum().unwrap_or_default() as usize
}
