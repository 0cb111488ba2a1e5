//! The entries of the timeline, one per week, read from the audit log.

use std::fmt;

use forecasting::{policy::Verdicts, time::Week};
use serde::{Deserialize, Serialize};
use shared::{audit::AuditRow, event::Function, registry::Version};

/// The width of the names of functions in the timeline.
const WIDTH: usize = 12;

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
    /// The verdicts of both promotion rules, for an evaluation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdicts: Option<Verdicts>,
}

impl Decision {
    fn of_row(row: &AuditRow) -> Self {
        let verdicts = row.entry.detail.get("verdicts");
        Self {
            function: row.function,
            decision: row.entry.decision.clone(),
            reason: row.entry.reason.clone(),
            verdicts: verdicts
                .filter(|_| row.function == Function::Evaluate)
                .and_then(|verdicts| Verdicts::deserialize(verdicts).ok()),
        }
    }
}

impl fmt::Display for Decision {
    /// Writes the decision with its reason. An evaluation has both verdicts, but only the reason of
    /// the rule that does not act: the reason of the other is that of the promotion decision.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (function, decision) = (self.function.name(), &self.decision);
        write!(formatter, "{function:<WIDTH$} {decision}: ")?;
        match &self.verdicts {
            None => formatter.write_str(&self.reason),
            Some(verdicts) => {
                let ([acting, _], [_, other]) = (verdicts.outcomes(), verdicts.sentences());
                // Gaps of the fresh holdout follow the verdicts.
                let rest = self.reason.strip_prefix(&verdicts.to_string());
                let rest = rest.unwrap_or_default();
                write!(formatter, "{acting}\n  {:<WIDTH$} {other}{rest}", "")
            }
        }
    }
}

impl WeekEntry {
    /// Collects the audit rows about a week into an entry.
    pub(crate) fn of_audit_log(
        week: Week,
        audit_log: &[AuditRow],
        champion: Version,
        frozen_mae: Option<f64>,
    ) -> Self {
        let of_week = |row: &&AuditRow| row.event_id.subject() == week.to_string();
        let mut rows: Vec<_> = audit_log.iter().filter(of_week).collect();
        rows.sort_by_key(|row| row.function);
        let check = rows.iter().find(|row| row.function == Function::DriftCheck);
        Self {
            week,
            drifted_share: check.and_then(|row| row.entry.detail.get("drifted_share")?.as_f64()),
            live_mae: check.and_then(|row| row.entry.mae),
            decisions: rows.iter().map(|row| Decision::of_row(row)).collect(),
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
        for decision in &self.decisions {
            write!(formatter, "\n  {decision}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use forecasting::policy::{PromotionRule, Verdict};
    use serde_json::json;
    use shared::{Timestamp, audit::AuditEntry, event::EventId};

    use super::*;

    fn row(function: Function, entry: AuditEntry) -> AuditRow {
        let event_id = EventId::of(Function::DriftCheck, "2021-W30");
        entry.into_row(Timestamp::UNIX_EPOCH, function, event_id, "local")
    }

    #[test]
    fn evaluation_shows_both_verdicts_and_the_reason_of_the_rule_that_does_not_act() {
        let verdict = |promote, reason: &str| Verdict {
            promote,
            reason: reason.to_owned(),
        };
        let verdicts = Verdicts {
            fixed_test: verdict(false, "1 % lower"),
            guarded: verdict(true, "all four conditions are met"),
            acting: PromotionRule::FixedTest,
        };
        let evaluated = AuditEntry {
            detail: json!({ "verdicts": verdicts }),
            ..AuditEntry::new("evaluated", format!("{verdicts}; evaluation 2"))
        };
        // An evaluation of an earlier version, and a decision with its own copy of the verdicts.
        let earlier = AuditEntry::new("evaluated", "1 % lower; not better");
        let kept = AuditEntry {
            detail: evaluated.detail.clone(),
            ..AuditEntry::new("kept", "1 % lower")
        };
        let log = [
            row(Function::Evaluate, evaluated),
            row(Function::Evaluate, earlier),
            row(Function::Promote, kept),
        ];
        let week = "2021-W30".parse().unwrap();
        let entry = WeekEntry::of_audit_log(week, &log, Version::new(1), None);
        let text = entry.to_string();
        let lines: Vec<_> = text.lines().skip(1).collect();
        assert_eq!(
            lines,
            [
                "  evaluate     evaluated: fixed-test keeps the champion",
                "               guarded, which does not act, would promote the challenger: all four conditions are met; evaluation 2",
                "  evaluate     evaluated: 1 % lower; not better",
                "  promote      kept: 1 % lower",
            ]
        );
    }
}
