//! The description of a training in the registry.

use std::collections::BTreeMap;

use forecasting::checksum::Checksum;
use model::{BaseModel, FineTuneRecipe, FreezeLayers, StrategyName};
use runtime::Error;
use shared::{
    Timestamp,
    event::Function,
    program::Program,
    registry::{Run, RunInput, RunName, RunNameError, RunNotes, RunSource, Version},
    store::Store,
};

use crate::{
    Choice,
    request::Job,
    training::{Trained, Training},
};

/// Returns the name of the run: the week, the instant at which it was judged again or requested if
/// it was, and a digest of all that the files of the model depend on. So a training on other counts
/// or by a program with another format of models is a version of its own, and a repeated one is the
/// same version.
pub(crate) fn name(job: &Job, training: &Training) -> Result<RunName, Error> {
    let attempt = || Error::permanent("cannot name the run");
    let frame = &training.fresh;
    let rows = (frame.counters(), frame.rows(), frame.outages());
    let sliding = training
        .sliding
        .as_ref()
        .ok()
        .map(|sliding| &sliding.digest);
    let format = model::training_format();
    let inputs = (job.champion, &training.recipe, rows, sliding, format);
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

/// Returns the run of a challenger. It starts at the time of its event.
pub(crate) fn of(
    job: &Job,
    name: RunName,
    trained: &Trained,
    store: &dyn Store,
    (started_at, ended_at): (Timestamp, Timestamp),
) -> Run {
    let card = trained.challenger.card();
    let test_set = card.fixed_test.iter();
    let test_set =
        test_set.map(|data| RunInput::new(data, store).with_frame_profile(&trained.test_rows));
    // Only the sliding window is trained on the baseline itself.
    let is_sliding = trained.choice.strategy == StrategyName::SlidingWindow;
    let baseline = card.baseline.iter().filter(|_| is_sliding);
    let baseline = baseline.map(|data| RunInput::new(data, store));
    let mut inputs: Vec<_> = test_set.chain(baseline).collect();
    inputs.sort();
    let rows = (card.training.rows, trained.scores.rows);
    Run {
        artifacts: name.artifacts(),
        name,
        inputs,
        ended_at,
        tags: tags(job.champion, trained.choice.strategy, rows),
        params: params(trained, &job.recipe),
        metrics: metrics(trained),
        notes: RunNotes {
            description: card.to_markdown(),
            user: Some(Function::FineTune.to_string()),
            source: Some(RunSource::Job(Function::FineTune.to_string())),
            curves: trained.curves.by_name(),
        },
    }
    .made_by(&Program::current(), started_at)
}

/// Returns the parameters of the strategy, named as in the training strategy.
fn params(trained: &Trained, recipe: &FineTuneRecipe) -> BTreeMap<String, String> {
    let card = trained.challenger.card();
    let strategy = trained.choice.strategy;
    let (epochs, own) = match strategy {
        StrategyName::Append => (
            recipe.epochs,
            ("freeze_layers", freeze_layers(recipe.freeze_layers)),
        ),
        StrategyName::SlidingWindow => (card.rounds, ("freeze_layers", "none".to_owned())),
        StrategyName::LeafRefit => (0, ("decay", recipe.decay.to_string())),
    };
    let own = [("strategy", strategy.to_string()), own];
    let mut params = card.run_params(epochs);
    params.extend(own.map(|(name, value)| (name.to_owned(), value)));
    params
}

fn freeze_layers(frozen: FreezeLayers) -> String {
    match frozen {
        FreezeLayers::All => "all".to_owned(),
        FreezeLayers::None => "none".to_owned(),
        FreezeLayers::First(rounds) => rounds.to_string(),
    }
}

/// Returns the scores on the fixed test set, and the MAE of each strategy on the selection days.
fn metrics(trained: &Trained) -> BTreeMap<String, f64> {
    let Trained {
        run_metrics,
        choice,
        ..
    } = trained;
    let mut metrics = run_metrics.clone();
    if let Choice {
        trials: Some(trials),
        ..
    } = choice
    {
        metrics.insert("selection_mae_champion".to_owned(), trials.champion.mae);
        for trial in &trials.strategies {
            if let Some(scores) = trial.selection_scores {
                let strategy = trial.strategy.to_string().replace('-', "_");
                metrics.insert(format!("selection_mae_{strategy}"), scores.mae);
            }
        }
    }
    metrics
}

/// Returns the tags that describe the training strategy in the registry.
fn tags(
    base: Version,
    strategy: StrategyName,
    (train_rows, test_rows): (usize, usize),
) -> BTreeMap<String, String> {
    let dataset = match strategy {
        StrategyName::Append | StrategyName::LeafRefit => "last_30_days",
        StrategyName::SlidingWindow => "sliding_window",
    };
    let tags = [
        ("dataset", dataset.to_owned()),
        ("training_type", "fine_tune".to_owned()),
        ("data_source", "bigquery".to_owned()),
        ("base_model", BaseModel::Version(base).to_string()),
        ("strategy", strategy.to_string()),
        ("train_size", train_rows.to_string()),
        ("test_size", test_rows.to_string()),
    ];
    tags.map(|(name, value)| (name.to_owned(), value)).into()
}
