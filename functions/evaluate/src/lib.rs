#![doc = include_str!("../README.md")]

mod compare;
mod fresh;
mod uses;

use std::sync::Arc;

use forecasting::{
    correction::CORRECTION_DAYS,
    coverage::Coverage,
    features::{FeatureSpec, Frame, HISTORY_DAYS},
    policy::{Comparison, Policy},
    time::Week,
};
use model::{Model, ModelCard, Threads};
use report::publish::{PageAddress, Pages, week_of};
use runtime::{Context, Error, Handler, Outcome, check_store, check_warehouse};
use serde_json::json;
use shared::{
    Timestamp,
    audit::AuditEntry,
    baseline::DataSet,
    evaluation::Evaluation,
    event::{ChallengerEvaluated, ChallengerTrained, EventId, Function, Topic},
    fixed_test::{self, FixedTest},
    ports::Ports,
    program::Program,
    registry::{self, Registry, Version},
    settings::{SettingsError, Variables, optional},
    store::{Condition, Store, write_json},
    warehouse::Warehouse,
};

pub use compare::compare;
pub use fresh::FreshHoldout;
use uses::count_uses;

/// The handler of new challengers.
pub struct Evaluate {
    policy: Policy,
    store: Arc<dyn Store>,
    warehouse: Arc<dyn Warehouse>,
    registry: Arc<dyn Registry>,
    /// `None` for a handler without pages.
    pages: Option<Pages>,
}

/// The decision of an evaluation.
const EVALUATED: &str = "evaluated";

/// Creates the handler from the variable `POLICY`. It writes pages.
///
/// # Errors
/// Returns an error if `POLICY` is invalid.
pub fn build(variables: &dyn Variables, ports: &Ports) -> Result<Evaluate, SettingsError> {
    let policy = optional(variables, "POLICY")?.unwrap_or_default();
    Ok(Evaluate::new(policy, ports).with_pages(ports))
}

impl Evaluate {
    /// Creates the handler with a policy and the ports it uses.
    pub fn new(policy: Policy, ports: &Ports) -> Self {
        Self {
            policy,
            store: Arc::clone(&ports.store),
            warehouse: Arc::clone(&ports.warehouse),
            registry: Arc::clone(&ports.registry),
            pages: None,
        }
    }

    /// Writes the page of the week, that of its month and the on-call page after each dead letter.
    /// After an evaluation, `promote` writes them.
    #[must_use]
    pub fn with_pages(self, ports: &Ports) -> Self {
        Self {
            pages: Some(Pages::of(ports)),
            ..self
        }
    }

    /// Builds the rows of the fresh holdout: the last days of the week, without the hours of the
    /// fixed test set. Returns them with their coverage.
    ///
    /// The rows of the days before, which the daily correction learns from, include the hours of
    /// the fixed test set: the correction learns from each day whose counts are known.
    async fn fresh_holdout(
        &self,
        week: Week,
        now: Timestamp,
    ) -> Result<(FreshHoldout, Coverage), Error> {
        let last = week.last_day();
        let first = last.plus(1 - self.policy.fresh_holdout_days);
        let warm_up = first.plus(-CORRECTION_DAYS);
        let known = self
            .warehouse
            .counts(warm_up.plus(-HISTORY_DAYS), last)
            .await?;
        let frame = Frame::from_counts(
            &FeatureSpec::for_counters([]),
            &[&known],
            &known.days(warm_up, last),
        );
        let profile = fixed_test::profile(&self.store, now).await?;
        // The counters are those of the holdout and of the days that its features need.
        let of_holdout = known.days(first.plus(-HISTORY_DAYS), last);
        let coverage = Coverage::of(&of_holdout, (first, last), |hour| !profile.excludes(hour));
        let start = first.first_hour();
        let fresh = FreshHoldout::new(frame, |hour| hour >= start && !profile.excludes(hour));
        Ok((fresh, coverage))
    }

    async fn load(&self, version: Version) -> Result<Model, Error> {
        Ok(Model::load_version(&self.store, &*self.registry, version, Threads::All).await?)
    }

