//! The day-block bootstrap of the difference between two mean absolute errors.

use std::collections::BTreeMap;

use jiff::civil::Date;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::Error;

const RESAMPLES: usize = 2000;
const TAIL_OF_90: f64 = 0.10;
const TAIL_OF_95: f64 = 0.05;
/// The seed is fixed so that equal inputs give equal bounds on every machine.
const SEED: u64 = 20_210_719;

/// The absolute errors of champion and challenger on one row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PairedErrors {
    /// The row's day in Paris.
    pub day: Date,
    /// The champion's absolute error.
    pub champion: f64,
    /// The challenger's absolute error.
    pub challenger: f64,
}

/// The difference between two mean absolute errors, with its confidence bounds.
///
/// All bounds are one-sided. From `lower_bound` to `upper_bound` is the two-sided 90 % interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct DifferenceBound {
    /// The champion's mean absolute error minus the challenger's, over all rows.
    pub difference: f64,
    /// The share of resamples in which the challenger's mean absolute error is lower, from 0 to 1.
    /// Resamples without a difference do not count as better.
    pub probability: f64,
    /// The lower 90 % bound of the difference: the 10 % quantile of the resamples.
    pub lower_bound_90: f64,
    /// The lower 95 % bound of the difference: the 5 % quantile of the resamples.
    pub lower_bound: f64,
    /// The upper 95 % bound of the difference: the 95 % quantile of the resamples.
    pub upper_bound: f64,
    /// The number of distinct days that were resampled.
    pub days: usize,
}

/// Computes bounds of the difference between two mean absolute errors by resampling days.
///
/// Errors within a day are correlated (weather, strikes, events). Each block is therefore a whole
/// day with all its rows. A resample draws as many days as there are, with replacement; its
/// difference is the mean over its rows. The bounds are quantiles of 2,000 resamples (percentile
/// method, linear interpolation), and the probability is a share of them. The seed is fixed: the
/// same rows in any order give the same result, apart from rounding.
///
/// Sources: Künsch, "The jackknife and the bootstrap for general stationary observations", Annals
/// of Statistics 17 (1989), for the block bootstrap; the blocks here are disjoint days instead of
/// his moving blocks. Efron and Tibshirani, "An Introduction to the Bootstrap" (1993), chapter 13,
/// for the percentile interval.
///
/// # Errors
/// Returns [`Error::TooFewDays`] for fewer than two distinct days, and [`Error::NotFinite`] if an
/// error is NaN or infinite.
pub fn day_block_bootstrap(errors: &[PairedErrors]) -> Result<DifferenceBound, Error> {
    let blocks = blocks_by_day(errors)?;
    if blocks.len() < 2 {
        return Err(Error::TooFewDays { days: blocks.len() });
    }

    let mut generator = ChaCha8Rng::seed_from_u64(SEED);
    let mut differences: Vec<f64> = (0..RESAMPLES)
        .map(|_| resampled_difference(&blocks, &mut generator))
        .collect();
    differences.sort_by(f64::total_cmp);

    let better = differences.iter().filter(|difference| **difference > 0.0);
    Ok(DifferenceBound {
        difference: mean_difference(blocks.iter()),
        probability: better.count() as f64 / RESAMPLES as f64,
        lower_bound_90: quantile(&differences, TAIL_OF_90),
        lower_bound: quantile(&differences, TAIL_OF_95),
        upper_bound: quantile(&differences, 1.0 - TAIL_OF_95),
        days: blocks.len(),
    })
}

#[derive(Default)]
struct Block {
    difference_sum: f64,
    rows: usize,
}

fn blocks_by_day(errors: &[PairedErrors]) -> Result<Vec<Block>, Error> {
    let mut blocks: BTreeMap<Date, Block> = BTreeMap::new();
    for (row, error) in errors.iter().enumerate() {
        let difference = error.champion - error.challenger;
        if !difference.is_finite() {
            return Err(Error::NotFinite { row });
        }
        let block = blocks.entry(error.day).or_default();
        block.difference_sum += difference;
        block.rows += 1;
    }
    Ok(blocks.into_values().collect())
}

fn resampled_difference(blocks: &[Block], generator: &mut ChaCha8Rng) -> f64 {
    let draws = (0..blocks.len()).map(|_| &blocks[generator.random_range(0..blocks.len())]);
    mean_difference(draws)
}

fn mean_difference<'a>(blocks: impl Iterator<Item = &'a Block>) -> f64 {
    let (difference_sum, rows) = blocks.fold((0.0, 0), |(difference_sum, rows), block| {
        (difference_sum + block.difference_sum, rows + block.rows)
    });
    difference_sum / rows as f64
}

/// Returns a quantile of values in ascending order, interpolated linearly as by `numpy.quantile`.
fn quantile(ascending: &[f64], share: f64) -> f64 {
    let position = share * (ascending.len() - 1) as f64;
    let (lower, upper) = (position.floor() as usize, position.ceil() as usize);
    let weight = position - position.floor();
    ascending[lower] + weight * (ascending[upper] - ascending[lower])
}
