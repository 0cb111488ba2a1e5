//! The quality of the forecasts against the limits of the training strategy.

use forecasting::policy::{LiveLimits, WeekVerdict};

use super::WeekPage;

/// The quality of the forecasts, by the rules of the training strategy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// No forecast has a count.
    Unknown,
    /// The MAE is below the limit.
    Good,
    /// The MAE is above the limit of fine-tuning.
    Worse,
    /// The MAE is above the limit of major drift.
    Major,
}

impl Standing {
    pub(super) fn of(page: &WeekPage) -> Self {
        let verdict = &page.report.verdict;
        let Some(live) = page.report.live else {
            return Self::Unknown;
        };
        let is_above = limits(verdict).map_or(
            // Without the limits, fine-tuning without drift says as much.
            verdict.fine_tune && !verdict.dataset_drift,
            |(alarm, _)| live.mae > alarm,
        );
        match (verdict.major, is_above) {
            (true, _) => Self::Major,
            (false, true) => Self::Worse,
            (false, false) => Self::Good,
        }
    }
}

/// Returns the limits of the live MAE of a verdict: that of fine-tuning and that of major drift.
pub(super) fn limits(verdict: &WeekVerdict) -> Option<(f64, f64)> {
    match verdict.live_mae_limits {
        Some(LiveLimits { alarm, major }) => Some((alarm, major)),
        None => limits_in(&verdict.reason),
    }
}

/// Returns the limits that a reason names. Verdicts of earlier versions have them only there.
fn limits_in(reason: &str) -> Option<(f64, f64)> {
    let (before, after) = reason.split_once(", major drift from ")?;
    let (_, alarm) = before.rsplit_once("(alarm from ")?;
    let (major, _) = after.split_once(')')?;
    Some((alarm.parse().ok()?, major.parse().ok()?))
}
