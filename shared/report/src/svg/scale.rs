//! Positions: linear scales, pixels, shares of the width, and labels that do not overlap.

use std::fmt;

/// A length in pixels, with at most one decimal.
#[derive(Clone, Copy, Debug)]
pub struct Pixels(pub f64);

impl fmt::Display for Pixels {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        trimmed(self.0, 1, formatter)
    }
}

/// A share of the width of a chart, written as a percentage with at most two decimals.
#[derive(Clone, Copy, Debug)]
pub struct Share(pub f64);

impl fmt::Display for Share {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        trimmed(self.0 * 100.0, 2, formatter)?;
        formatter.write_str("%")
    }
}

/// Writes a number without trailing zeros. A number that is not finite is written as 0.
fn trimmed(value: f64, digits: usize, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
    let value = if value.is_finite() { value } else { 0.0 };
    let text = format!("{value:.digits$}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    formatter.write_str(if text == "-0" { "0" } else { text })
}

/// A linear vertical scale, from a range of values to pixels.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    low: f64,
    high: f64,
    step: f64,
    top: f64,
    bottom: f64,
}

impl Scale {
    /// Creates a scale from 0 to at least `high`, with about four round steps. `top` and `bottom`
    /// are the pixels of the highest value and of 0.
    pub fn from_zero(high: f64, range: (f64, f64)) -> Self {
        Self::between(0.0, high, range)
    }

    /// Creates a scale that contains 0, `low` and `high`, with about four round steps. `top` and
    /// `bottom` are the pixels of the highest and of the lowest value.
    pub fn between(low: f64, high: f64, (top, bottom): (f64, f64)) -> Self {
        let low = if low.is_finite() { low.min(0.0) } else { 0.0 };
        let high = if high.is_finite() { high.max(0.0) } else { 0.0 };
        let high = if high > low { high } else { 1.0 };
        let step = round_step((high - low) / 4.0);
        Self {
            low: (low / step).floor() * step,
            high: (high / step).ceil() * step,
            step,
            top,
            bottom,
        }
    }

    /// Returns the pixel of a value, within the scale.
    pub fn y(&self, value: f64) -> f64 {
        let share = ((value - self.low) / (self.high - self.low)).clamp(0.0, 1.0);
        self.bottom - share * (self.bottom - self.top)
    }

    /// Returns the values of the grid lines, the lowest first.
    pub fn ticks(&self) -> Vec<f64> {
        let steps = ((self.high - self.low) / self.step).round() as usize;
        (0..=steps)
            .map(|position| self.low + self.step * position as f64)
            .collect()
    }

    /// Returns the pixels of the highest and of the lowest value.
    pub fn range(&self) -> (f64, f64) {
        (self.top, self.bottom)
    }
}

/// Returns the smallest of 1, 2, 2.5, 5 and 10 times a power of ten that is not below `step`.
fn round_step(step: f64) -> f64 {
    let power = 10_f64.powf(step.log10().floor());
    let factors = [1.0, 2.0, 2.5, 5.0];
    let fits = |factor: &f64| factor * power >= step * (1.0 - 1e-9);
    factors.into_iter().find(fits).unwrap_or(10.0) * power
}

/// Moves the positions of labels apart, so that each is at least `distance` below the one above.
/// Keeps their order, and keeps them above `bottom` if there is space. Returns the positions in the
/// order of the arguments.
pub fn spread(positions: &[f64], distance: f64, bottom: f64) -> Vec<f64> {
    let mut order: Vec<usize> = (0..positions.len()).collect();
    order.sort_by(|left, right| positions[*left].total_cmp(&positions[*right]));
    let mut spread = positions.to_vec();
    let mut lowest = f64::NEG_INFINITY;
    for position in &order {
        spread[*position] = spread[*position].max(lowest + distance);
        lowest = spread[*position];
    }
    let mut highest = bottom + distance;
    for position in order.iter().rev() {
        spread[*position] = spread[*position].min(highest - distance);
        highest = spread[*position];
    }
    spread
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scale_has_round_steps_above_its_highest_value() {
        for (high, ticks) in [
            (9_700.0, vec![0.0, 2_500.0, 5_000.0, 7_500.0, 10_000.0]),
            (29.2, vec![0.0, 10.0, 20.0, 30.0]),
            (0.0, vec![0.0, 0.25, 0.5, 0.75, 1.0]),
            (20.0, vec![0.0, 5.0, 10.0, 15.0, 20.0]),
        ] {
            assert_eq!(Scale::from_zero(high, (0.0, 100.0)).ticks(), ticks);
        }
    }

    #[test]
    fn scale_with_negative_values_contains_zero() {
        let scale = Scale::between(-3.0, 12.0, (0.0, 100.0));
        assert_eq!(scale.ticks(), [-5.0, 0.0, 5.0, 10.0, 15.0]);
        assert_eq!((scale.y(0.0), scale.range()), (75.0, (0.0, 100.0)));
    }

    #[test]
    fn values_become_pixels_from_the_bottom() {
        let scale = Scale::from_zero(20.0, (10.0, 110.0));
        assert_eq!(
            [scale.y(0.0), scale.y(5.0), scale.y(20.0), scale.y(90.0)],
            [110.0, 85.0, 10.0, 10.0]
        );
    }

    #[test]
    fn labels_are_spread_in_their_order() {
        assert_eq!(spread(&[50.0, 10.0, 52.0], 15.0, 200.0), [50.0, 10.0, 65.0]);
        assert_eq!(spread(&[99.0, 100.0], 15.0, 100.0), [85.0, 100.0]);
    }

    #[test]
    fn lengths_have_no_trailing_zeros() {
        assert_eq!(
            [Pixels(12.0), Pixels(12.34), Pixels(-0.01), Pixels(f64::NAN)].map(|px| px.to_string()),
            ["12", "12.3", "0", "0"]
        );
        assert_eq!(Share(0.123_456).to_string(), "12.35%");
        assert_eq!(Share(1.0).to_string(), "100%");
    }
}
