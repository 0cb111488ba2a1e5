//! The distance between two samples of numbers.

use super::counts::{Counts, side_by_side};

/// Smallest unit of the distance, for references that hardly vary (Evidently's number).
const SMALLEST_DEVIATION: f64 = 0.001;

/// Returns the first Wasserstein distance in population standard deviations of the reference.
///
/// Neither side may be empty. Infinite where the deviation overflows, lest it divide every
/// distance down to 0. Behaviour matched otherwise: `scipy.stats.wasserstein_distance`, and the
/// norm of Evidently's `_wasserstein_distance_norm` (`numpy.std`, divisor n).
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
    let (mut reference_so_far, mut current_so_far) = (0, 0);
    let mut previous = None;
    let mut area = 0.0;
    for (&value, in_reference, in_current) in side_by_side(reference, current) {
        let reference_share = reference_so_far as f64 / reference_rows;
        let current_share = current_so_far as f64 / current_rows;
        area += (reference_share - current_share).abs() * (value - previous.unwrap_or(value));

        reference_so_far += in_reference;
        current_so_far += in_current;
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
    fn deviation_is_that_of_a_population() {
        assert_eq!(
            standard_deviation(&Counts::of([2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0])),
            2.0
        );
    }

    #[test]
    fn moving_every_value_by_three_is_a_distance_of_three() {
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
