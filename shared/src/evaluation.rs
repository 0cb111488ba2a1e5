//! The record of an evaluation: what `evaluate` writes and `promote` decides by.

use forecasting::{
    policy::{Comparison, Verdicts},
    time::Week,
};
use serde::{Deserialize, Serialize};

use crate::{address::ObjectPath, registry::Version};

/// Champion and challenger on the same rows, stored at `evaluations/WEEK.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// The week whose drift led to it.
    pub week: Week,
    /// The champion.
    pub champion: Version,
    /// The challenger.
    pub challenger: Version,
    /// The scores.
    pub comparison: Comparison,
    /// What each policy says, by the numbers in force at the evaluation.
    pub verdicts: Verdicts,
}

impl Evaluation {
    /// Returns where the evaluation of a week is stored.
    pub fn path(week: Week) -> ObjectPath {
        let text = format!("evaluations/{week}.json");
        text.parse()
            .unwrap_or_else(|_| unreachable!("{text} is made of valid segments"))
    }
}