    async fn compare(&self, event: &ChallengerTrained, now: Timestamp) -> Result<Compared, Error> {
        let (champion, challenger) = (
            self.load(event.champion).await?,
            self.load(event.challenger).await?,
        );
        let FixedTest { data, frame } = fixed_test::load(&self.store, now).await?;
        for (version, model) in [(event.champion, &champion), (event.challenger, &challenger)] {
            check_test_set(version, model.card(), &data)?;
        }
        let (fresh, coverage) = self.fresh_holdout(event.week, now).await?;
        let work = move || compare(&champion, &challenger, &frame, &fresh);
        let joined = tokio::task::spawn_blocking(work).await;
        let comparison = joined.map_err(|source| {
            Error::transient("cannot finish the evaluation").caused_by(source)
        })??;
        Ok(Compared {
            comparison,
            coverage,
            fixed_test: data,
        })
    }
}

/// A comparison with the data it was made on.
struct Compared {
    comparison: Comparison,
    coverage: Coverage,
    fixed_test: DataSet,
}

impl Handler for Evaluate {
    const FUNCTION: Function = Function::Evaluate;
    const PUBLISHES: &'static [Topic] = &[Topic::ChallengerEvaluated];
    type Event = ChallengerTrained;

    async fn handle(&self, event: ChallengerTrained, context: &Context) -> Result<Outcome, Error> {
        // Read before the comparison, so that a change of the champion meanwhile makes it stale.
        let champion_changes = self.registry.champion_state().await?.changes;
        let Compared {
            comparison,
            coverage,
            fixed_test,
        } = self.compare(&event, context.now).await?;
        let subject = event.event_id.subject_of_week(event.week);
        let path = Evaluation::path(&subject);
        let uses = count_uses(&*self.store, &*self.registry, &path, &fixed_test).await?;
        let verdicts = self.policy.judge_challenger(&comparison);
        let evaluation = Evaluation {
            week: event.week,
            champion: event.champion,
            challenger: event.challenger,
            champion_changes: Some(champion_changes),
            comparison,
            fresh_coverage: Some(coverage),
            fixed_test_set: Some(fixed_test.name),
            fixed_test_uses: Some(uses),
            // The event's time, not that of the delivery, so that a redelivery writes the same.
            started_at: Some(context.published_at),
            program: Some(Program::current()),
            verdicts,
        };
        context.fence.check().await?;
        write_json(&*self.store, &path, &evaluation, Condition::Always).await?;
        let evaluated = ChallengerEvaluated {
            event_id: EventId::of(Function::Evaluate, subject),
            week: event.week,
            champion: event.champion,
            challenger: event.challenger,
            evaluation: path,
        };
        let page = self.pages.as_ref();
        let page = page.map(|pages| pages.address_of_week(event.week));
        Ok(Outcome::new(entry(&evaluation, page)).publish(&evaluated))
    }

    async fn show(&self, context: &Context, entry: &AuditEntry) {
        let Some(pages) = self.pages.as_ref().filter(|_| entry.decision != EVALUATED) else {
            return;
        };
        let week = week_of(&context.event_id, entry);
        let fence = &context.fence;
        pages.update(week, move || fence.check()).await;
    }

    /// Checks that store, warehouse and registry answer, and that there is a champion.
    async fn ready(&self) -> Result<(), Error> {
        check_store(&*self.store).await?;
        check_warehouse(&*self.warehouse).await?;
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

fn entry(evaluation: &Evaluation, page: Option<PageAddress>) -> AuditEntry {
    let (comparison, verdicts) = (&evaluation.comparison, &evaluation.verdicts);
    let scores = comparison.fixed_test.challenger;
    let mut reason = verdicts.to_string();
    if let Some(uses) = evaluation.fixed_test_uses.filter(|uses| *uses > 1) {
        reason.push_str(&format!("; evaluation {uses} on this fixed test set"));
    }
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
            "week": evaluation.week,
            "page": page,
            // The evaluation has the breakdowns. An audit row stays small.
            "comparison": comparison.without_breakdowns(),
            "coverage": coverage,
            "fixed_test_set": evaluation.fixed_test_set,
            "fixed_test_uses": evaluation.fixed_test_uses,
            "verdicts": verdicts,
        }),
        ..AuditEntry::new(EVALUATED, reason)
    }
}

#[cfg(test)]
mod tests;
