//! Fast predictions by the trees of a model, laid out as flat arrays.
//!
//! XGBoost prepares every prediction: it measures the depth of each tree, and copies its nodes for
//! every 64 rows. A [`Forest`] is prepared once. It predicts a few hundred rows several times as
//! fast, and its predictions are equal to the last bit.
//!
//! Three decisions make a walk from a root to a leaf free of branches:
//!
//! - Values and thresholds are compared as integers in the order of the floating-point numbers.
//! - A missing value is the smallest integer where it goes left, and the largest where it goes
//!   right. So each row has two integers per column, and a node reads one of them.
//! - A leaf is its own right child, and reads an integer that always goes right. So all walks
//!   through a tree have the same number of steps, and eight rows walk side by side.

mod model;

use std::{num::NonZero, ops::Range, thread};

use crate::{
    call::count_rows,
    error::{Error, Result},
};

/// The number of rows that walk through a tree side by side.
const LANES: usize = 8;
/// The number of rows whose integers fit into the fastest cache beside a tree.
const BLOCK: usize = 64;
/// The minimum number of rows per thread. Below it, starting a thread costs more than it saves.
const MINIMUM_ROWS_PER_THREAD: usize = 1024;

/// The trees of a model, for predictions.
#[derive(Clone, Debug, PartialEq)]
pub struct Forest {
    columns: usize,
    base_score: f32,
    trees: Vec<Tree>,
    nodes: Vec<Node>,
}

/// The position of a tree in [`Forest::nodes`], and the number of steps to its deepest leaf.
#[derive(Clone, Debug, PartialEq)]
struct Tree {
    nodes: Range<usize>,
    depth: u32,
}

/// A node of a tree.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Node {
    /// The integer of the threshold. Smaller ones go left. In a leaf, the bits of its value.
    key: u32,
    /// The position of the left child in the tree; the right one follows it. In a leaf, the
    /// position before its own.
    left: u16,
    /// The position in a row's integers.
    column: u16,
}

impl Forest {
    /// Predicts the rows of a row-major slice with `columns` values per row, NaN for missing.
    ///
    /// The predictions equal those of
    /// [`Booster::predict_in_place`](crate::Booster::predict_in_place) to the last bit. At most
    /// `threads` threads share the rows; a few rows are predicted by the calling thread.
    ///
    /// # Errors
    ///
    /// Returns [`Error::Shape`] if the last row is incomplete, or if the number of columns differs
    /// from the number of features.
    pub fn predict(
        &self,
        rows: &[f32],
        columns: usize,
        threads: NonZero<usize>,
    ) -> Result<Vec<f32>> {
        let row_count = count_rows("rows", rows, columns)?;
        if columns != self.columns {
            return Err(Error::Shape {
                data: "rows",
                problem: format!("{columns} columns, but {} features", self.columns),
            });
        }
        let mut predictions = vec![self.base_score; row_count];
        let share = row_count
            .div_ceil(threads.get())
            .max(MINIMUM_ROWS_PER_THREAD);
        let mut shares = rows
            .chunks(share * columns)
            .zip(predictions.chunks_mut(share));
        let first = shares.next();
        thread::scope(|scope| {
            for (rows, sums) in shares {
                scope.spawn(|| self.add_leaves(rows, sums));
            }
            if let Some((rows, sums)) = first {
                self.add_leaves(rows, sums);
            }
        });
        Ok(predictions)
    }

    /// Adds the leaves of all trees to the sums of rows, in the order of the trees.
    fn add_leaves(&self, rows: &[f32], sums: &mut [f32]) {
        // The number of integers of a row, and a power of two that is no smaller.
        match self.columns * 2 + 1 {
            0..=64 => self.add_leaves_by_keys::<64>(rows, sums),
            65..=512 => self.add_leaves_by_keys::<512>(rows, sums),
            _ => self.add_leaves_by_keys::<{ 1 << u16::BITS }>(rows, sums),
        }
    }

