//! The errors of a training after each round, as curves of its run.

use std::collections::BTreeMap;

use shared::registry::CurvePoint;

use crate::{Round, points_every};

/// The errors of a training after each round.
#[derive(Clone, Debug, Default)]
pub struct Curves {
    rounds: Vec<Round>,
}

impl Curves {
    /// Adds the errors after a round.
    pub fn add(&mut self, round: Round) {
        self.rounds.push(round);
    }

    /// Returns the curves by name, with at most [`CURVE_POINTS`](crate::CURVE_POINTS) points at
    /// equal intervals and the last round. A curve without points is left out, for example that of
    /// the held-out rows without early stopping.
    pub fn by_name(&self) -> BTreeMap<String, Vec<CurvePoint>> {
        let curves = [
            (
                "boosted_sqrt_mae",
                self.points(|round| round.boosted_sqrt_mae),
            ),
            ("holdout_sqrt_mae", self.points(|round| round.sqrt_mae)),
        ];
        curves
            .into_iter()
            .filter(|(_, points)| !points.is_empty())
            .map(|(name, points)| (name.to_owned(), points))
            .collect()
    }

    fn points(&self, value: impl Fn(&Round) -> Option<f64>) -> Vec<CurvePoint> {
        let last = self.rounds.last().map_or(0, |round| round.done);
        let step = points_every(last).get();
        self.rounds
            .iter()
            .filter(|round| round.done.is_multiple_of(step) || round.done == last)
            .filter_map(|round| {
                Some(CurvePoint {
                    step: round.done,
                    value: value(round)?,
                })
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curves(rounds: u32) -> Curves {
        let mut curves = Curves::default();
        for done in 1..=rounds {
            curves.add(Round {
                done,
                planned: rounds,
                sqrt_mae: None,
                boosted_sqrt_mae: Some(1.0 / f64::from(done)),
            });
        }
        curves
    }

    #[test]
    fn curve_has_points_at_equal_intervals_and_the_last_round() {
        let by_name = curves(103).by_name();
        let points = &by_name["boosted_sqrt_mae"];
        let steps: Vec<_> = points.iter().map(|point| point.step).collect();
        let mut expected: Vec<_> = (3..103).step_by(3).collect();
        expected.push(103);
        assert_eq!(steps, expected);
        assert_eq!(points[1].value, 1.0 / 6.0);
        assert_eq!(by_name.len(), 1, "there is no holdout");
    }

    #[test]
    fn short_training_has_every_round() {
        let by_name = curves(3).by_name();
        let points = &by_name["boosted_sqrt_mae"];
        let steps: Vec<_> = points.iter().map(|point| point.step).collect();
        assert_eq!(steps, [1, 2, 3]);
        assert!(curves(0).by_name().is_empty());
    }
}
