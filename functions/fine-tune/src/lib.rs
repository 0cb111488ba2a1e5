#![doc = include_str!("../README.md")]

mod request;
mod run;
mod selection;
mod sliding;
mod training;
mod window;

use std::sync::Arc;

use forecasting::{coverage::Coverage, features::Outage, policy::Policy};
use model::{FineTuneRecipe, MINIMUM_ROWS, Model, StrategyName, Threads};
use report::publish::{PageAddress, Pages, week_of};
use request::Job;
use runtime::{Context, Error, Handler, Outcome, check_store, check_warehouse};
use serde_json::json;
use shared::{
    audit::AuditEntry,
    clock::Clock,
    event::{ChallengerTrained, EventId, Function, Topic},
    fixed_test,
    notifier::Notification,
    ports::Ports,
    registry::{self, Alias, AliasChange, Registry, Run, Version},
    settings::{SettingsError, Variables, optional},
    store::Store,
    warehouse::Warehouse,
};
use sliding::SlidingRows;
use training::{Trained, Training};

pub use request::FineTuneInput;
pub use selection::{Choice, SELECTION_DAYS, SelectionDays, choose};
pub use window::{TrainingRows, Window, training_rows};

/// The handler of detected drift and of requests.
pub struct FineTune {
    policy: Policy,
    recipe: FineTuneRecipe,
    store: Arc<dyn Store>,
    warehouse: Arc<dyn Warehouse>,
    registry: Arc<dyn Registry>,
    clock: Arc<dyn Clock>,
    /// `None` for a handler without pages.
    pages: Option<Pages>,
}

/// The decision if a challenger was trained.
const TRAINED: &str = "challenger-trained";

/// Creates the handler from the variables `POLICY` and `FINE_TUNE`. It writes pages.
///
/// # Errors
/// Returns an error if `POLICY` or `FINE_TUNE` is invalid.
pub fn build(variables: &dyn Variables, ports: &Ports) -> Result<FineTune, SettingsError> {
    let policy = optional(variables, "POLICY")?.unwrap_or_default();
    let recipe = optional(variables, "FINE_TUNE")?.unwrap_or_default();
    Ok(FineTune::new(policy, recipe, ports).with_pages(ports))
}

impl FineTune {
    /// Creates the handler with a policy, a recipe and the ports it uses.
    pub fn new(policy: Policy, recipe: FineTuneRecipe, ports: &Ports) -> Self {
        Self {
            policy,
            recipe,
            store: Arc::clone(&ports.store),
            warehouse: Arc::clone(&ports.warehouse),
            registry: Arc::clone(&ports.registry),
            clock: Arc::clone(&ports.clock),
            pages: None,
        }
    }

    /// Writes the page of the week, that of its month and the on-call page after each event that
    /// trains no challenger. After a training, `promote` writes them.
    #[must_use]
    pub fn with_pages(self, ports: &Ports) -> Self {
        Self {
            pages: Some(Pages::of(ports)),
            ..self
        }
    }

    /// Loads what the training of a challenger needs.
    async fn prepare(
        &self,
        job: &Job,
        window: Window,
        rows: TrainingRows,
        context: &Context,
    ) -> Result<Training, Error> {
        let champion =
            Model::load_version(&self.store, &*self.registry, job.champion, Threads::All).await?;
        let sliding = if job.recipe.strategy.includes(StrategyName::SlidingWindow) {
            let test_hours = rows.test_hours;
            let (warehouse, now) = (&*self.warehouse, context.now);
            SlidingRows::read(
                &self.store,
                warehouse,
                champion.card(),
                window,
                test_hours,
                now,
            )
            .await?
        } else {
            Err("the strategy is not in use".to_owned())
        };
        Ok(Training {
            champion,
            fresh: rows.frame,
            sliding,
            recipe: job.recipe.clone(),
            window,
            fixed_test: fixed_test::load(&self.store, context.now).await?,
        })
    }

    async fn register(&self, challenger: &Model, run: &Run) -> Result<Version, Error> {
        challenger.save(&*self.store, &run.artifacts).await?;
        let version = self.registry.register(run).await?;
        let current = self.registry.alias(Alias::Challenger).await?;
        // A redelivery after a crash must not move the alias back from a newer challenger.
        if current.is_none_or(|current| current < version) {
            self.registry
                .move_alias(AliasChange::challenger(current, version))
                .await?;
        }
        Ok(version)
    }
}

impl Handler for FineTune {
    const FUNCTION: Function = Function::FineTune;
    const PUBLISHES: &'static [Topic] = &[Topic::ChallengerTrained];
    type Event = FineTuneInput;