    /// Adds the leaves with `WIDTH` integers per row. As a constant, it is part of the addresses of
    /// the integers and needs no registers.
    fn add_leaves_by_keys<const WIDTH: usize>(&self, rows: &[f32], sums: &mut [f32]) {
        let mut keys = vec![[MISSING_RIGHT; WIDTH]; BLOCK];
        let mut of_lanes = [[0.0; LANES]; BLOCK / LANES];
        let blocks = rows.chunks(BLOCK * self.columns);
        for (rows, sums) in blocks.zip(sums.chunks_mut(BLOCK)) {
            let rows = rows.chunks_exact(self.columns);
            rows.zip(&mut keys)
                .for_each(|(row, keys)| write_keys(row, keys));
            of_lanes.as_flattened_mut()[..sums.len()].copy_from_slice(sums);
            // The last lanes may be those of rows of the block before. Their sums are not used.
            let of_lanes = &mut of_lanes[..sums.len().div_ceil(LANES)];
            for tree in &self.trees {
                let nodes = &self.nodes[tree.nodes.clone()];
                let (keys, _) = keys.as_chunks();
                for (keys, sums) in keys.iter().zip(&mut *of_lanes) {
                    walk(nodes, tree.depth, keys, sums);
                }
            }
            sums.copy_from_slice(&of_lanes.as_flattened()[..sums.len()]);
        }
    }
}

/// Walks through a tree with the integers of [`LANES`] rows, and adds the leaves to their sums.
fn walk<const WIDTH: usize>(
    nodes: &[Node],
    depth: u32,
    keys: &[[u32; WIDTH]; LANES],
    sums: &mut [f32; LANES],
) {
    let mut positions = [0_usize; LANES];
    for _ in 0..depth {
        for (position, keys) in positions.iter_mut().zip(keys) {
            let node = nodes[*position];
            // The remainder is the column itself, and proves that it is in range.
            let key = keys[usize::from(node.column) % WIDTH];
            *position = usize::from(node.left) + usize::from(key >= node.key);
        }
    }
    for (sum, position) in sums.iter_mut().zip(positions) {
        *sum += f32::from_bits(nodes[position].key);
    }
}

/// A key that is smaller than that of every number.
const MISSING_LEFT: u32 = 0;
/// A key that is larger than that of every number.
const MISSING_RIGHT: u32 = u32::MAX;

/// Writes the keys of a row for the nodes where a missing value goes left, for those where it goes
/// right, and for leaves.
fn write_keys(row: &[f32], keys: &mut [u32]) {
    let (left, rest) = keys.split_at_mut(row.len());
    for ((value, left), right) in row.iter().zip(left).zip(rest) {
        (*left, *right) = if value.is_nan() {
            (MISSING_LEFT, MISSING_RIGHT)
        } else {
            (key(*value), key(*value))
        };
    }
}

/// Returns an integer for a number, in the order of the numbers. Equal numbers have equal integers.
fn key(number: f32) -> u32 {
    const SIGN: u32 = 1 << 31;
    // The sum is 0.0 for -0.0, which is equal and has other bits.
    let bits = (number + 0.0).to_bits();
    if bits & SIGN == 0 { bits | SIGN } else { !bits }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn keys_have_the_order_of_the_numbers(left in any::<f32>(), right in any::<f32>()) {
            prop_assume!(!left.is_nan() && !right.is_nan());
            prop_assert_eq!(key(left) < key(right), left < right);
            prop_assert_eq!(key(left) == key(right), left == right);
            prop_assert!(MISSING_LEFT < key(left) && key(left) < MISSING_RIGHT);
        }
    }

    #[test]
    fn both_zeros_have_one_key() {
        assert_eq!(key(-0.0), key(0.0));
        assert!(key(-f32::MIN_POSITIVE) < key(0.0));
    }
}
