//! The parts of an entry that outlive a delivery.

use jiff::Timestamp;

use super::RecordedOutcome;
use crate::store::Condition;

/// The parts of an entry that the lease of the next delivery keeps.
pub(super) struct Previous {
    /// The condition on which the next entry is written.
    pub(super) condition: Condition,
    pub(super) first: Option<Timestamp>,
    pub(super) dead_letter: Option<String>,
    pub(super) outcome: Option<Box<RecordedOutcome>>,
}

impl Previous {
    /// Returns the parts for the first handling of an event.
    pub(super) const fn none(now: Timestamp) -> Self {
        Self {
            condition: Condition::Absent,
            first: Some(now),
            dead_letter: None,
            outcome: None,
        }
    }
}
