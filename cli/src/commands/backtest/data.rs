//! The counts of a backtest, and the first champion.

use std::{path::Path, sync::Arc};

use anyhow::{Context, bail};
use forecasting::{
    counts::{Counts, ReadSummary},
    features::HISTORY_DAYS,
    time::{Day, Hour},
};
use model::TrainRecipe;
use serde::Serialize;
use shared::{
    baseline::{self, DataSetDraft, Role, Source},
    clock::SimulatedClock,
    fixed_test::{self, FixedTest},
    ports::Ports,
};

use super::BacktestPlan;
use crate::{
    commands::train::{self, TrainingData},
    support::{
        data_file::{self, Loaded},
        progress,
        tracks::Seed,
    },
};

/// The files of a backtest.
pub(super) struct Data {
    /// The counts of all files, one per counter and hour.
    pub(super) known: Counts,
    /// The counts outside the fixed test set.
    trainable: Counts,
    test: Counts,
    sources: [Source; 2],
    /// The first and the last hour of the fixed test set.
    pub(super) test_period: (Hour, Hour),
    /// The number of rejected rows of each file that has any, with the name of the file.
    pub(super) rejected: Vec<(String, u64)>,
}

impl Data {
    /// Reads the files. Rejected rows are only counted.
    pub(super) async fn load(plan: &BacktestPlan) -> anyhow::Result<Self> {
        let rejects = tempfile::tempdir().context("cannot create a folder for rejected rows")?;
        let train = load(&plan.train_path, rejects.path()).await?;
        let test = load(&plan.test_path, rejects.path()).await?;
        let live = match &plan.live_path {
            Some(path) => Some(load(path, rejects.path()).await?),
            None => None,
        };
        let files = [Some(&train), Some(&test), live.as_ref()];
        let rejected = |file: &Loaded| (file.source.name.clone(), file.summary.rejected);
        let rejected = files.into_iter().flatten().map(rejected);
        let rejected = rejected.filter(|(_, rows)| *rows > 0).collect();
        let test_period = test
            .counts
            .period()
            .with_context(|| format!("no counts in {}", plan.test_path))?;
        let mut trainable = train.counts;
        if let Some(live) = &live {
            trainable.extend(&live.counts);
        }
        let mut known = trainable.clone();
        known.extend(&test.counts);
        known.deduplicate();
        Ok(Self {
            known,
            trainable,
            test: test.counts.normalized(),
            sources: [train.source, test.source],
            test_period,
            rejected,
        })
    }

    /// Returns the counts that a champion of this day may know: those up to the day and outside the
    /// period of the fixed test set.
    fn until(&self, day: Day) -> anyhow::Result<Counts> {
        let (test_first, test_last) = self.test_period;
        let end = day.plus(1).first_hour().plus(-1);
        let mut counts = Counts::default();
        if let Some((first, _)) = self.trainable.period() {
            counts.extend(&self.trainable.between(first, end.min(test_first.plus(-1))));
            counts.extend(&self.trainable.between(test_last.plus(1), end));
        }
        if counts.is_empty() {
            bail!(
                "there are no counts up to {day} to train the first champion on; pass a later --champion-until"
            );
        }
        Ok(counts.normalized())
    }

    /// Trains the first champion on the counts up to a day, and returns the state of its system.
    pub(super) async fn train(
        self,
        until: Day,
        recipe: &TrainRecipe,
    ) -> anyhow::Result<(Counts, Champion)> {
        train::refuse_missing_device(recipe)?;
        let clock = SimulatedClock::new(until.plus(1).at(0));
        let ports = Ports::in_memory(Arc::new(clock));
        let train_counts = self.until(until)?;
        let test_start = self.test_period.0;
        let lags_start = test_start.day().plus(-HISTORY_DAYS).first_hour();
        let lags = self.known.between(lags_start, test_start.plus(-1));
        let [train_source, test_source] = self.sources;
        let draft = |role, counts: &Counts, source: &Source| -> anyhow::Result<DataSetDraft> {
            let draft = DataSetDraft::new(role, counts, vec![source.clone()], None)?;
            draft.with_context(|| format!("no counts in {}", source.name))
        };
        let train_set = draft(Role::Train, &train_counts, &train_source)?;
        let test_set = draft(Role::Test, &self.test, &test_source)?;
        let data = TrainingData {
            train_data: train_set.data.clone(),
            test_data: test_set.data.clone(),
            train: loaded(train_counts, train_source),
            test: loaded(self.test, test_source),
        };
        let store = &*ports.store;
        baseline::store_data_set(store, train_set).await?;
        baseline::store_data_set(store, test_set).await?;
        baseline::publish(store, None, &data.baseline()).await?;
        let fixed_test = FixedTest {
            data: data.test_data.clone(),
            frame: fixed_test::frame(&lags, &data.test.counts),
        };
        let scored = train::fit_and_score(&data, recipe, fixed_test, ports.clock.now())?;
        let trained = train::register(&ports, &data, recipe, ("local", "backtest"), scored).await?;
        let report = ChampionReport {
            until,
            rows: trained.model.card().training.rows,
            test_mae: trained.scores.mae,
        };
        let seed = Seed::read(&ports, trained.version, Some(lags)).await?;
        let champion = Champion {
            seed,
            model: trained.model,
            report,
        };
        Ok((self.known, champion))
    }
}

/// The first champion with the state of its system.
pub(super) struct Champion {
    pub(super) seed: Seed,
    pub(super) model: model::Model,
    pub(super) report: ChampionReport,
}

/// The training of the first champion.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ChampionReport {
    /// The last day of the training data.
    pub until: Day,
    /// The number of rows that the model was trained on.
    pub rows: usize,
    /// The mean absolute error on the fixed test set, in bicycles an hour.
    pub test_mae: f64,
}

async fn load(path: &str, rejects: &Path) -> anyhow::Result<Loaded> {
    let rejects = rejects.join("rejects.csv");
    progress::noting("reading the counts", data_file::load(path, &rejects)).await
}

fn loaded(counts: Counts, source: Source) -> Loaded {
    Loaded {
        counts,
        summary: ReadSummary::default(),
        source,
    }
}
