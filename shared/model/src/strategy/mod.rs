//! The strategies of fine-tuning, which all make a challenger from the champion and recent rows.

mod append;
mod leaf_refit;
mod sliding_window;
mod trial;

use forecasting::features::{COLUMNS, FeatureSpec, Frame};
use serde::{Deserialize, Serialize};
use xgboost::{Booster, DMatrix};

pub use append::Append;
pub use leaf_refit::LeafRefit;
pub use sliding_window::SlidingWindow;
pub use trial::{Trial, Trials, try_strategies};

use crate::{
    FineTuneRecipe, Model, ModelError, Round, Stage, Training, target, training::training_rows,
};

/// A way to make a challenger.
pub trait Strategy {
    /// Returns the name of the strategy.
    fn name(&self) -> StrategyName;

    /// Trains a challenger and calls `on_round` after each round that is boosted, which are none
    /// for a strategy that only refits leaves. Leaves out the rows in outages.
    ///
    /// # Errors
    /// Returns an error if there are too few rows, the parameters do not fit the champion, or
    /// XGBoost fails.
    fn train_with_progress(
        &self,
        rows: &Rows<'_>,
        on_round: &mut dyn FnMut(Round),
    ) -> Result<Model, ModelError>;

    /// Trains a challenger like [`Strategy::train_with_progress`].
    ///
    /// # Errors
    /// Returns the errors of [`Strategy::train_with_progress`].
    fn train(&self, rows: &Rows<'_>) -> Result<Model, ModelError> {
        self.train_with_progress(rows, &mut |_| {})
    }
}

/// The champion, and the rows that a strategy can learn from.
#[derive(Clone, Copy)]
pub struct Rows<'a> {
    /// The champion.
    pub champion: &'a Model,
    /// The recent rows.
    pub fresh: &'a Frame,
    /// Returns the rows of the champion's baseline and all later rows. They are many, so only the
    /// strategies that need them call it.
    pub window: &'a dyn Fn() -> Result<Frame, ModelError>,
}

/// The name of a strategy.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, strum::Display,
)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum StrategyName {
    /// [`Append`]: the champion's rounds and new ones.
    Append,
    /// [`SlidingWindow`]: a training from nothing on baseline and all later rows.
    SlidingWindow,
    /// [`LeafRefit`]: the champion's trees with other leaf values.
    LeafRefit,
}

impl StrategyName {
    /// All strategies, in the order in which `auto` tries them.
    pub const ALL: [Self; 3] = [Self::Append, Self::SlidingWindow, Self::LeafRefit];

    /// Creates the strategy with the parameters of a recipe.
    pub fn with(self, recipe: &FineTuneRecipe) -> Box<dyn Strategy> {
        match self {
            Self::Append => Box::new(Append {
                recipe: recipe.clone(),
            }),
            Self::SlidingWindow => Box::new(SlidingWindow),
            Self::LeafRefit => Box::new(LeafRefit {
                decay: recipe.decay,
            }),
        }
    }
}

/// The strategies to try.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    strum::Display,
    strum::EnumString,
)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum StrategyChoice {
    /// All strategies. The best on the selection days makes the challenger.
    #[default]
    Auto,
    /// [`StrategyName::Append`] only.
    Append,
    /// [`StrategyName::SlidingWindow`] only.
    SlidingWindow,
    /// [`StrategyName::LeafRefit`] only.
    LeafRefit,
}

impl StrategyChoice {
    /// Returns the only strategy to use, or `None` if all are to be tried.
    pub const fn only(self) -> Option<StrategyName> {
        match self {
            Self::Auto => None,
            Self::Append => Some(StrategyName::Append),
            Self::SlidingWindow => Some(StrategyName::SlidingWindow),
            Self::LeafRefit => Some(StrategyName::LeafRefit),
        }
    }

    /// Returns `true` if the strategy is to be tried.
    pub fn includes(self, strategy: StrategyName) -> bool {
        self.only().is_none_or(|only| only == strategy)
    }
}

/// The recent rows that a strategy learns from, with the category codes of the challenger.
struct FreshRows {
    spec: FeatureSpec,
    frame: Frame,
    training: Training,
}

impl FreshRows {
    /// Counters that are unknown to the champion get new category codes.
    fn of(rows: &Rows<'_>) -> Result<Self, ModelError> {
        let spec = rows
            .champion
            .features()
            .clone()
            .with_counters(rows.fresh.counters());
        let (frame, training) = training_rows(rows.fresh.clone(), &spec)?;
        Ok(Self {
            spec,
            frame,
            training,
        })
    }
}

/// Returns the champion's booster with leaves refitted to the rows of a frame.
fn refit(champion: &Model, frame: &Frame, decay: f64) -> Result<Booster, ModelError> {
    // A quantile matrix has no values, which refitting requires.
    let mut matrix = DMatrix::dense(frame.values(), COLUMNS.len()).map_err(ModelError::Train)?;
    matrix
        .set_labels(&target::labels(frame.targets()))
        .map_err(ModelError::Train)?;
    let rates = champion.card.learning_rates();
    champion
        .booster
        .refit(&matrix, &rates, decay)
        .map_err(ModelError::Train)
}

/// Completes the card of a challenger that was made from the champion's trees.
///
/// The challenger has the bias factor of the champion. A factor of the recent rows would multiply
/// every forecast, also those of unchanged trees, by the level of one month.
fn inherit(mut challenger: Model, champion: &Model, learning_rates: &[f64]) -> Model {
    challenger.card.bias_factor = champion.card.bias_factor;
    challenger.card.recipe = champion.card.recipe.clone();
    challenger.card.stages = Stage::of_rates(learning_rates);
    challenger.with_baseline(champion.card.baseline.clone())
}
