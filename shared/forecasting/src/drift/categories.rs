//! Tests that compare the frequencies of categories.
//!
//! Both sides must have rows.

use statrs::function::{erf::erfc, gamma::gamma_ur};

use super::counts::{Counts, side_by_side};

/// Returns the p-value of Pearson's chi-square test.
///
/// The expected counts are those of the reference, scaled to the number of current rows. A category
/// that is absent from the reference has the expected count 0 and makes the p-value 0. Requires at
/// least two categories. Compatible with Evidently's `_chi_stat_test` and `scipy.stats.chisquare`.
pub(super) fn chi_square_p_value<K: PartialOrd>(reference: &Counts<K>, current: &Counts<K>) -> f64 {
    let scale = current.rows() as f64 / reference.rows() as f64;
    let terms: Vec<f64> = side_by_side(reference, current)
        .map(|(_, in_reference, in_current)| {
            let expected = in_reference as f64 * scale;
            (in_current as f64 - expected).powi(2) / expected
        })
        .collect();

    let degrees_of_freedom = (terms.len() - 1) as f64;
    chi_square_survival(terms.iter().sum(), degrees_of_freedom)
}

/// Returns the two-sided p-value of the Z-test for equal shares of a category.
///
/// Requires one or two categories. The choice between two categories does not affect the result.
/// Compatible with Evidently's `_z_stat_test`.
pub(super) fn z_test_p_value<K: PartialOrd>(reference: &Counts<K>, current: &Counts<K>) -> f64 {
    let mut categories = side_by_side(reference, current);
    let Some((_, in_reference, in_current)) = categories.next() else {
        return 1.0;
    };
    if categories.next().is_none() {
        return 1.0;
    }

    let (reference_rows, current_rows) = (reference.rows() as f64, current.rows() as f64);
    let reference_share = in_reference as f64 / reference_rows;
    let current_share = in_current as f64 / current_rows;
    let pooled_share = (in_reference + in_current) as f64 / (reference_rows + current_rows);
    let variance =
        pooled_share * (1.0 - pooled_share) * (1.0 / reference_rows + 1.0 / current_rows);
    let z = (reference_share - current_share) / variance.sqrt();
    erfc(z.abs() / std::f64::consts::SQRT_2)
}

/// Returns the square root of the Jensen-Shannon divergence in nats.
///
/// Equals `scipy.spatial.distance.jensenshannon` of the shares.
pub(super) fn jensen_shannon_distance<K: PartialOrd>(
    reference: &Counts<K>,
    current: &Counts<K>,
) -> f64 {
    let (reference_rows, current_rows) = (reference.rows() as f64, current.rows() as f64);
    let doubled_divergence: f64 = side_by_side(reference, current)
        .map(|(_, in_reference, in_current)| {
            let reference_share = in_reference as f64 / reference_rows;
            let current_share = in_current as f64 / current_rows;
            let middle = (reference_share + current_share) / 2.0;
            relative_entropy(reference_share, middle) + relative_entropy(current_share, middle)
        })
        .sum();

    // For nearly equal shares, rounding can make the sum slightly negative.
    (doubled_divergence / 2.0).max(0.0).sqrt()
}

fn chi_square_survival(statistic: f64, degrees_of_freedom: f64) -> f64 {
    if statistic <= 0.0 {
        return 1.0;
    }
    if statistic == f64::INFINITY {
        return 0.0;
    }
    gamma_ur(degrees_of_freedom / 2.0, statistic / 2.0)
}

fn relative_entropy(share: f64, reference: f64) -> f64 {
    if share == 0.0 {
        return 0.0;
    }
    share * (share / reference).ln()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn chi_square_survival_agrees_with_scipy() {
        // scipy 1.17.1: scipy.stats.chi2.sf(statistic, degrees_of_freedom)
        for (statistic, degrees_of_freedom, expected) in [
            (0.5, 2.0, 0.778_800_783_071_404_9),
            (7.2, 6.0, 0.302_746_844_716_001_55),
            (20.0, 55.0, 0.999_996_179_175_254),
            (70.0, 55.0, 0.083_809_507_955_690_64),
            (500.0, 6.0, 8.408_216_097_976_46e-105),
            (1200.0, 1000.0, 1.225_594_233_062_289_3e-5),
            (f64::INFINITY, 2.0, 0.0),
            (0.0, 2.0, 1.0),
        ] {
            let actual = chi_square_survival(statistic, degrees_of_freedom);
            assert!(
                (actual - expected).abs() <= 1e-11 * expected,
                "{statistic} {degrees_of_freedom}"
            );
        }
    }

    proptest! {
        #[test]
        fn jensen_shannon_distance_is_symmetric_and_bounded(
            left in prop::collection::vec(0_u8..9, 1..50),
            right in prop::collection::vec(0_u8..9, 1..50),
        ) {
            let (left, right) = (Counts::of(left), Counts::of(right));
            let distance = jensen_shannon_distance(&left, &right);

            prop_assert!((distance - jensen_shannon_distance(&right, &left)).abs() < 1e-7);
            prop_assert!((0.0..=std::f64::consts::LN_2.sqrt() + 1e-12).contains(&distance));
        }
    }
}
