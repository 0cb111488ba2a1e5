//! The verdicts of both promotion rules, with their reasons in words.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Comparison, FreshComparison, Policy, PromotionRule, ScorePair};
use crate::metrics::Breakdown;

/// The verdict of one promotion rule on a challenger.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// `true` if the challenger should be promoted.
    pub promote: bool,
    /// The reason, with metrics and limits.
    pub reason: String,
}

/// The verdicts of both promotion rules on a challenger.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdicts {
    /// The verdict of [`PromotionRule::FixedTest`].
    pub fixed_test: Verdict,
    /// The verdict of [`PromotionRule::Guarded`].
    pub guarded: Verdict,
    /// The rule whose verdict decides.
    pub acting: PromotionRule,
}

impl Verdicts {
    /// Returns the verdict that decides on promotion.
    pub fn acting(&self) -> &Verdict {
        self.of(self.acting)
    }

    /// Returns the verdict of a rule.
    pub fn of(&self, rule: PromotionRule) -> &Verdict {
        match rule {
            PromotionRule::FixedTest => &self.fixed_test,
            PromotionRule::Guarded => &self.guarded,
        }
    }

    /// Returns the verdict of the rule that does not act.
    pub fn other(&self) -> &Verdict {
        self.of(self.acting.other())
    }

    /// Returns the outcome of each rule in a few words, without its reason, the acting rule first.
    pub fn outcomes(&self) -> [String; 2] {
        let (acting, other) = (self.acting, self.acting.other());
        let decided = if self.acting().promote {
            "promotes the challenger"
        } else {
            "keeps the champion"
        };
        let hypothetical = if self.other().promote {
            "would promote the challenger"
        } else {
            "would keep the champion"
        };
        [
            format!("{acting} {decided}"),
            format!("{other}, which does not act, {hypothetical}"),
        ]
    }

    /// Returns the outcome of each rule with its reason, the acting rule first.
    pub fn sentences(&self) -> [String; 2] {
        let [decided, hypothetical] = self.outcomes();
        [
            format!("{decided}: {}", self.acting().reason),
            format!("{hypothetical}: {}", self.other().reason),
        ]
    }
}

impl fmt::Display for Verdicts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.sentences().join("; "))
    }
}

impl Policy {
    /// Judges a challenger by both promotion rules.
    ///
    /// [`Verdicts::acting`] returns the verdict of the configured rule.
    pub fn judge_challenger(&self, comparison: &Comparison) -> Verdicts {
        Verdicts {
            fixed_test: self.judge_on_fixed_test(&comparison.fixed_test),
            guarded: self.judge_guarded(comparison),
            acting: self.promotion,
        }
    }

    fn judge_on_fixed_test(&self, pair: &ScorePair) -> Verdict {
        let limit = pair.champion.mae * (1.0 - self.fixed_test_improvement);
        let reason = format!(
            "on the fixed test set the challenger's error is {:.2} bicycles an hour, {} the champion's {:.2}; \
             more than {} lower is required (below {limit:.2})",
            pair.challenger.mae,
            relation(pair.improvement()),
            pair.champion.mae,
            percent(self.fixed_test_improvement),
        );
        Verdict {
            promote: pair.challenger.mae < limit,
            reason,
        }
    }

    fn judge_guarded(&self, comparison: &Comparison) -> Verdict {
        let Some(fresh) = &comparison.fresh else {
            return Verdict {
                promote: false,
                reason: "there is no fresh holdout for the comparison".to_owned(),
            };
        };
        let conditions = [
            self.is_lower_on_fresh(&fresh.scores),
            self.is_probably_better(fresh),
            self.is_tolerable_on_fixed_test(&comparison.fixed_test),
            self.spares_large_counters(fresh.breakdown.as_ref()),
        ];
        let texts = |met: bool| -> Vec<&str> {
            conditions
                .iter()
                .filter(|condition| condition.is_met == met)
                .map(|condition| condition.text.as_str())
                .collect()
        };
        let (met, failed) = (texts(true), texts(false));
        let reason = match (met.is_empty(), failed.is_empty()) {
            (_, true) => format!("all four conditions are met: {}", met.join(", ")),
            (true, false) => format!("no condition is met: {}", failed.join(", ")),
            (false, false) => format!("not met: {}; met: {}", failed.join(", "), met.join(", ")),
        };
        Verdict {
            promote: failed.is_empty(),
            reason,
        }
    }

