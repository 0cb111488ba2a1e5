//! `bike-traffic train`: trains a champion from the baseline.

mod arguments;
mod data;
mod describe;
mod first;
mod fit;
mod record;
mod report;
mod served;

use std::sync::Arc;

use anyhow::Context;
use arguments::DataSource;
use forecasting::metrics::Scores;
use model::{Model, Tested, TrainRecipe};
use shared::{
    baseline::{self, Verified},
    clock::SystemClock,
    fixed_test::FixedTest,
    ports::Ports,
    program::Program,
    registry::{
        ChampionError, ChampionState, Promoted, Promotion, Run, RunNotes, RunSource, Version,
        promote,
    },
    store::StoreError,
};
use tokio::task::JoinHandle;

pub use arguments::TrainArguments;
pub(crate) use data::{Origin, TrainingData};
pub use first::Allowances;
pub(crate) use fit::{Scored, fit_and_score, fit_while_storing};
pub(crate) use report::scores_table;
pub use report::{DataReport, PromotionOutcome, TrainReport};
pub use served::{IntervalReport, ServedScores};

use crate::support::{
    background::joined, data_file, decision, exit, predecessor::Predecessor, progress,
    state::State, stdout,
};

/// The parameters of a training.
#[derive(Clone, Debug)]
pub struct TrainPlan {
    /// The path of the training data, local or `gs://`.
    pub train_path: String,
    /// The path of the fixed test set, local or `gs://`.
    pub test_path: String,
    /// The tag `data_source` of the strategy: `gcs`, `local` or `custom`.
    pub data_source: &'static str,
    /// The recipe of the training.
    pub recipe: TrainRecipe,
    /// The environment to name in the audit row, such as `dev` or `prod`.
    pub environment: String,
    /// The refusals to override.
    pub allow: Allowances,
}

/// Runs the command.
pub(crate) async fn command(arguments: TrainArguments) -> anyhow::Result<()> {
    let state = State::at(&arguments.target.state)?;
    let (as_json, target) = (arguments.json, arguments.target.clone());
    if target.cloud {
        runtime::require_clients()?;
    }
    let plan = plan(arguments)?;
    // Otherwise an empty state would remain, which `status` prefers to that of the last run.
    data_file::refuse_unreadable(&plan.train_path, "--train-path")?;
    data_file::refuse_unreadable(&plan.test_path, "--test-path")?;
    let is_new = !target.cloud && state.is_new();
    let ports = target.open(Arc::new(SystemClock)).await?;
    if is_new {
        stdout::print_line(&state.creation_notice(), as_json);
    }
    let report = train(&ports, &state, &plan).await?;
    match stdout::print(&report, as_json) {
        // An exit code of 1 would suggest that nothing was promoted.
        Err(error) if report.is_promoted() => {
            let error = exit::text_of(&error);
            tracing::warn!(error, "version promoted, but its report cannot be printed");
            Ok(())
        }
        printed => printed,
    }
}

fn plan(arguments: TrainArguments) -> anyhow::Result<TrainPlan> {
    let train_path = arguments
        .train_path
        .with_context(|| data_file::missing("training data", "--train-path", "TRAIN_DATA_PATH"))?;
    let test_path = arguments
        .test_path
        .with_context(|| data_file::missing("fixed test set", "--test-path", "TEST_DATA_PATH"))?;
    let data_source = match arguments.data_source {
        DataSource::Custom => "custom",
        DataSource::Baseline if train_path.starts_with("gs://") => "gcs",
        DataSource::Baseline => "local",
    };
    let recipe = arguments.recipe.recipe();
    Ok(TrainPlan {
        train_path,
        test_path,
        data_source,
        recipe,
        environment: arguments.environment.name,
        allow: arguments.allow,
    })
}

