//! Compares the champion and the retrained model on the same rows.

use std::collections::BTreeMap;

use forecasting::{features::Frame, metrics::Scores};
use model::Model;
use serde::{Deserialize, Serialize};
use shared::registry::Version;

use crate::support::predecessor::Predecessor;

/// The scores of two models on the same rows of the fixed test set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// The champion's version.
    pub champion: Version,
    /// The champion's scores.
    pub before: Scores,
    /// The retrained model's scores.
    pub after: Scores,
    /// Each counter of the test set, the greatest gain first; empty if the champion uses different
    /// features.
    pub counters: Vec<CounterComparison>,
}

/// The mean absolute errors at one counter, in bicycles an hour.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CounterComparison {
    /// The counter's display name.
    pub name: String,
    /// The champion's error.
    pub before: f64,
    /// The retrained model's error.
    pub after: f64,
}

impl CounterComparison {
    fn gain(&self) -> f64 {
        self.before - self.after
    }
}

impl Comparison {
    /// Scores both models on the same rows.
    pub(super) fn of(
        champion: (Version, &Predecessor),
        retrained: &Model,
        frame: &Frame,
    ) -> anyhow::Result<Self> {
        let (version, champion) = champion;
        let after = retrained.predict(frame)?;
        let counters = match champion {
            Predecessor::Model(champion) => by_counter(frame, &champion.predict(frame)?, &after),
            Predecessor::Recorded(_) => Vec::new(),
        };
        let after = Scores::new(&after, frame.targets())?;
        Ok(Self {
            champion: version,
            before: champion.scores(frame)?,
            after,
            counters,
        })
    }

    /// Returns `true` if the retrained model has the lower mean absolute error.
    pub fn is_better(&self) -> bool {
        self.after.mae < self.before.mae
    }

    /// Returns `true` if the retrained model is the champion itself, promoted by an earlier
    /// retraining on the same data.
    pub fn is_same_version(&self, retrained: Version) -> bool {
        self.champion == retrained
    }

    /// Returns `true` if the retrained model is better or is already champion.
    pub fn makes_champion(&self, retrained: Version) -> bool {
        self.is_better() || self.is_same_version(retrained)
    }

    /// Returns the number of counters at which the retrained model is better, and at which it is
    /// worse.
    pub fn wins_and_losses(&self) -> (usize, usize) {
        let count = |sign: f64| {
            self.counters
                .iter()
                .filter(|counter| counter.gain() * sign > 0.0)
                .count()
        };
        (count(1.0), count(-1.0))
    }

    /// Returns the reason for the decision, as the audit row and the report state it.
    pub(super) fn reason(&self, version: Version) -> String {
        if self.is_same_version(version) {
            return format!(
                "version {version}, trained on the same data, is already champion, with MAE {:.2} on the fixed test set",
                self.after.mae
            );
        }
        let verdict = if self.is_better() {
            "lower than"
        } else {
            "not lower than"
        };
        let (wins, losses) = self.wins_and_losses();
        let by_counter = match self.counters.is_empty() {
            true => ", which uses different features".to_owned(),
            false => format!("; it is better at {wins} counters and worse at {losses}"),
        };
        format!(
            "on the same fixed test set, the MAE {:.2} of version {version} is {verdict} the MAE {:.2} of the champion, \
             version {}{by_counter}",
            self.after.mae, self.before.mae, self.champion
        )
    }
}

fn by_counter(frame: &Frame, before: &[f32], after: &[f32]) -> Vec<CounterComparison> {
    let mut sums = BTreeMap::<u32, (f64, f64, f64)>::new();
    for (((row, actual), before), after) in frame
        .rows()
        .iter()
        .zip(frame.targets())
        .zip(before)
        .zip(after)
    {
        let sum = sums.entry(row.counter).or_default();
        sum.0 += f64::from((before - actual).abs());
        sum.1 += f64::from((after - actual).abs());
        sum.2 += 1.0;
    }
    let comparison = |(counter, (before, after, rows)): (u32, (f64, f64, f64))| CounterComparison {
        name: frame.counters()[counter as usize].name.clone(),
        before: before / rows,
        after: after / rows,
    };
    let mut counters: Vec<_> = sums.into_iter().map(comparison).collect();
    counters.sort_by(|left, right| right.gain().total_cmp(&left.gain()));
    counters
}

#[cfg(test)]
mod tests {
    use forecasting::{
        counts::{Counter, Counts},
        features::FeatureSpec,
        time::Day,
    };

    use super::*;

    #[test]
    fn counters_are_compared_separately_and_sorted_by_gain() {
        let mut counts = Counts::default();
        let counters = ["Quai", "Pont", "Rue"].map(|name| {
            counts.intern(Counter {
                id: None,
                name: name.to_owned(),
                coordinates: None,
            })
        });
        let hours: Vec<_> = "2021-05-16"
            .parse::<Day>()
            .unwrap()
            .hours()
            .take(2)
            .collect();
        for hour in hours {
            counters
                .iter()
                .for_each(|counter| counts.push(*counter, hour, 10));
        }
        let frame = Frame::from_counts(&FeatureSpec::for_counters([]), &[], &counts);
        // The rows of each hour are in the order Quai, Pont, Rue.
        let compared = by_counter(
            &frame,
            &[12.0, 10.0, 10.0, 14.0, 10.0, 4.0],
            &[11.0, 15.0, 10.0, 10.0, 10.0, 4.0],
        );
        let expected = [("Quai", 3.0, 0.5), ("Rue", 3.0, 3.0), ("Pont", 0.0, 2.5)].map(
            |(name, before, after)| CounterComparison {
                name: name.to_owned(),
                before,
                after,
            },
        );
        assert_eq!(compared, expected);
        let scores = |mae| Scores {
            mae,
            rmse: mae,
            r2: 0.0,
            rows: 6,
            bias: None,
            share: None,
        };
        let comparison = Comparison {
            champion: Version::new(1),
            before: scores(2.0),
            after: scores(2.0),
            counters: compared,
        };
        assert_eq!(
            (comparison.wins_and_losses(), comparison.is_better()),
            ((1, 1), false)
        );
        let makes_champion = [1, 2].map(|version| comparison.makes_champion(Version::new(version)));
        assert_eq!(
            makes_champion,
            [true, false],
            "only the champion itself stays champion"
        );
    }
}
