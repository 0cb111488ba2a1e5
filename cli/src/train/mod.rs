//! `bike-traffic train`: a champion from the baseline.

mod arguments;
mod baseline;
mod report;

use std::{collections::BTreeMap, sync::Arc};

use anyhow::{Context, bail};
use jiff::Timestamp;
use model::{Device, Model, Threads, TrainRecipe};
use shared::{
    clock::SystemClock,
    counts::Counts,
    features::{FeatureSpec, Frame},
    fixed_test,
    metrics::Scores,
    registry::{Alias, Run, RunName, Version, change_champion},
    runtime::Ports,
};

pub use arguments::TrainArguments;
use arguments::{DataSource, DeviceArgument};
pub use report::{Coronation, TrainReport};

use crate::{data, progress::Progress, state::State, stdout};

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
}

/// Runs the command.
pub(crate) async fn command(arguments: TrainArguments) -> anyhow::Result<()> {
    let state = State::at(&arguments.place.state)?;
    let as_json = arguments.json;
    let ports = arguments.place.open(Arc::new(SystemClock)).await?;
    stdout::print(&train(&ports, &state, &plan(arguments)?).await?, as_json)
}

fn plan(arguments: TrainArguments) -> anyhow::Result<TrainPlan> {
    let missing =
        |what: &str, option: &str, variable: &str| format!("no {what} is given: use {option} or set {variable}");
    let train_path =
        arguments.train_path.with_context(|| missing("training data", "--train-path", "TRAIN_DATA_PATH"))?;
    let test_path = arguments.test_path.with_context(|| missing("fixed test set", "--test-path", "TEST_DATA_PATH"))?;
    let data_source = match arguments.data_source {
        DataSource::Custom => "custom",
        DataSource::Baseline if train_path.starts_with("gs://") => "gcs",
        DataSource::Baseline => "local",
    };
    let device = match arguments.device {
        DeviceArgument::Cpu => Device::Cpu,
        DeviceArgument::Cuda => Device::Cuda,
    };
    let recipe = TrainRecipe {
        rounds: arguments.rounds,
        learning_rate: arguments.learning_rate,
        early_stopping_rounds: arguments.early_stopping,
        device,
        ..TrainRecipe::default()
    };
    Ok(TrainPlan { train_path, test_path, data_source, recipe })
}

/// Trains a champion, scores it on the fixed test set, and registers it.
///
/// It becomes champion when there is none, or when its MAE is lower than the champion's on the same test set. The run is
/// named by the data and the recipe, so the same training registered twice is one version.
///
/// # Errors
/// When data cannot be read, training and test set overlap, or a port fails.
pub async fn train(ports: &Ports, state: &State, plan: &TrainPlan) -> anyhow::Result<TrainReport> {
    if plan.recipe.device == Device::Cuda && !model::supports_cuda() {
        bail!(model::ModelError::NoCuda);
    }
    let rejects = |name: &str| state.folder().join("rejects").join(format!("{name}.csv"));
    let train = data::load(&plan.train_path, &rejects("train_baseline")).await?;
    let test = data::load(&plan.test_path, &rejects("test_baseline")).await?;
    refuse_overlap(&train.counts, &test.counts)?;
    let checksums = baseline::publish(&*ports.store, &train.counts, &test.counts).await?;
    let fixed_test = fixed_test::frame(&ports.store).await?;
    let spec = FeatureSpec::for_counters(train.counts.counters());
    let frame = Frame::of_counts(&spec, &[], &train.counts);
    let model = boost(&frame, spec, &plan.recipe)?;
    let scores = model.score(&fixed_test)?;
    let model = model.with_test_scores(scores);
    let run = describe(plan, &checksums, &model, scores)?;
    model.save(&*ports.store, &run.artifacts).await?;
    let version = ports.registry.register(&run).await?;
    let coronation = crown_if_better(ports, version, scores, &fixed_test).await?;
    let report = TrainReport::new(&train, &test, &model, scores, &fixed_test)?;
    Ok(report.with_outcome(version, coronation, ports.store.address_of(&run.artifacts)))
}

/// Rows of the test period in the training data would make the test worth nothing.
fn refuse_overlap(train: &Counts, test: &Counts) -> anyhow::Result<()> {
    let (Some((_, last)), Some((first, _))) = (train.period(), test.period()) else { return Ok(()) };
    if last >= first {
        bail!(
            "the training data end at {last}, after the fixed test set begins at {first}; cut them with `bike-traffic split`"
        );
    }
    Ok(())
}

fn boost(frame: &Frame, spec: FeatureSpec, recipe: &TrainRecipe) -> anyhow::Result<Model> {
    let mut progress = Progress::new("training", u64::from(recipe.rounds));
    let mut show = |round: model::Round| {
        let word = round.mae.map(|mae| format!("holdout MAE {mae:.2}")).unwrap_or_default();
        progress.show(u64::from(round.done), u64::from(round.planned), word);
    };
    let model = model::train(frame, spec, recipe, &mut show).context("cannot train the champion")?;
    progress.finish();
    Ok(model)
}

fn describe(plan: &TrainPlan, checksums: &baseline::Checksums, model: &Model, scores: Scores) -> anyhow::Result<Run> {
    let card = model.card();
    let last_day = card.training.last_hour.day();
    let name: RunName =
        format!("champion-{last_day}-{}", checksums.with(&serde_json::to_string(&plan.recipe)?)).parse()?;
    let tags = [
        ("dataset", "baseline".to_owned()),
        ("training_type", "champion".to_owned()),
        ("data_source", plan.data_source.to_owned()),
        ("train_size", card.training.rows.to_string()),
        ("test_size", scores.rows.to_string()),
    ];
    let mut params = card.params.clone();
    params.insert("rounds".to_owned(), card.rounds.to_string());
    params.insert("train_sha256".to_owned(), checksums.train.clone());
    params.insert("test_sha256".to_owned(), checksums.test.clone());
    let metrics = [("test_mae", scores.mae), ("test_rmse", scores.rmse), ("test_r2", scores.r2)];
    Ok(Run {
        artifacts: name.artifacts(),
        name,
        // The data name the run, so the time is theirs too: when the last hour trained on was over.
        ended_at: card.training.last_hour.plus(1).timestamp().max(Timestamp::UNIX_EPOCH),
        tags: named(tags),
        params,
        metrics: named(metrics),
    })
}

fn named<T, const N: usize>(pairs: [(&str, T); N]) -> BTreeMap<String, T> {
    pairs.map(|(name, value)| (name.to_owned(), value)).into()
}

/// Points the alias to a version if there is no champion, or a worse one.
async fn crown_if_better(
    ports: &Ports,
    version: Version,
    scores: Scores,
    fixed_test: &Frame,
) -> anyhow::Result<Coronation> {
    let Some(champion) = ports.registry.alias(Alias::Champion).await? else {
        ports.registry.move_alias(Alias::Champion, None, version).await?;
        return Ok(Coronation::First);
    };
    // This very training was registered before, and whoever is champion has been since.
    if champion >= version {
        return Ok(Coronation::Already { champion });
    }
    let folder = ports.registry.version(champion).await?.run.artifacts;
    let before = Model::load(&ports.store, &folder, Threads::All).await?.score(fixed_test)?;
    if scores.mae >= before.mae {
        return Ok(Coronation::Worse { champion, champion_mae: before.mae });
    }
    change_champion(&*ports.registry, champion, version).await?;
    Ok(Coronation::Better { champion, champion_mae: before.mae })
}