/// Trains a champion, scores it on the fixed test set, and registers it.
///
/// The new version becomes champion if there is none, or if its MAE on the same test set is lower
/// than the champion's. An audit row records the decision. The data of the first champion are
/// published as the baseline; [`publish_baseline`] publishes later data. The run is named after the
/// data, the recipe, the features and the format of models, so a repeated training yields the same
/// version.
///
/// # Errors
/// Returns an error if data cannot be read, if training data and test set overlap, if another test
/// set is in use, if the registry lost its champion, or if a port fails. Also returns an error if
/// the first champion would not be better than the seasonal naive forecast. `plan.allow` overrides
/// some of these refusals. After a promotion there is no error: if its audit row cannot be written,
/// [`TrainReport::unrecorded`] has the reason.
///
/// [`publish_baseline`]: crate::commands::publish_baseline::publish_baseline
pub async fn train(ports: &Ports, state: &State, plan: &TrainPlan) -> anyhow::Result<TrainReport> {
    let started_at = ports.clock.now();
    refuse_missing_device(&plan.recipe)?;
    let paths = (plan.train_path.as_str(), plan.test_path.as_str());
    let is_first = first::is_needed(&*ports.registry);
    let is_first = progress::noting("reading the registry", is_first).await?;
    let rejects = state.folder().join("rejects");
    let read = TrainingData::read(paths, &rejects, &*ports.store, None, plan.allow.overlap);
    let (data, uploads) = read.await?;
    let scored = fit_while_storing(ports, (&data, uploads), &plan.recipe, started_at).await?;
    if is_first && !plan.allow.worse_than_naive {
        first::refuse_worse_than_naive(&scored.tested.forecasts, &scored.fixed_test)?;
    }
    let publication = Publication::prepare(ports, &data).await?;
    let origin = (plan.data_source, "bike-traffic train");
    let trained = register(ports, &data, &plan.recipe, origin, scored).await?;
    let report = publish_and_report(ports, &data, &trained, publication);
    let report = progress::noting("summarizing the training", report).await?;
    let promotion = promote_if_better(ports, &trained);
    let promotion = progress::noting("comparing with the champion", promotion).await?;
    let report = report.with_outcome(
        trained.version,
        promotion,
        ports.store.address_of(&trained.run.artifacts),
    );
    let recorded = record::record(ports, &trained, promotion, &plan.environment);
    let recorded = progress::noting("recording the decision", recorded).await;
    if let (Err(error), true) = (&recorded, report.is_promoted()) {
        let error = exit::text_of(error);
        tracing::warn!(error, "version promoted, but its audit row is missing");
        return Ok(TrainReport {
            unrecorded: Some(error),
            ..report
        });
    }
    recorded.map(|()| report)
}

/// The publication of the data as the baseline, if there is none.
struct Publication {
    /// `true` if the training data are or become those of the baseline.
    is_in_use: bool,
    /// Reads and verifies the data while the model is stored.
    verifying: Option<JoinHandle<Result<Verified, StoreError>>>,
}

impl Publication {
    async fn prepare(ports: &Ports, data: &TrainingData) -> anyhow::Result<Self> {
        let published = baseline::published(&*ports.store).await?;
        let verifying = published.is_none().then(|| {
            let (store, baseline) = (Arc::clone(&ports.store), data.baseline());
            tokio::spawn(async move { Verified::read(&*store, baseline).await })
        });
        Ok(Self {
            is_in_use: published.is_none_or(|(baseline, _)| baseline.train == data.train_data.name),
            verifying,
        })
    }
}

/// Publishes the data as the baseline if there is none, and meanwhile summarizes the training.
/// Everything that can fail comes before the promotion.
async fn publish_and_report(
    ports: &Ports,
    data: &TrainingData,
    trained: &Trained,
    publication: Publication,
) -> anyhow::Result<TrainReport> {
    let publishing = publication.verifying.map(|verifying| {
        let store = Arc::clone(&ports.store);
        tokio::spawn(async move { joined(verifying).await?.publish(&*store, None).await })
    });
    let report = TrainReport::new(data, trained, publication.is_in_use);
    if let Some(publishing) = publishing {
        joined(publishing).await?;
    }
    report
}

/// Returns an error if the device is not available, before minutes are spent on reading data.
pub(crate) fn refuse_missing_device(recipe: &TrainRecipe) -> anyhow::Result<()> {
    Ok(model::check_device(recipe.device)?)
}