    async fn handle(&self, event: FineTuneInput, context: &Context) -> Result<Outcome, Error> {
        let job = Job::new(event, &self.recipe, &*self.registry, context).await?;
        check_base_model(&job)?;
        let window = Window::before(&self.policy, job.week);
        let rows = training_rows(&self.store, &*self.warehouse, window, context.now).await?;
        let coverage = rows.coverage.clone();
        let page = self.pages.as_ref();
        let page = page.map(|pages| pages.address_of_week(job.week));
        if let Some(finding) = shortage(&rows, window, self.policy.fine_tune_minimum_days) {
            let entry = too_little_data(&job, window, &coverage, &finding, page);
            let (decision, reason) = (&entry.decision, &entry.reason);
            let notification = Notification::of_week(job.week, decision, reason, &*self.store);
            return Ok(Outcome::new(entry).notify(notification));
        }
        let training = self.prepare(&job, window, rows, context).await?;
        let name = run::name(&job, &training)?;
        let trained = training.run_on_worker().await?;
        // The start is that of the event, not of the delivery.
        let times = (context.published_at, self.clock.now());
        let run = run::of(&job, name, &trained, &*self.store, times);
        context.fence.check().await?;
        let version = self.register(&trained.challenger, &run).await?;
        let entry = entry(&job, window, &coverage, &trained, (&run, version), page);
        let trained = ChallengerTrained {
            event_id: EventId::of(Function::FineTune, &job.subject),
            week: job.week,
            champion: job.champion,
            challenger: version,
        };
        Ok(Outcome::new(entry).publish(&trained))
    }

    async fn show(&self, context: &Context, entry: &AuditEntry) {
        let Some(pages) = self.pages.as_ref().filter(|_| entry.decision != TRAINED) else {
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

/// Describes the lack of data to train on; `None` if there are enough.
fn shortage(rows: &TrainingRows, window: Window, minimum: usize) -> Option<String> {
    let (first, last, days) = (window.first, window.last_training, rows.coverage.days);
    if days < minimum {
        return Some(format!(
            "{days} days from {first} to {last} have counts outside the fixed test set, but {minimum} are required"
        ));
    }
    // Counters that report zeros or one constant count for weeks have counts, and teach nothing.
    let outages = rows.frame.outages().iter();
    let usable = outages.filter(|outage| **outage == Outage::None).count();
    (usable < MINIMUM_ROWS).then(|| {
        format!(
            "{usable} of {} counts from {first} to {last} are outside outages, but {MINIMUM_ROWS} are required",
            rows.frame.len()
        )
    })
}

fn too_little_data(
    job: &Job,
    window: Window,
    coverage: &Coverage,
    finding: &str,
    page: Option<PageAddress>,
) -> AuditEntry {
    let reason = job.explain(format!("nothing trained: {finding}; {coverage}"));
    AuditEntry {
        fine_tune_triggered: Some(true),
        fine_tune_success: Some(false),
        champion_version: Some(job.champion),
        detail: json!({
            "week": job.week,
            "page": page,
            "window": window,
            "days": coverage.days,
            "coverage": coverage,
        }),
        ..AuditEntry::new("too-little-data", reason)
    }
}

fn check_base_model(job: &Job) -> Result<(), Error> {
    let (base_model, champion) = (job.recipe.base_model, job.champion);
    if base_model.admits(champion) {
        return Ok(());
    }
    Err(Error::permanent(format!(
        "cannot fine-tune {base_model}: the champion is version {champion}; set base_model of FINE_TUNE to \
         `champion` or `champion_v{champion}`"
    )))
}

fn entry(
    job: &Job,
    window: Window,
    coverage: &Coverage,
    trained: &Trained,
    (run, version): (&Run, Version),
    page: Option<PageAddress>,
) -> AuditEntry {
    let Trained {
        challenger,
        scores,
        choice,
        baseline,
        ..
    } = trained;
    let (rows, strategy) = (challenger.card().training.rows, choice.strategy);
    let reason = reason_of(job, coverage, trained, version);
    let trials = choice.trials.as_ref();
    AuditEntry {
        mae: Some(scores.mae),
        rmse: Some(scores.rmse),
        r2: Some(scores.r2),
        fine_tune_triggered: Some(true),
        fine_tune_success: Some(true),
        champion_version: Some(job.champion),
        challenger_version: Some(version),
        detail: json!({
            "week": job.week,
            "page": page,
            "window": window,
            "days": coverage.days,
            "coverage": coverage,
            "rows": rows,
            "recipe": job.recipe,
            "run": run.name,
            "strategy": strategy,
            "selection": trials.map(|_| SelectionDays::of(window)),
            "strategies": trials.map(|trials| &trials.strategies),
            "champion_selection_scores": trials.map(|trials| trials.champion),
            "baseline": baseline,
        }),
        ..AuditEntry::new(TRAINED, job.explain(reason))
    }
}

/// Returns the reason of a training: its rows, the choice of the strategy, and gaps in the counts.
fn reason_of(job: &Job, coverage: &Coverage, trained: &Trained, version: Version) -> String {
    let training = &trained.challenger.card().training;
    let mut reason = format!(
        "version {version} trained from version {} on {} rows",
        job.champion, training.rows
    );
    // The rows of the sliding window are also those of the baseline.
    if trained.choice.strategy == StrategyName::SlidingWindow {
        reason.push_str(&format!(" since {}", training.first_hour.day()));
    } else {
        reason.push_str(&format!(" of {} days", coverage.days));
    }
    let sentences = std::iter::once(&trained.choice.reason).chain(&trained.remark);
    sentences.for_each(|sentence| reason.push_str(&format!("; {sentence}")));
    if !coverage.is_complete() {
        reason.push_str(&format!("; {coverage}"));
    }
    reason
}

#[cfg(test)]
mod tests;
