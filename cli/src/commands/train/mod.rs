//! `bike-traffic train`: a champion from the baseline.

mod arguments;
mod data;
mod report;

use std::{collections::BTreeMap, sync::Arc};

use anyhow::Context;
use arguments::DataSource;
use forecasting::{
    checksum::Checksum,
    features::{FeatureSpec, Frame},
    metrics::Scores,
};
use jiff::Timestamp;
use model::{Model, TrainRecipe};
use serde_json::json;
use shared::{
    audit::AuditEntry,
    baseline,
    clock::SystemClock,
    event::{EventId, Function},
    fixed_test::FixedTest,
    ports::Ports,
    registry::{Alias, Run, RunInput, RunName, Version, change_champion},
    store::Store,
};

pub use arguments::TrainArguments;
pub(crate) use data::{Origin, TrainingData};
pub use report::{PromotionOutcome, TrainReport};

use crate::support::{predecessor::Predecessor, progress::Progress, state::State, stdout};

/// What to train from.
#[derive(Clone, Debug)]
pub struct TrainPlan {
    /// The path of the training data.
    pub train_path: String,
    /// The path of the fixed test set.
    pub test_path: String,
    /// The tag `data_source` of the strategy: `gcs`, `local` or `custom`.
    pub data_source: &'static str,
    /// The settings of the training.
    pub recipe: TrainRecipe,
    /// Written into the audit row, as in `dev` or `prod`.
    pub environment: String,
}

/// Runs the command.
pub(crate) async fn command(arguments: TrainArguments) -> anyhow::Result<()> {
    let state = State::at(&arguments.place.state)?;
    let as_json = arguments.json;
    let ports = arguments.place.open(Arc::new(SystemClock)).await?;
    stdout::print(&train(&ports, &state, &plan(arguments)?).await?, as_json)
}

fn plan(arguments: TrainArguments) -> anyhow::Result<TrainPlan> {
    let missing = |what: &str, option: &str, variable: &str| {
        format!("no {what} is given: use {option} or set {variable}")
    };
    let train_path = arguments
        .train_path
        .with_context(|| missing("training data", "--train-path", "TRAIN_DATA_PATH"))?;
    let test_path = arguments
        .test_path
        .with_context(|| missing("fixed test set", "--test-path", "TEST_DATA_PATH"))?;
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
        environment: arguments.environment,
    })
}

/// Trains a champion, scores it on the fixed test set, and registers it.
///
/// It becomes champion when there is none, or when its MAE is lower than the champion's on the same test set, and the audit
/// log says which. The first
/// champion's data are published as the baseline; later data are by [`publish_baseline`](crate::commands::publish_baseline::publish_baseline). The run
/// is named by the data, the recipe and the features, so the same training registered twice is one version.
///
/// # Errors
/// When data cannot be read, training and test set overlap, another test set is in use, or a port fails.
pub async fn train(ports: &Ports, state: &State, plan: &TrainPlan) -> anyhow::Result<TrainReport> {
    refuse_missing_device(&plan.recipe)?;
    let paths = (plan.train_path.as_str(), plan.test_path.as_str());
    let data =
        TrainingData::load(paths, &state.folder().join("rejects"), &*ports.store, None).await?;
    let trained = fit(ports, &data, &plan.recipe, plan.data_source).await?;
    let is_in_use = match baseline::published(&*ports.store).await? {
        None => {
            baseline::publish(&*ports.store, None, &data.baseline()).await?;
            true
        }
        Some((baseline, _)) => baseline.train == data.train_data.name,
    };
    let promotion = promote_if_better(ports, &trained).await?;
    record(ports, &trained, promotion, &plan.environment).await?;
    let report = TrainReport::new(&data, &trained, is_in_use)?;
    Ok(report.with_outcome(
        trained.version,
        promotion,
        ports.store.address_of(&trained.run.artifacts),
    ))
}

/// Says that there is no card before data are read for minutes.
pub(crate) fn refuse_missing_device(recipe: &TrainRecipe) -> anyhow::Result<()> {
    Ok(model::check_device(recipe.device)?)
}

/// A model that was trained, scored on the fixed test set and registered.
pub(crate) struct Trained {
    pub(crate) version: Version,
    pub(crate) run: Run,
    pub(crate) model: Model,
    pub(crate) scores: Scores,
    pub(crate) fixed_test: FixedTest,
}

/// Trains a model on data, scores it, stores and registers it.
pub(crate) async fn fit(
    ports: &Ports,
    data: &TrainingData,
    recipe: &TrainRecipe,
    data_source: &str,
) -> anyhow::Result<Trained> {
    let fixed_test = data.fixed_test();
    let spec = FeatureSpec::for_counters(data.train.counts.counters());
    let model =
        boost(&data.frame(&spec), spec, recipe)?.with_baseline(Some(data.train_data.clone()));
    let (model, scores) = model.tested(&fixed_test)?;
    let run = describe(data, recipe, data_source, &model, scores, &*ports.store)?;
    model.save(&*ports.store, &run.artifacts).await?;
    let version = ports.registry.register(&run).await?;
    Ok(Trained {
        version,
        run,
        model,
        scores,
        fixed_test,
    })
}

