//! The gate: only it can make the value that promotion takes.

use forecasting::policy::Policy;
use shared::{evaluation::Evaluation, registry::Version};

/// The right to become champion. There is no other way to make one than [`Gate::judge`].
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Passed {
    /// The champion that the challenger was compared with.
    pub champion: Version,
    /// The challenger.
    pub challenger: Version,
    /// Why it passed.
    pub reason: String,
}

/// What the acting policy says of an evaluation.
#[derive(Debug, PartialEq, Eq)]
pub enum Gate {
    /// The challenger may become champion.
    Passed(Passed),
    /// It may not.
    Failed {
        /// Why.
        reason: String,
    },
}

impl Gate {
    /// Judges an evaluation by the policy in force.
    pub fn judge(policy: &Policy, evaluation: &Evaluation) -> Self {
        let verdicts = policy.judge_challenger(&evaluation.comparison);
        let verdict = verdicts.acting();
        let reason = verdict.reason.clone();
        if !verdict.promote {
            return Self::Failed { reason };
        }
        Self::Passed(Passed {
            champion: evaluation.champion,
            challenger: evaluation.challenger,
            reason,
        })
    }
}
