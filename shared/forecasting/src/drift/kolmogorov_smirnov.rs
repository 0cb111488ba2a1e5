//! The two-sample Kolmogorov-Smirnov test.

use statrs::function::factorial::ln_binomial;

use super::counts::{Counts, side_by_side};

/// The largest sample for which scipy computes the exact distribution.
const EXACT_ROWS: u64 = 10_000;

/// Returns the two-sided p-value of the hypothesis that both samples have the same distribution.
///
/// Both sides must have rows. Compatible with `scipy.stats.ks_2samp`, two-sided, method `auto`. Up
/// to 10,000 rows per side, the p-value is exact. Above, it is that of the one-sample distribution
/// for m n / (m + n) rows, rounded half to even. The exact computation takes time proportional to
/// the product of both sizes.
pub(super) fn p_value(reference: &Counts<f64>, current: &Counts<f64>) -> f64 {
    let (reference_rows, current_rows) = (reference.rows(), current.rows());
    let difference = largest_difference(reference, current);
    if reference_rows.max(current_rows) <= EXACT_ROWS {
        return exact_p_value(reference_rows, current_rows, difference);
    }

    let (left, right) = (reference_rows as f64, current_rows as f64);
    let effective_rows = (left * right / (left + right)).round_ties_even();
    one_sample_survival(effective_rows as u64, difference as f64 / (left * right))
}

/// Returns the largest difference between the empirical distribution functions, multiplied by both
/// sizes.
fn largest_difference(reference: &Counts<f64>, current: &Counts<f64>) -> u64 {
    let (reference_rows, current_rows) = (reference.rows(), current.rows());
    let (mut cumulative_reference, mut cumulative_current) = (0, 0);
    let mut largest = 0;
    for (_, in_reference, in_current) in side_by_side(reference, current) {
        cumulative_reference += in_reference;
        cumulative_current += in_current;
        let difference =
            (cumulative_reference * current_rows).abs_diff(cumulative_current * reference_rows);
        largest = largest.max(difference);
    }
    largest
}

/// Returns the exact p-value of `difference`, the value of [`largest_difference`].
///
/// The p-value is the share of interleavings of both samples with this difference or a larger one.
/// An interleaving is a lattice path from (0, 0) to (`left_rows`, `right_rows`). Cell (i, j) holds
/// the share of paths to it that have touched the boundary. Of these paths, i out of i + j come
/// from (i - 1, j).
///
/// Source: Hodges, "The significance probability of the Smirnov two-sample test", Arkiv för
/// Matematik 3 (1958), in the complementary form used by scipy, which is precise for small
/// p-values.
fn exact_p_value(left_rows: u64, right_rows: u64, difference: u64) -> f64 {
    if difference == 0 {
        return 1.0;
    }
    let (long, short) = (left_rows.max(right_rows), left_rows.min(right_rows));
    let outside = |i: u64, j: u64| (i * short).abs_diff(j * long) >= difference;

    let mut touched: Vec<f64> = (0..=short)
        .map(|j| if outside(0, j) { 1.0 } else { 0.0 })
        .collect();
    for i in 1..=long {
        let mut below = 0.0;
        for (j, cell) in (0..).zip(&mut touched) {
            below = if outside(i, j) {
                1.0
            } else {
                (*cell * i as f64 + below * j as f64) / (i + j) as f64
            };
            *cell = below;
        }
    }
    touched.last().copied().unwrap_or(1.0)
}

/// Returns the probability that the empirical distribution function of `rows` values differs from
/// the true one by `distance` or more (`scipy.stats.kstwo.sf`).
///
/// In the tail, the two one-sided events almost exclude each other, so the result is twice the
/// one-sided probability. This is exact for distances of at least one half. Its error is below
/// 1e-13 if rows * distance² is at least 4.
///
/// Source of these ranges: Simard and L'Ecuyer, "Computing the two-sided Kolmogorov-Smirnov
/// distribution", Journal of Statistical Software 39 (2011).
fn one_sample_survival(rows: u64, distance: f64) -> f64 {
    let scaled = rows as f64 * distance;
    if scaled <= 0.5 {
        return 1.0;
    }
    if distance >= 1.0 {
        return 0.0;
    }
    if distance >= 0.5 || scaled * distance >= 4.0 {
        return (2.0 * one_sided_survival(rows, distance)).min(1.0);
    }
    (1.0 - one_sample_distribution(rows, distance)).clamp(0.0, 1.0)
}