fn boost(frame: &Frame, spec: FeatureSpec, recipe: &TrainRecipe) -> anyhow::Result<Model> {
    let mut progress = Progress::new("training", u64::from(recipe.rounds));
    let mut show = |round: model::Round| {
        let word = round
            .mae
            .map(|mae| format!("holdout MAE {mae:.2}"))
            .unwrap_or_default();
        progress.show(u64::from(round.done), u64::from(round.planned), word);
    };
    let model =
        model::train(frame, spec, recipe, &mut show).context("cannot train the champion")?;
    progress.finish();
    Ok(model)
}

fn describe(
    data: &TrainingData,
    recipe: &TrainRecipe,
    data_source: &str,
    model: &Model,
    scores: Scores,
    store: &dyn Store,
) -> anyhow::Result<Run> {
    let card = model.card();
    let last_hour = card.training.last_hour;
    let (recipe, features) = (
        serde_json::to_string(recipe)?,
        serde_json::to_string(model.features())?,
    );
    let (train, test) = (&data.train_data.sha256, &data.test_data.sha256);
    let digest = Checksum::of(format!("{train} {test} {recipe} {features}").as_bytes());
    let name: RunName = format!("champion-{}-{}", last_hour.day(), digest.short(8)).parse()?;
    let tags = [
        ("dataset", "baseline".to_owned()),
        ("training_type", "champion".to_owned()),
        ("data_source", data_source.to_owned()),
        ("train_size", card.training.rows.to_string()),
        ("test_size", scores.rows.to_string()),
    ];
    let mut params = card.params.clone();
    params.insert("rounds".to_owned(), card.rounds.to_string());
    let metrics = [
        ("test_mae", scores.mae),
        ("test_rmse", scores.rmse),
        ("test_r2", scores.r2),
    ];
    // The data name the run, so the time is theirs too: when the last hour trained on was over.
    let ended_at = last_hour.plus(1).timestamp().max(Timestamp::UNIX_EPOCH);
    Ok(Run {
        tags: named(tags),
        params,
        metrics: named(metrics),
        inputs: [&data.test_data, &data.train_data]
            .map(|data| RunInput::new(data, store))
            .into(),
        ..Run::new(name, ended_at)
    })
}

fn named<T, const N: usize>(pairs: [(&str, T); N]) -> BTreeMap<String, T> {
    pairs.map(|(name, value)| (name.to_owned(), value)).into()
}

/// Points the alias to a version if there is no champion, or a worse one.
async fn promote_if_better(ports: &Ports, trained: &Trained) -> anyhow::Result<PromotionOutcome> {
    let version = trained.version;
    let Some(champion) = ports.registry.alias(Alias::Champion).await? else {
        ports
            .registry
            .move_alias(Alias::Champion, None, version)
            .await?;
        return Ok(PromotionOutcome::First);
    };
    // This very training was registered before, and whoever is champion has been since.
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
    change_champion(&*ports.registry, champion, version).await?;
    Ok(PromotionOutcome::Better {
        champion,
        champion_mae: before.mae,
    })
}

/// The audit row. Whoever is champion already has one.
async fn record(
    ports: &Ports,
    trained: &Trained,
    promotion: PromotionOutcome,
    env: &str,
) -> anyhow::Result<()> {
    let Trained {
        version,
        run,
        scores,
        ..
    } = trained;
    let mae = scores.mae;
    let (decision, previous, reason) = match promotion {
        PromotionOutcome::Already { .. } => return Ok(()),
        PromotionOutcome::First => (
            "trained",
            None,
            format!(
                "version {version} is the first champion, with MAE {mae:.2} on the fixed test set"
            ),
        ),
        PromotionOutcome::Better {
            champion,
            champion_mae,
        } => {
            let found = format!(
                "MAE {mae:.2} of version {version} is lower than the {champion_mae:.2} of version {champion}"
            );
            (
                "trained",
                Some((champion, champion_mae)),
                format!("on the same fixed test set the {found}"),
            )
        }
        PromotionOutcome::Worse {
            champion,
            champion_mae,
        } => {
            let found = format!(
                "MAE {mae:.2} of version {version} is not lower than the {champion_mae:.2} of version {champion}"
            );
            (
                "kept",
                Some((champion, champion_mae)),
                format!("on the same fixed test set the {found}"),
            )
        }
    };
    let entry = AuditEntry {
        mae: Some(mae),
        rmse: Some(scores.rmse),
        r2: Some(scores.r2),
        model_improvement: previous.map(|(_, champion_mae)| 1.0 - mae / champion_mae),
        champion_version: Some(previous.map_or(*version, |(champion, _)| {
            if decision == "kept" {
                champion
            } else {
                *version
            }
        })),
        challenger_version: Some(*version),
        detail: json!({ "run": run.name, "previous": previous.map(|(champion, _)| champion) }),
        ..AuditEntry::new(decision, reason)
    };
    let event_id = EventId::of(Function::Promote, format_args!("train-{}", run.name));
    let row = entry.into_row(ports.clock.now(), Function::Promote, event_id, env);
    let unrecorded = || {
        format!("the decision about version {version} is not in the audit log: record it by hand")
    };
    ports.warehouse.record(&row).await.with_context(unrecorded)
}
