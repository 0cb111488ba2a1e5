//! The entries of the timeline, one per week, read from the audit log.

use std::fmt;

use forecasting::time::Week;
use serde::Serialize;
use shared::{audit::AuditRow, event::Function, registry::Version};

/// The decisions and errors of one week.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WeekEntry {
    /// The week of the entry.
    pub week: Week,
    /// The share of columns that drifted, from 0 to 1; `None` without a drift check.
    pub drifted_share: Option<f64>,
    /// The decisions about the week, in the order of the functions in the loop.
    pub decisions: Vec<Decision>,
    /// The mean absolute error of the stored forecasts, in bicycles an hour.
    pub live_mae: Option<f64>,
    /// The mean absolute error of the first champion's forecasts, in bicycles an hour.
    pub frozen_mae: Option<f64>,
    /// The champion after the week's decisions.
    pub champion: Version,
}

/// A decision of a function, from a row of the audit log.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Decision {
    /// The function that decided.
    pub function: Function,
    /// The decision, as the audit log names it.
    pub decision: String,
    /// The reason for the decision.
    pub reason: String,
}

impl WeekEntry {
    /// Collects the audit rows about a week into an entry.
    pub(super) fn of_audit_log(
        week: Week,
        audit_log: &[AuditRow],
        champion: Version,
        frozen_mae: Option<f64>,
    ) -> Self {
        let of_week = |row: &&AuditRow| row.event_id.subject() == week.to_string();
        let mut rows: Vec<_> = audit_log.iter().filter(of_week).collect();
        rows.sort_by_key(|row| row.function);
        let check = rows.iter().find(|row| row.function == Function::DriftCheck);
        let decision = |row: &&AuditRow| Decision {
            function: row.function,
            decision: row.entry.decision.clone(),
            reason: row.entry.reason.clone(),
        };
        Self {
            week,
            drifted_share: check.and_then(|row| row.entry.detail.get("drifted_share")?.as_f64()),
            live_mae: check.and_then(|row| row.entry.mae),
            decisions: rows.iter().map(decision).collect(),
            frozen_mae,
            champion,
        }
    }

    /// Returns the decision of a function, or `-` if there is none.
    pub fn decision_of(&self, function: Function) -> &str {
        let decision = self
            .decisions
            .iter()
            .find(|decision| decision.function == function);
        decision.map_or("-", |decision| decision.decision.as_str())
    }
}

impl fmt::Display for WeekEntry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let error =
            |mae: Option<f64>| mae.map_or_else(|| "unknown".to_owned(), |mae| format!("{mae:.1}"));
        write!(
            formatter,
            "{} ({} to {}): live MAE {}, first champion {}",
            self.week,
            self.week.first_day(),
            self.week.last_day(),
            error(self.live_mae),
            error(self.frozen_mae)
        )?;
        for Decision {
            function,
            decision,
            reason,
        } in &self.decisions
        {
            write!(
                formatter,
                "\n  {:<12} {decision}: {reason}",
                function.name()
            )?;
        }
        Ok(())
    }
}
