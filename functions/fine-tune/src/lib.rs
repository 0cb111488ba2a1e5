#![doc = include_str!("../README.md")]

mod request;
mod window;

use std::{collections::BTreeMap, sync::Arc};

use forecasting::{
    checksum::Checksum, coverage::Coverage, features::Frame, metrics::Scores, policy::Policy,
};
use model::{FineTuneRecipe, Model, Threads, fine_tune};
use request::Job;
use runtime::{Context, Error, Handler, Outcome};
use serde_json::json;
use shared::{
    Timestamp,
    audit::AuditEntry,
    event::{ChallengerTrained, EventId, Function, Topic},
    fixed_test,
    ports::Ports,
    registry::{self, Alias, AliasChange, Registry, Run, RunInput, RunName, RunNameError, Version},
    settings::{SettingsError, Variables, optional},
    store::Store,
    warehouse::Warehouse,
};

pub use request::FineTuneInput;
pub use window::{TrainingRows, Window, training_rows};

/// The handler of detected drift and of requests.
pub struct FineTune {
    policy: Policy,
    recipe: FineTuneRecipe,
    store: Arc<dyn Store>,
    warehouse: Arc<dyn Warehouse>,
    registry: Arc<dyn Registry>,
}

/// Creates the handler from the variables `POLICY` and `FINE_TUNE`.
///
/// # Errors
/// Returns an error if `POLICY` or `FINE_TUNE` is invalid.
pub fn build(variables: &dyn Variables, ports: &Ports) -> Result<FineTune, SettingsError> {
    let policy = optional(variables, "POLICY")?.unwrap_or_default();
    let recipe = optional(variables, "FINE_TUNE")?.unwrap_or_default();
    Ok(FineTune::new(policy, recipe, ports))
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
        }
    }

    /// Trains the challenger and scores it on the fixed test set.
    async fn train(
        &self,
        job: &Job,
        frame: Frame,
        now: Timestamp,
    ) -> Result<(Model, Scores), Error> {
        let champion =
            Model::load_version(&self.store, &*self.registry, job.champion, Threads::All).await?;
        let fixed_test = fixed_test::load(&self.store, now).await?;
        let recipe = job.recipe.clone();
        let work =
            move || fine_tune(&champion, &frame, &recipe, &mut |_| {})?.scored_on(&fixed_test);
        let joined = tokio::task::spawn_blocking(work).await;
        let result = joined
            .map_err(|source| Error::transient("cannot finish the training").caused_by(source))?;
        Ok(result?)
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

    fn run(
        &self,
        job: &Job,
        name: RunName,
        challenger: &Model,
        scores: Scores,
        now: Timestamp,
    ) -> Run {
        let card = challenger.card();
        let mut params = card.params.clone();
        params.extend([
            (
                "learning_rate".to_owned(),
                job.recipe.learning_rate.to_string(),
            ),
            ("epochs".to_owned(), job.recipe.epochs.to_string()),
            (
                "freeze_layers".to_owned(),
                job.recipe
                    .freeze_layers
                    .map_or_else(|| "all".to_owned(), |rounds| rounds.to_string()),
            ),
        ]);
        Run {
            artifacts: name.artifacts(),
            name,
            inputs: card
                .fixed_test
                .iter()
                .map(|data| RunInput::new(data, &*self.store))
                .collect(),
            ended_at: now,
            tags: tags(job.champion, card.training.rows, scores.rows),
            params,
            metrics: [
                ("test_mae", scores.mae),
                ("test_rmse", scores.rmse),
                ("test_r2", scores.r2),
            ]
            .map(|(name, value)| (name.to_owned(), value))
            .into(),
        }
    }
}

impl Handler for FineTune {
    const FUNCTION: Function = Function::FineTune;
    const PUBLISHES: &'static [Topic] = &[Topic::ChallengerTrained];
    type Event = FineTuneInput;