    fn is_lower_on_fresh(&self, served: &ScorePair) -> Condition {
        Condition {
            is_met: served.improvement() >= self.fresh_improvement,
            text: format!(
                "as served on the fresh holdout the challenger's error is {:.2} bicycles an hour, {} the champion's {:.2} \
                 (at least {} lower is required, {:.2} or less)",
                served.challenger.mae,
                relation(served.improvement()),
                served.champion.mae,
                percent(self.fresh_improvement),
                served.champion.mae * (1.0 - self.fresh_improvement),
            ),
        }
    }

    fn is_probably_better(&self, fresh: &FreshComparison) -> Condition {
        let required = self.fresh_probability;
        let Some(bootstrap) = &fresh.bootstrap else {
            // An evaluation of an earlier version has the bound alone: above 0, the challenger is
            // better with a probability of at least 0.95.
            let bound = fresh.bootstrap_lower_bound;
            return Condition {
                is_met: bound > 0.0 && required <= 0.95,
                text: format!(
                    "the lower 95 % bound of the difference is {bound:+.2}, the probability is not recorded ({required:.2} is required)"
                ),
            };
        };
        Condition {
            is_met: bootstrap.probability >= required,
            text: format!(
                "the probability that the challenger is better is {:.2} ({required:.2} is required; difference {:+.2}, \
                 at least {:+.2} with 90 % and {:+.2} with 95 % confidence)",
                bootstrap.probability,
                bootstrap.difference,
                bootstrap.lower_bound_90,
                bootstrap.lower_bound,
            ),
        }
    }

    fn is_tolerable_on_fixed_test(&self, pair: &ScorePair) -> Condition {
        Condition {
            is_met: -pair.improvement() <= self.fixed_test_tolerance,
            text: format!(
                "on the fixed test set the challenger's error is {:.2}, {} the champion's {:.2} (at most {} higher is allowed, {:.2} or less)",
                pair.challenger.mae,
                relation(pair.improvement()),
                pair.champion.mae,
                percent(self.fixed_test_tolerance),
                pair.champion.mae * (1.0 + self.fixed_test_tolerance),
            ),
        }
    }

    /// Checks the counters with many bicycles, as served on the fresh holdout.
    fn spares_large_counters(&self, breakdown: Option<&Breakdown>) -> Condition {
        let limits = format!(
            "{} higher is allowed for counters with more than {} of all counts",
            percent(self.counter_tolerance),
            percent(self.counter_share)
        );
        let Some(breakdown) = breakdown else {
            return Condition {
                is_met: false,
                text: format!("the errors of single counters are not recorded ({limits})"),
            };
        };
        let mut large: Vec<_> = breakdown
            .counters
            .iter()
            .filter(|counter| counter.share_of_counts > self.counter_share)
            .collect();
        large.sort_by(|left, right| right.worsening().total_cmp(&left.worsening()));
        let too_high: Vec<_> = large
            .iter()
            .filter(|counter| counter.worsening() > self.counter_tolerance)
            .map(|counter| {
                format!(
                    "{} with {} of all counts ({} the champion's)",
                    counter.name,
                    percent(counter.share_of_counts),
                    relation(-counter.worsening())
                )
            })
            .collect();
        let text = match (too_high.is_empty(), large.first()) {
            (false, _) => format!(
                "the challenger's error is too high for {} ({limits})",
                too_high.join(", ")
            ),
            (true, None) => format!("no counter is that large ({limits})"),
            (true, Some(worst)) => format!(
                "no large counter is much worse, at worst {}, {} the champion's ({limits})",
                worst.name,
                relation(-worst.worsening())
            ),
        };
        Condition {
            is_met: too_high.is_empty(),
            text,
        }
    }
}

/// A condition of the rule `guarded`.
struct Condition {
    is_met: bool,
    text: String,
}

/// Returns a share in percent, with at most one decimal.
pub(super) fn percent(share: f64) -> String {
    format!("{} %", (share * 1000.0).round() / 10.0)
}

/// Describes a relative improvement, to be followed by the compared error: `1.2 % lower than`.
pub(super) fn relation(improvement: f64) -> String {
    let rounded = (improvement * 1000.0).round() / 10.0;
    if rounded == 0.0 {
        "about equal to".to_owned()
    } else if rounded > 0.0 {
        format!("{rounded} % lower than")
    } else if rounded.is_infinite() {
        // An error above 0 compared with 0.
        "higher than".to_owned()
    } else {
        format!("{} % higher than", -rounded)
    }
}
