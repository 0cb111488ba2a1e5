#![doc = include_str!("../README.md")]

mod window;

use std::{collections::BTreeMap, sync::Arc};

use forecasting::{features::Frame, metrics::Scores, policy::Policy, time::Week};
use model::{FineTuneRecipe, Model, Threads, fine_tune};
use runtime::{Context, Error, Handler, Outcome};
use serde_json::json;
use shared::{
    Timestamp,
    audit::AuditEntry,
    event::{ChallengerTrained, DriftDetected, Function, Topic},
    fixed_test,
    ports::Ports,
    registry::{self, Alias, AliasChange, Registry, Run, RunInput, RunName, Version},
    settings::{SettingsError, Variables, optional},
    store::Store,
    warehouse::Warehouse,
};

pub use window::{Window, training_frame};

/// The handler of detected drift.
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
    async fn train(&self, champion: Version, frame: Frame) -> Result<(Model, Scores), Error> {
        let champion =
            Model::load_version(&self.store, &*self.registry, champion, Threads::All).await?;
        let fixed_test = fixed_test::load(&self.store).await?;
        let recipe = self.recipe.clone();
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
        event: &DriftDetected,
        challenger: &Model,
        scores: Scores,
        now: Timestamp,
    ) -> Result<Run, Error> {
        let name = run_name(event.week)?;
        let card = challenger.card();
        let mut params = card.params.clone();
        params.extend([
            (
                "learning_rate".to_owned(),
                self.recipe.learning_rate.to_string(),
            ),
            ("epochs".to_owned(), self.recipe.epochs.to_string()),
            (
                "freeze_layers".to_owned(),
                self.recipe
                    .freeze_layers
                    .map_or_else(|| "all".to_owned(), |rounds| rounds.to_string()),
            ),
        ]);
        Ok(Run {
            artifacts: name.artifacts(),
            name,
            inputs: card
                .fixed_test
                .iter()
                .map(|data| RunInput::new(data, &*self.store))
                .collect(),
            ended_at: now,
            tags: tags(event.champion, card.training.rows, scores.rows),
            params,
            metrics: [
                ("test_mae", scores.mae),
                ("test_rmse", scores.rmse),
                ("test_r2", scores.r2),
            ]
            .map(|(name, value)| (name.to_owned(), value))
            .into(),
        })
    }
}

impl Handler for FineTune {
    const FUNCTION: Function = Function::FineTune;
    const PUBLISHES: &'static [Topic] = &[Topic::ChallengerTrained];
    type Event = DriftDetected;

    async fn handle(&self, event: DriftDetected, context: &Context) -> Result<Outcome, Error> {
        let window = Window::before(&self.policy, event.week);
        let frame = training_frame(&self.store, &*self.warehouse, window).await?;
        let days = window::days_of(&frame);
        if days < self.policy.fine_tune_minimum_days {
            return Ok(Outcome::new(too_little_data(
                &event,
                window,
                days,
                self.policy.fine_tune_minimum_days,
            )));
        }
        let (challenger, scores) = self.train(event.champion, frame).await?;
        // The event's time, not that of the delivery, so that a redelivery writes an identical run.
        let run = self.run(&event, &challenger, scores, context.published_at)?;
        let version = self.register(&challenger, &run).await?;
        let rows = challenger.card().training.rows;
        let reason = format!(
            "version {version} trained from version {} on {rows} rows of {days} days",
            event.champion
        );
        let entry = AuditEntry {
            mae: Some(scores.mae),
            rmse: Some(scores.rmse),
            r2: Some(scores.r2),
            fine_tune_triggered: Some(true),
            fine_tune_success: Some(true),
            champion_version: Some(event.champion),
            challenger_version: Some(version),
            detail: json!({ "window": window, "days": days, "rows": rows, "recipe": self.recipe, "run": run.name }),
            ..AuditEntry::new("challenger-trained", reason)
        };
        let trained = ChallengerTrained {
            event_id: shared::event::EventId::of(Function::FineTune, event.week),
            week: event.week,
            champion: event.champion,
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

fn too_little_data(
    event: &DriftDetected,
    window: Window,
    days: usize,
    minimum: usize,
) -> AuditEntry {
    let reason = format!(
        "nothing trained: {days} days from {} to {} have counts outside the fixed test set, but {minimum} are required",
        window.first, window.last_training
    );
    AuditEntry {
        fine_tune_triggered: Some(true),
        fine_tune_success: Some(false),
        champion_version: Some(event.champion),
        detail: json!({ "window": window, "days": days }),
        ..AuditEntry::new("too-little-data", reason)
    }
}

fn run_name(week: Week) -> Result<RunName, Error> {
    let invalid = |error| Error::permanent("cannot name the run").caused_by(error);
    format!("fine-tune-{week}").parse().map_err(invalid)
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
