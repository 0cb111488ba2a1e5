//! What happened in a week, read from the audit log.

use std::fmt;

use forecasting::time::Week;
use serde::Serialize;
use shared::{audit::AuditRow, event::Function, registry::Version};

/// A week as the audit log tells it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WeekEntry {
    /// The week.
    pub week: Week,
    /// The share of columns that drifted, 0 to 1.
    pub drifted_share: Option<f64>,
    /// The decision of each function that acted, with its reason, in the order of the flow.
    pub decisions: Vec<Decision>,
    /// The error of the stored forecasts against the counts, in bicycles an hour.
    pub live_mae: Option<f64>,
    /// The error that the first champion would have had.
    pub frozen_mae: Option<f64>,
    /// The champion after the week's decisions.
    pub champion: Version,
}

/// A row of the audit log, as the timeline tells it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Decision {
    /// By which function.
    pub function: Function,
    /// What.
    pub decision: String,
    /// Why.
    pub reason: String,
}

impl WeekEntry {
    /// Collects the rows about a week.
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
            decision: row.decision.clone(),
            reason: row.reason.clone(),
        };
        Self {
            week,
            drifted_share: check.and_then(|row| row.detail.get("drifted_share")?.as_f64()),
            live_mae: check.and_then(|row| row.mae),
            decisions: rows.iter().map(decision).collect(),
            frozen_mae,
            champion,
        }
    }

    /// Returns the decision of a function, `-` where it did not act.
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
