//! The day-block bootstrap of a difference of mean absolute errors.

use std::collections::BTreeMap;

use jiff::civil::Date;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::Error;

const RESAMPLES: usize = 2000;
const LOWER_TAIL: f64 = 0.05;
/// Fixed, so that the same errors have the same bound on every machine.
const SEED: u64 = 20_210_719;

/// Absolute errors of two models on one row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PairedErrors {
    /// Local day that the row belongs to.
    pub day: Date,
    /// Absolute error of the champion.
    pub champion: f64,
    /// Absolute error of the challenger.
    pub challenger: f64,
}

/// How much lower the challenger's mean absolute error is than the champion's, and how surely.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct DifferenceBound {
    /// Champion's mean absolute error less the challenger's, over all rows.
    pub difference: f64,
    /// One-sided lower 95 % bound of the difference; above 0, the challenger is better.
    pub lower_bound: f64,
    /// Number of distinct days resampled.
    pub days: usize,
}

/// Bounds the difference of two mean absolute errors from below by resampling whole days.
///
/// Errors within a day hang together (weather, strikes, an event), so a day with all its rows
/// is the block that is drawn, with replacement, as many days as there are; a resample's
/// difference is the mean over its rows. The bound is the 5 % quantile of 2,000 resamples
/// (percentile method, linear interpolation) from a fixed seed: the same rows, in any order,
/// give the same bound but for rounding.
///
/// Source: Künsch, "The jackknife and the bootstrap for general stationary observations",
/// Annals of Statistics 17 (1989), for blocks (here days, which do not overlap, in place of his
/// moving ones); Efron and Tibshirani, "An Introduction to the Bootstrap" (1993), chapter 13,
/// for the percentile interval.
///
/// # Errors
///
/// [`Error::TooFewDays`] below two distinct days, [`Error::NotFinite`] for a NaN or an infinity.
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

    Ok(DifferenceBound {
        difference: mean_difference(blocks.iter()),
        lower_bound: quantile(&differences, LOWER_TAIL),
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

/// Returns a quantile of values in ascending order, as `numpy.quantile` interpolates it.
fn quantile(ascending: &[f64], share: f64) -> f64 {
    let position = share * (ascending.len() - 1) as f64;
    let (lower, upper) = (position.floor() as usize, position.ceil() as usize);
    let weight = position - position.floor();
    ascending[lower] + weight * (ascending[upper] - ascending[lower])
}
