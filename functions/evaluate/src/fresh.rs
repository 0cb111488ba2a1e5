//! The fresh holdout: the last days of a week, which neither model was trained on.

use std::collections::BTreeSet;

use forecasting::{features::Frame, metrics::ComparedRow, time::Hour};

/// The rows of the fresh holdout, and those before it that its daily correction is learned from.
#[derive(Debug)]
pub struct FreshHoldout {
    frame: Frame,
    is_scored: Vec<bool>,
}

impl FreshHoldout {
    /// Creates a holdout of the hours that `is_scored` accepts. The other rows only serve the
    /// correction.
    pub fn new(frame: Frame, is_scored: impl Fn(Hour) -> bool) -> Self {
        let is_scored = frame.rows().iter().map(|row| is_scored(row.hour)).collect();
        Self { frame, is_scored }
    }

    /// Returns all rows.
    pub fn frame(&self) -> &Frame {
        &self.frame
    }

    /// Returns the scored ones of rows that are parallel to those of [`FreshHoldout::frame`].
    pub fn select(&self, rows: &[ComparedRow]) -> Vec<ComparedRow> {
        let scored = rows.iter().zip(&self.is_scored);
        scored
            .filter(|(_, is_scored)| **is_scored)
            .map(|(row, _)| *row)
            .collect()
    }

    /// Returns the number of scored days.
    pub fn days(&self) -> usize {
        let scored = self.frame.rows().iter().zip(&self.is_scored);
        let hours: BTreeSet<Hour> = scored
            .filter(|(_, is_scored)| **is_scored)
            .map(|(row, _)| row.hour)
            .collect();
        let days: BTreeSet<_> = hours.into_iter().map(Hour::day).collect();
        days.len()
    }
}
