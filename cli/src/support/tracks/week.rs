//! The decisions about a simulated week.

use forecasting::{
    policy::{PromotionRule, Verdicts},
    time::Week,
};
use serde::Serialize;
use shared::{audit::AuditEntry, event::Function, registry::Version};

/// Both promotion rules, in the order of all reports.
pub(crate) const RULES: [PromotionRule; 2] = [PromotionRule::FixedTest, PromotionRule::Guarded];

/// Returns the name of a promotion rule, as in the setting `POLICY`.
pub(crate) const fn rule_name(rule: PromotionRule) -> &'static str {
    match rule {
        PromotionRule::FixedTest => "fixed-test",
        PromotionRule::Guarded => "guarded",
    }
}

/// The decisions about one week.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct JudgedWeek {
    /// The judged week.
    pub week: Week,
    /// The share of drifted columns, from 0 to 1; `None` if no column can be compared.
    pub drifted_share: Option<f64>,
    /// The decisions, in the order of the functions in the loop.
    pub steps: Vec<Step>,
    /// The verdicts of both promotion rules; `None` without a challenger.
    pub verdicts: Option<RuleVerdicts>,
    /// The version that was compared with the champion.
    pub challenger: Option<Version>,
    /// `true` if the challenger was promoted.
    pub promoted: bool,
    /// The champion that made the week's last forecasts.
    pub champion_before: Version,
    /// The champion after the week's decisions.
    pub champion: Version,
}

/// The decision of one function.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Step {
    /// The function that decided.
    pub function: Function,
    /// The decision, as the audit log names it.
    pub decision: String,
    /// The reason for the decision.
    pub reason: String,
}

/// The verdict of each promotion rule: `true` if it promotes the challenger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct RuleVerdicts {
    /// The verdict of the rule `fixed-test`.
    pub fixed_test: bool,
    /// The verdict of the rule `guarded`.
    pub guarded: bool,
}

impl RuleVerdicts {
    pub(super) fn new(verdicts: &Verdicts) -> Self {
        Self {
            fixed_test: verdicts.fixed_test.promote,
            guarded: verdicts.guarded.promote,
        }
    }

    /// Returns the verdict of a rule.
    pub const fn of(self, rule: PromotionRule) -> bool {
        match rule {
            PromotionRule::FixedTest => self.fixed_test,
            PromotionRule::Guarded => self.guarded,
        }
    }
}

impl JudgedWeek {
    /// Creates the entry of a week from its drift check.
    pub(super) fn new(week: Week, champion: Version, check: &AuditEntry) -> Self {
        let mut judged = Self {
            week,
            drifted_share: check
                .detail
                .get("drifted_share")
                .and_then(serde_json::Value::as_f64),
            steps: Vec::new(),
            verdicts: None,
            challenger: None,
            promoted: false,
            champion_before: champion,
            champion,
        };
        judged.add(Function::DriftCheck, check);
        judged
    }

    /// Adds the decision of a function.
    pub(super) fn add(&mut self, function: Function, entry: &AuditEntry) {
        self.steps.push(Step {
            function,
            decision: entry.decision.clone(),
            reason: entry.reason.clone(),
        });
    }

    /// Returns the decision of a function, or `-` if there is none.
    pub fn decision_of(&self, function: Function) -> &str {
        let step = self.steps.iter().find(|step| step.function == function);
        step.map_or("-", |step| step.decision.as_str())
    }
}