/// Returns the probability of a one-sided deviation of `distance` or more.
///
/// Source: Birnbaum and Tingey, "One-sided confidence contours for probability distribution
/// functions", Annals of Mathematical Statistics 22 (1951).
fn one_sided_survival(rows: u64, distance: f64) -> f64 {
    let n = rows as f64;
    let last = (n * (1.0 - distance)).floor() as u64;
    let terms = (0..=last).map(|j| {
        let share = j as f64 / n;
        let above = (n - j as f64) * (1.0 - distance - share).max(0.0).ln();
        let below = (j as f64 - 1.0) * (distance + share).ln();
        (ln_binomial(rows, j) + above + below).exp()
    });
    distance * terms.sum::<f64>()
}

/// Returns the probability of a two-sided deviation below `distance`.
///
/// Source: Marsaglia, Tsang and Wang, "Evaluating Kolmogorov's distribution", Journal of
/// Statistical Software 8 (2003). Only one element of their matrix power is needed. Repeated
/// multiplication of a vector therefore replaces the matrix power. The vector is rescaled in each
/// step to prevent underflow and overflow.
fn one_sample_distribution(rows: u64, distance: f64) -> f64 {
    let scaled = rows as f64 * distance;
    let half = scaled.floor() as usize + 1;
    let matrix = durbin_matrix(half, half as f64 - scaled);

    let mut vector = vec![0.0; matrix.len()];
    vector[half - 1] = 1.0;
    let mut log_scale = 0.0;
    for row in 1..=rows {
        vector = multiply(&matrix, &vector);
        let largest = vector.iter().copied().fold(0.0, f64::max);
        if largest == 0.0 {
            return 0.0;
        }
        vector.iter_mut().for_each(|element| *element /= largest);
        log_scale += (largest * row as f64 / rows as f64).ln();
    }
    vector[half - 1] * log_scale.exp()
}

/// Returns the square matrix H of Marsaglia, Tsang and Wang, with 2 * half - 1 rows.
fn durbin_matrix(half: usize, rest: f64) -> Vec<Vec<f64>> {
    let size = 2 * half - 1;
    let mut inverse_factorials = vec![1.0; size + 1];
    for k in 1..=size {
        inverse_factorials[k] = inverse_factorials[k - 1] / k as f64;
    }
    let power = |base: f64, exponent: usize| base.powi(exponent as i32);

    let mut matrix = vec![vec![0.0; size]; size];
    for (i, row) in matrix.iter_mut().enumerate() {
        for (j, element) in row.iter_mut().enumerate().take(i + 2) {
            let order = i + 1 - j;
            let mut numerator = 1.0;
            if j == 0 {
                numerator -= power(rest, order);
            }
            if i == size - 1 {
                numerator -= power(rest, order);
            }
            if j == 0 && i == size - 1 {
                numerator += power((2.0 * rest - 1.0).max(0.0), size);
            }
            *element = numerator * inverse_factorials[order];
        }
    }
    matrix
}

fn multiply(matrix: &[Vec<f64>], vector: &[f64]) -> Vec<f64> {
    matrix
        .iter()
        .map(|row| {
            row.iter()
                .zip(vector)
                .map(|(left, right)| left * right)
                .sum()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_sample_survival_agrees_with_scipy() {
        // scipy 1.17.1: scipy.stats.kstwo.sf(distance, rows)
        for (rows, distance, expected) in [
            (1, 0.7, 0.600_000_000_000_000_1),
            (6, 0.25, 0.769_483_024_691_358),
            (6, 0.6, 0.013_503_703_703_703_709),
            (10, 0.04, 1.0),
            (10, 0.1, 0.999_637_12),
            (37, 0.11, 0.720_764_506_353_671_1),
            (100, 0.05, 0.953_215_971_063_572_5),
            (100, 0.199, 0.000_602_494_715_663_356_7),
            (100, 0.2, 0.000_555_192_732_798_877_5),
            (140, 0.1, 0.113_536_572_900_909_46),
            (141, 0.1, 0.111_284_455_164_679_44),
            (500, 0.03, 0.747_316_670_045_702_1),
            (500, 0.06, 0.052_434_634_890_262_23),
            (909, 0.0015, 1.0),
            (909, 0.045, 0.048_845_666_000_177_146),
            (1000, 0.0633, 0.000_630_972_815_572_998_2),
            (1000, 0.1, 3.703_687_096_817_711e-9),
            (1000, 0.25, 1.488_191_419_595_809_5e-55),
        ] {
            let actual = one_sample_survival(rows, distance);
            assert!(
                (actual - expected).abs() < 1e-7,
                "{rows} {distance}: {actual} {expected}"
            );
        }
    }

    #[test]
    fn exact_p_value_is_the_share_of_interleavings() {
        // Two of the 20 interleavings of three and three values separate the samples completely.
        assert!((exact_p_value(3, 3, 9) - 2.0 / 20.0).abs() < 1e-15);
        assert_eq!(exact_p_value(3, 3, 0), 1.0);
    }
}
