#![doc = include_str!("../README.md")]

mod compare;

use std::sync::Arc;

use forecasting::{
    coverage::Coverage,
    features::{FeatureSpec, Frame, HISTORY_DAYS},
    policy::{Comparison, Policy},
    time::Week,
};
use model::{Model, ModelCard, Threads};
use runtime::{Context, Error, Handler, Outcome};
use serde_json::json;
use shared::{
    Timestamp,
    audit::AuditEntry,
    baseline::DataSet,
    evaluation::Evaluation,
    event::{ChallengerEvaluated, ChallengerTrained, EventId, Function, Topic},
    fixed_test,
    ports::Ports,
    registry::{self, Registry, Version},
    settings::{SettingsError, Variables, optional},
    store::{Condition, Store, write_json},
    warehouse::Warehouse,
};

pub use compare::compare;

/// The handler of new challengers.
pub struct Evaluate {
    policy: Policy,
    store: Arc<dyn Store>,
    warehouse: Arc<dyn Warehouse>,
    registry: Arc<dyn Registry>,
}

/// Creates the handler from the variable `POLICY`.
///
/// # Errors
/// Returns an error if `POLICY` is invalid.
pub fn build(variables: &dyn Variables, ports: &Ports) -> Result<Evaluate, SettingsError> {
    Ok(Evaluate::new(
        optional(variables, "POLICY")?.unwrap_or_default(),
        ports,
    ))
}

impl Evaluate {
    /// Creates the handler with a policy and the ports it uses.
    pub fn new(policy: Policy, ports: &Ports) -> Self {
        Self {
            policy,
            store: Arc::clone(&ports.store),
            warehouse: Arc::clone(&ports.warehouse),
            registry: Arc::clone(&ports.registry),
        }
    }

    /// Builds the rows of the fresh holdout: the last days of the week, without the hours of the
    /// fixed test set. Returns them with their coverage.
    async fn fresh_holdout(&self, week: Week, now: Timestamp) -> Result<(Frame, Coverage), Error> {
        let last = week.last_day();
        let first = last.plus(1 - self.policy.fresh_holdout_days);
        let known = self
            .warehouse
            .counts(first.plus(-HISTORY_DAYS), last)
            .await?;
        let frame = Frame::from_counts(
            &FeatureSpec::for_counters([]),
            &[&known],
            &known.days(first, last),
        );
        let profile = fixed_test::profile(&self.store, now).await?;
        let coverage = Coverage::of(&known, (first, last), |hour| !profile.excludes(hour));
        let fresh = frame.filter(|row| !profile.excludes(row.hour));
        Ok((fresh, coverage))
    }

    async fn load(&self, version: Version) -> Result<Model, Error> {
        Ok(Model::load_version(&self.store, &*self.registry, version, Threads::All).await?)
    }

    async fn compare(
        &self,
        event: &ChallengerTrained,
        now: Timestamp,
    ) -> Result<(Comparison, Coverage), Error> {
        let (champion, challenger) = (
            self.load(event.champion).await?,
            self.load(event.challenger).await?,
        );
        let fixed = fixed_test::load(&self.store, now).await?;
        for (version, model) in [(event.champion, &champion), (event.challenger, &challenger)] {
            check_test_set(version, model.card(), &fixed.data)?;
        }
        let (fresh, coverage) = self.fresh_holdout(event.week, now).await?;
        let work = move || compare(&champion, &challenger, &fixed.frame, &fresh);
        let joined = tokio::task::spawn_blocking(work).await;
        let comparison = joined.map_err(|source| {
            Error::transient("cannot finish the evaluation").caused_by(source)
        })??;
        Ok((comparison, coverage))
    }
}

impl Handler for Evaluate {
    const FUNCTION: Function = Function::Evaluate;
    const PUBLISHES: &'static [Topic] = &[Topic::ChallengerEvaluated];
    type Event = ChallengerTrained;

    async fn handle(&self, event: ChallengerTrained, context: &Context) -> Result<Outcome, Error> {
        // Read before the comparison, so that a change of the champion meanwhile makes it stale.
        let champion_changes = self.registry.champion_state().await?.changes;
        let (comparison, coverage) = self.compare(&event, context.now).await?;
        let verdicts = self.policy.judge_challenger(&comparison);
        let evaluation = Evaluation {
            week: event.week,
            champion: event.champion,
            challenger: event.challenger,
            champion_changes: Some(champion_changes),
            comparison,
            fresh_coverage: Some(coverage),
            verdicts,
        };
        let subject = event.event_id.subject_of_week(event.week);
        let path = Evaluation::path(&subject);
        context.fence.check().await?;
        write_json(&*self.store, &path, &evaluation, Condition::Always).await?;
        let evaluated = ChallengerEvaluated {
            event_id: EventId::of(Function::Evaluate, subject),
            week: event.week,
            champion: event.champion,
            challenger: event.challenger,
            evaluation: path,
        };
        Ok(Outcome::new(entry(&evaluation)).publish(&evaluated))
    }

    /// Checks that the registry answers and has a champion.
    async fn ready(&self) -> Result<(), Error> {
        registry::champion(&*self.registry).await?;
        Ok(())
    }
}

/// Returns an error if a model was not scored on the current fixed test set.
///
/// Scores on different test sets are not comparable, and `drift-check` measures drift against the
/// test set of the champion.
fn check_test_set(version: Version, card: &ModelCard, current: &DataSet) -> Result<(), Error> {
    match &card.fixed_test {
        Some(scored_on) if scored_on == current => Ok(()),
        scored_on => {
            let scored_on = scored_on
                .as_ref()
                .map_or_else(|| "an unknown test set".to_owned(), ToString::to_string);
            Err(Error::permanent(format!(
                "cannot evaluate version {version}: it was scored on {scored_on}, but the fixed test set is {current}; \
                 train a champion on this test set with `bike-traffic train`, or restore the previous test set"
            )))
        }
    }
}

fn entry(evaluation: &Evaluation) -> AuditEntry {
    let (comparison, verdicts) = (&evaluation.comparison, &evaluation.verdicts);
    let scores = comparison.fixed_test.challenger;
    let mut reason = format!(
        "{}; {}",
        verdicts.fixed_test.reason, verdicts.guarded.reason
    );
    let coverage = evaluation.fresh_coverage.as_ref();
    if let Some(coverage) = coverage.filter(|coverage| !coverage.is_complete()) {
        reason.push_str(&format!("; fresh holdout: {coverage}"));
    }
    AuditEntry {
        mae: Some(scores.mae),
        rmse: Some(scores.rmse),
        r2: Some(scores.r2),
        model_improvement: Some(comparison.fixed_test.improvement()),
        champion_version: Some(evaluation.champion),
        challenger_version: Some(evaluation.challenger),
        detail: json!({
            "comparison": comparison,
            "coverage": coverage,
            "verdicts": verdicts,
        }),
        ..AuditEntry::new("evaluated", reason)
    }
}

#[cfg(test)]
mod tests;