    async fn handle(&self, event: FineTuneInput, context: &Context) -> Result<Outcome, Error> {
        let job = Job::new(event, &self.recipe, &*self.registry, context).await?;
        let window = Window::before(&self.policy, job.week);
        let TrainingRows { frame, coverage } =
            training_rows(&self.store, &*self.warehouse, window, context.now).await?;
        let days = coverage.days;
        if days < self.policy.fine_tune_minimum_days {
            let minimum = self.policy.fine_tune_minimum_days;
            let entry = too_little_data(&job, window, &coverage, minimum);
            return Ok(Outcome::new(entry));
        }
        let name = run_name(&job, &frame)?;
        let (challenger, scores) = self.train(&job, frame, context.now).await?;
        // The event's time, not that of the delivery, so that a redelivery writes an identical run.
        let run = self.run(&job, name, &challenger, scores, context.published_at);
        context.fence.check().await?;
        let version = self.register(&challenger, &run).await?;
        let rows = challenger.card().training.rows;
        let mut reason = job.explain(format!(
            "version {version} trained from version {} on {rows} rows of {days} days",
            job.champion
        ));
        if !coverage.is_complete() {
            reason.push_str(&format!("; {coverage}"));
        }
        let entry = AuditEntry {
            mae: Some(scores.mae),
            rmse: Some(scores.rmse),
            r2: Some(scores.r2),
            fine_tune_triggered: Some(true),
            fine_tune_success: Some(true),
            champion_version: Some(job.champion),
            challenger_version: Some(version),
            detail: json!({
                "window": window,
                "days": days,
                "coverage": coverage,
                "rows": rows,
                "recipe": job.recipe,
                "run": run.name,
            }),
            ..AuditEntry::new("challenger-trained", reason)
        };
        let trained = ChallengerTrained {
            event_id: EventId::of(Function::FineTune, &job.subject),
            week: job.week,
            champion: job.champion,
            challenger: version,
        };
        Ok(Outcome::new(entry).publish(&trained))
    }

    /// Checks that the registry answers and has a champion.
    async fn ready(&self) -> Result<(), Error> {
        registry::champion(&*self.registry).await?;
        Ok(())
    }
}

fn too_little_data(job: &Job, window: Window, coverage: &Coverage, minimum: usize) -> AuditEntry {
    let reason = job.explain(format!(
        "nothing trained: {} days from {} to {} have counts outside the fixed test set, but {minimum} are required; {coverage}",
        coverage.days, window.first, window.last_training
    ));
    AuditEntry {
        fine_tune_triggered: Some(true),
        fine_tune_success: Some(false),
        champion_version: Some(job.champion),
        detail: json!({ "window": window, "days": coverage.days, "coverage": coverage }),
        ..AuditEntry::new("too-little-data", reason)
    }
}

/// Returns the name of the run: the week, the instant at which it was judged again or requested if
/// it was, and a digest of all that the training depends on. So a
/// training on other counts is a version of its own, and a repeated one is the same version.
fn run_name(job: &Job, frame: &Frame) -> Result<RunName, Error> {
    let attempt = || Error::permanent("cannot name the run");
    let rows = (frame.counters(), frame.rows(), frame.outages());
    let inputs = (job.champion, &job.recipe, rows);
    let mut bytes = serde_json::to_vec(&inputs).map_err(|error| attempt().caused_by(error))?;
    let numbers = frame.values().iter().chain(frame.targets());
    bytes.extend(numbers.flat_map(|number| number.to_le_bytes()));
    let digest = Checksum::of(&bytes);
    let subject = job.subject.replace("@requested-", "-requested-");
    let subject = subject.replace('@', "-again-");
    format!("fine-tune-{subject}-{}", digest.short(8))
        .parse()
        .map_err(|error: RunNameError| attempt().caused_by(error))
}

/// Returns the tags that describe the training strategy in the registry.
fn tags(base: Version, train_rows: usize, test_rows: usize) -> BTreeMap<String, String> {
    let tags = [
        ("dataset", "last_30_days".to_owned()),
        ("training_type", "fine_tune".to_owned()),
        ("data_source", "bigquery".to_owned()),
        ("base_model", base.to_string()),
        ("train_size", train_rows.to_string()),
        ("test_size", test_rows.to_string()),
    ];
    tags.map(|(name, value)| (name.to_owned(), value)).into()
}

#[cfg(test)]
mod tests;