/// A registered model with its scores on the fixed test set.
pub(crate) struct Trained {
    pub(crate) version: Version,
    pub(crate) run: Run,
    pub(crate) model: Model,
    pub(crate) scores: Scores,
    /// The forecasts of the fixed test set.
    pub(crate) forecasts: Vec<f32>,
    pub(crate) fixed_test: FixedTest,
    /// The feature columns without values in the training data.
    pub(crate) empty_columns: Vec<&'static str>,
}

/// Stores a model and registers it. `origin` is the tag `data_source` and the command.
pub(crate) async fn register(
    ports: &Ports,
    data: &TrainingData,
    recipe: &TrainRecipe,
    (data_source, command): (&str, &str),
    scored: Scored,
) -> anyhow::Result<Trained> {
    let run = Run {
        notes: RunNotes {
            description: scored.model.card().to_markdown(),
            user: Some(decision::operator().name().to_owned()),
            source: Some(RunSource::Command(command.to_owned())),
            curves: scored.curves.by_name(),
            tables: None,
        },
        ..describe::run(ports, data, recipe, data_source, &scored)?
    };
    let Scored {
        started_at,
        model,
        tested: Tested { forecasts, scores },
        fixed_test,
        empty_columns,
        curves: _,
    } = scored;
    let run = run.made_by(&Program::current(), started_at);
    let saved = model.save(&*ports.store, &run.artifacts);
    progress::noting("uploading the model", saved).await?;
    let registered = ports.registry.register(&run);
    let version = progress::noting("registering the model", registered).await?;
    Ok(Trained {
        version,
        run,
        model,
        scores,
        forecasts,
        fixed_test,
        empty_columns,
    })
}

/// Promotes the version if there is no champion, or if the champion is worse.
async fn promote_if_better(ports: &Ports, trained: &Trained) -> anyhow::Result<PromotionOutcome> {
    let version = trained.version;
    let registry = &*ports.registry;
    let seen = registry.champion_state().await?;
    let champion = match seen.usable() {
        Ok(champion) => champion,
        Err(ChampionError::Missing) => return promote_first(ports, version, &seen).await,
        Err(_) if first::is_only(registry, version).await? => {
            return promote_first(ports, version, &seen).await;
        }
        Err(lost) => {
            return Err(lost)
                .with_context(|| format!("cannot compare version {version} with the champion"));
        }
    };
    // The same training was registered before, and the decision about it was made then.
    if champion >= version {
        return Ok(PromotionOutcome::Already { champion });
    }
    let folder = ports.registry.version(champion).await?.run.artifacts;
    let FixedTest { data: test, frame } = &trained.fixed_test;
    let before = Predecessor::load(ports, &folder, &test.name)
        .await?
        .scores(frame)?;
    if trained.scores.mae >= before.mae {
        return Ok(PromotionOutcome::Worse {
            champion,
            champion_mae: before.mae,
        });
    }
    let better = Promotion::by_operator(&decision::operator(), Some(champion), version);
    match promote(registry, &better).await? {
        Promoted::Done | Promoted::Already => Ok(PromotionOutcome::Better {
            champion,
            champion_mae: before.mae,
        }),
        Promoted::Stale { .. } | Promoted::Overtaken { .. } => Err(champion_changed(version)),
    }
}

/// Promotes the version in a registry without a usable champion. `seen` may have one that was
/// deleted.
async fn promote_first(
    ports: &Ports,
    version: Version,
    seen: &ChampionState,
) -> anyhow::Result<PromotionOutcome> {
    let registry = &*ports.registry;
    first::refuse_with_history(registry, version).await?;
    let first = Promotion::by_operator(&decision::operator(), seen.champion, version);
    match promote(registry, &first).await? {
        Promoted::Done | Promoted::Already => Ok(PromotionOutcome::First),
        Promoted::Stale { .. } | Promoted::Overtaken { .. } => Err(champion_changed(version)),
    }
}

fn champion_changed(version: Version) -> anyhow::Error {
    anyhow::anyhow!(
        "cannot promote version {version}: another version became champion during the training; \
         run the command again to compare with it"
    )
}
