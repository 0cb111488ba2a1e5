//! The training of a challenger by the chosen strategy.

use std::{cell::OnceCell, collections::BTreeMap};

use forecasting::{features::Frame, metrics::Scores};
use model::{Curves, FineTuneRecipe, Model, ModelError, Rows, StrategyName};
use runtime::Error;
use serde_json::Value;
use shared::{fixed_test::FixedTest, registry::TrainingTables};

use crate::{Choice, Window, choose, sliding::SlidingRows};

/// All that the training of a challenger depends on.
pub(crate) struct Training {
    pub(crate) champion: Model,
    pub(crate) fresh: Frame,
    /// The rows of `sliding-window`, or the reason why there are none.
    pub(crate) sliding: Result<SlidingRows, String>,
    pub(crate) recipe: FineTuneRecipe,
    pub(crate) window: Window,
    pub(crate) fixed_test: FixedTest,
}

/// A challenger with its scores on the fixed test set.
pub(crate) struct Trained {
    pub(crate) challenger: Model,
    pub(crate) scores: Scores,
    /// The metrics of the run.
    pub(crate) run_metrics: BTreeMap<String, f64>,
    /// The rows of the fixed test set.
    pub(crate) test_rows: Frame,
    /// The errors after each boosted round.
    pub(crate) curves: Curves,
    /// The daily tables with the rows of the training.
    pub(crate) tables: Option<TrainingTables>,
    pub(crate) choice: Choice,
    /// The baseline that was read for `sliding-window`, for the audit log.
    pub(crate) baseline: Option<Value>,
    /// A sentence if that baseline is not the champion's.
    pub(crate) remark: Option<String>,
}

impl Training {
    /// Runs the training on a blocking thread, so that it does not delay other tasks.
    pub(crate) async fn run_on_worker(self) -> Result<Trained, Error> {
        let joined = tokio::task::spawn_blocking(move || self.run()).await;
        let result = joined
            .map_err(|source| Error::transient("cannot finish the training").caused_by(source))?;
        Ok(result?)
    }

    /// Chooses a strategy, and trains the challenger by it on all rows, those of the selection days
    /// included.
    fn run(self) -> Result<Trained, ModelError> {
        let later_tables = OnceCell::new();
        // The features are built for each training and not kept, because they are most of the
        // memory, and building them takes a hundredth of the time.
        let window = || match &self.sliding {
            Ok(sliding) => {
                let frame = sliding.frame();
                later_tables.get_or_init(|| TrainingTables::of(&frame, sliding.later_days()));
                Ok(frame)
            }
            Err(reason) => Err(ModelError::NoBaseline {
                reason: reason.clone(),
            }),
        };
        let rows = Rows {
            champion: &self.champion,
            fresh: &self.fresh,
            window: &window,
        };
        let choice = choose(&self.recipe, &rows, self.window)?;
        let mut curves = Curves::default();
        let strategy = choice.strategy.with(&self.recipe);
        let mut challenger = strategy.train_with_progress(&rows, &mut |round| curves.add(round))?;
        if let (StrategyName::SlidingWindow, Ok(sliding)) = (choice.strategy, &self.sliding)
            && let Some(data) = &sliding.data
        {
            challenger = challenger.with_baseline(Some(data.clone()));
        }
        let (challenger, tested) = challenger
            .with_strategy(choice.strategy, choice.trials.as_ref())
            .scored_on(&self.fixed_test)?;
        let run_metrics = challenger.run_metrics(&self.fixed_test.frame, &tested.forecasts)?;
        let tables = match choice.strategy {
            StrategyName::SlidingWindow => later_tables.into_inner().flatten(),
            StrategyName::Append | StrategyName::LeafRefit => {
                TrainingTables::of(&self.fresh, self.window.training_days())
            }
        };
        let is_tried = choice.trials.is_some() || choice.strategy == StrategyName::SlidingWindow;
        let sliding = self.sliding.as_ref().ok().filter(|_| is_tried);
        Ok(Trained {
            challenger,
            scores: tested.scores,
            run_metrics,
            test_rows: self.fixed_test.frame,
            curves,
            tables,
            choice,
            baseline: sliding.map(SlidingRows::detail),
            remark: sliding.and_then(SlidingRows::remark),
        })
    }
}
