//! The Wasserstein distance between two samples.

use super::counts::{Counts, side_by_side};

/// The minimum divisor of the distance, for nearly constant references. Evidently's value.
const SMALLEST_DEVIATION: f64 = 0.001;

/// Returns the first Wasserstein distance in population standard deviations of the reference.
///
/// Both sides must have rows. Compatible with `scipy.stats.wasserstein_distance`, divided as in
/// Evidently's `_wasserstein_distance_norm` (`numpy.std`, divisor n). Deviating from them, returns
/// infinity if the standard deviation overflows; a division would return 0 for every distance.
pub(super) fn normed_distance(reference: &Counts<f64>, current: &Counts<f64>) -> f64 {
    let deviation = standard_deviation(reference);
    if !deviation.is_finite() {
        return f64::INFINITY;
    }
    distance(reference, current) / deviation.max(SMALLEST_DEVIATION)
}

/// Returns the area between the two empirical distribution functions.
fn distance(reference: &Counts<f64>, current: &Counts<f64>) -> f64 {
    let (reference_rows, current_rows) = (reference.rows() as f64, current.rows() as f64);
    let (mut cumulative_reference, mut cumulative_current) = (0, 0);
    let mut previous = None;
    let mut area = 0.0;
    for (&value, in_reference, in_current) in side_by_side(reference, current) {
        let reference_share = cumulative_reference as f64 / reference_rows;
        let current_share = cumulative_current as f64 / current_rows;
        area += (reference_share - current_share).abs() * (value - previous.unwrap_or(value));

        cumulative_reference += in_reference;
        cumulative_current += in_current;
        previous = Some(value);
    }
    area
}

fn standard_deviation(counts: &Counts<f64>) -> f64 {
    let rows = counts.rows() as f64;
    let mean = counts
        .iter()
        .map(|(value, rows)| value * rows as f64)
        .sum::<f64>()
        / rows;
    let squares = counts
        .iter()
        .map(|(value, rows)| (value - mean).powi(2) * rows as f64);
    (squares.sum::<f64>() / rows).sqrt()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn standard_deviation_has_the_divisor_n() {
        assert_eq!(
            standard_deviation(&Counts::of([2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0])),
            2.0
        );
    }

    #[test]
    fn shift_by_three_is_a_distance_of_three() {
        let reference = Counts::of([1.0, 2.0, 5.0]);
        let current = Counts::of([4.0, 5.0, 8.0, 4.0, 5.0, 8.0]);

        assert!((distance(&reference, &current) - 3.0).abs() < 1e-12);
    }

    proptest! {
        #[test]
        fn distance_is_symmetric(
            left in prop::collection::vec(-1e6..1e6, 1..50),
            right in prop::collection::vec(-1e6..1e6, 1..50),
        ) {
            let (left, right) = (Counts::of(left), Counts::of(right));

            prop_assert_eq!(distance(&left, &right), distance(&right, &left));
        }
    }
}
