#![doc = include_str!("../README.md")]

mod gate;

use std::sync::Arc;

use forecasting::policy::Policy;
use runtime::{Context, Error, Handler, Outcome};
use serde_json::json;
use shared::{
    audit::AuditEntry,
    evaluation::Evaluation,
    event::{ChallengerEvaluated, ChampionDecided, EventId, Function, Topic},
    ports::Ports,
    registry::{Alias, Registry, RegistryError, Version, change_champion},
    settings::{SettingsError, Variables, optional},
    store::{Store, read_json},
};

pub use gate::{Gate, Passed};

/// The function.
pub struct Promote {
    policy: Policy,
    store: Arc<dyn Store>,
    registry: Arc<dyn Registry>,
}

/// Makes the function from its settings.
///
/// # Errors
/// When `POLICY` cannot be used.
pub fn build(variables: &dyn Variables, ports: &Ports) -> Result<Promote, SettingsError> {
    Ok(Promote::new(
        optional(variables, "POLICY")?.unwrap_or_default(),
        ports,
    ))
}

impl Promote {
    /// Makes the function.
    pub fn new(policy: Policy, ports: &Ports) -> Self {
        Self {
            policy,
            store: Arc::clone(&ports.store),
            registry: Arc::clone(&ports.registry),
        }
    }

    /// Reads the evaluation that an event names, and checks that it is of the same models.
    async fn evaluation(&self, event: &ChallengerEvaluated) -> Result<Evaluation, Error> {
        let (evaluation, _) = read_json::<Evaluation>(&*self.store, &event.evaluation).await?;
        if (evaluation.champion, evaluation.challenger) == (event.champion, event.challenger) {
            return Ok(evaluation);
        }
        Err(Error::permanent(format!(
            "the evaluation {} compares versions {} and {}, the event is about {} and {}",
            event.evaluation,
            evaluation.champion,
            evaluation.challenger,
            event.champion,
            event.challenger
        )))
    }

    async fn decide(&self, evaluation: &Evaluation) -> Result<Decision, Error> {
        match Gate::judge(&self.policy, evaluation) {
            Gate::Failed { reason } => {
                let champion = self.registry.alias(Alias::Champion).await?;
                let champion =
                    champion.ok_or_else(|| Error::permanent("there is no champion; train one"))?;
                Ok(Decision {
                    name: "kept",
                    champion,
                    reason,
                })
            }
            Gate::Passed(passed) => promote(&*self.registry, passed).await,
        }
    }
}

impl Handler for Promote {
    const FUNCTION: Function = Function::Promote;
    const PUBLISHES: &'static [Topic] = &[Topic::ChampionDecided];
    type Event = ChallengerEvaluated;

    async fn handle(
        &self,
        event: ChallengerEvaluated,
        _context: &Context,
    ) -> Result<Outcome, Error> {
        let evaluation = self.evaluation(&event).await?;
        let decision = self.decide(&evaluation).await?;
        let decided = ChampionDecided {
            event_id: EventId::of(Function::Promote, event.week),
            champion: decision.champion,
            challenger: event.challenger,
            promoted: decision.champion == event.challenger,
            reason: decision.reason.clone(),
        };
        let scores = evaluation.comparison.fixed_test.challenger;
        let entry = AuditEntry {
            mae: Some(scores.mae),
            rmse: Some(scores.rmse),
            r2: Some(scores.r2),
            model_improvement: Some(evaluation.comparison.fixed_test.improvement()),
            champion_version: Some(decision.champion),
            challenger_version: Some(event.challenger),
            detail: json!({
                "evaluated_against": event.champion,
                "verdicts": self.policy.judge_challenger(&evaluation.comparison),
            }),
            ..AuditEntry::new(decision.name, decision.reason)
        };
        Ok(Outcome::of(entry).publish(&decided))
    }
}

/// What was decided, and who is champion from here on.
struct Decision {
    name: &'static str,
    champion: Version,
    reason: String,
}

/// Makes a challenger that has passed the gate champion, if the champion is still the one it was compared with.
async fn promote(registry: &dyn Registry, passed: Passed) -> Result<Decision, Error> {
    let Passed {
        champion: from,
        challenger: to,
        reason,
    } = passed;
    match change_champion(registry, from, to).await {
        Ok(()) => Ok(Decision {
            name: "promoted",
            champion: to,
            reason,
        }),
        Err(RegistryError::AliasMoved {
            alias: Alias::Champion,
            found: Some(found),
            ..
        }) => {
            let reason = format!(
                "stale: the champion is version {found}, the challenger was compared with version {from}"
            );
            Ok(Decision {
                name: "kept",
                champion: found,
                reason,
            })
        }
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests;
