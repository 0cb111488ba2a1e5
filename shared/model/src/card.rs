//! The model card, stored next to the model.

mod markdown;

use std::{collections::BTreeMap, iter};

use forecasting::{checksum::Checksum, features::FeatureSpec, metrics::Scores, time::Hour};
use serde::{Deserialize, Serialize};
use shared::{
    address::ObjectPath,
    baseline::DataSet,
    store::{Store, StoreError, read_json},
};

use crate::{CARD_FILE, StrategyName, TrainRecipe, Trial};

/// The kind of model in forecasts and runs.
pub const MODEL_TYPE: &str = "xgboost";

/// The description of a stored model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelCard {
    /// The kind of model, see [`MODEL_TYPE`].
    pub model_type: String,
    /// The version of XGBoost that trained the model. Python must load it with 3.2 or later:
    /// earlier versions ignore the base score.
    pub xgboost_version: String,
    /// The SHA-256 of the booster file, in hexadecimal.
    pub sha256: Checksum,
    /// The features of the model.
    pub features: FeatureSpec,
    /// The number of boosting rounds.
    pub rounds: u32,
    /// The parameters of the training, as passed to XGBoost.
    pub params: BTreeMap<String, String>,
    /// The rows of the last training.
    pub training: Training,
    /// The factor of all forecasts that makes their mean right, because trees of the square root
    /// forecast too little on average: the sum of the counts, divided by the sum of the squared
    /// predictions, over the rows that the trees were boosted on. A fine-tuned model has that of
    /// its champion. Cards written before this field existed have 1.
    #[serde(default = "no_bias")]
    pub bias_factor: f64,
    /// The recipe that trains a model like this one from nothing. A model made from a champion's
    /// trees has that of its champion. Early stopping is replaced by the number of rounds.
    #[serde(default)]
    pub recipe: TrainRecipe,
    /// The learning rates of the rounds, which a booster does not contain. Cards written before
    /// this field existed have none.
    #[serde(default)]
    pub stages: Vec<Stage>,
    /// The baseline that the model, or the champion it was fine-tuned from, was trained on.
    #[serde(default)]
    pub baseline: Option<DataSet>,
    /// The scores on the fixed test set, if the model has been scored.
    pub test_scores: Option<Scores>,
    /// The fixed test set of these scores.
    #[serde(default)]
    pub fixed_test: Option<DataSet>,
    /// The strategy that made the model from a champion. `None` for a model that a person trained.
    #[serde(default)]
    pub strategy: Option<StrategyName>,
    /// The results of all strategies on the selection days, if they were tried.
    #[serde(default)]
    pub strategies: Vec<Trial>,
    /// The scores of the champion on the selection days.
    #[serde(default)]
    pub champion_selection_scores: Option<Scores>,
}

impl ModelCard {
    /// Reads the card of the model in a folder.
    ///
    /// # Errors
    /// Returns an error if the card is missing or cannot be read.
    pub async fn read(store: &dyn Store, folder: &ObjectPath) -> Result<Self, StoreError> {
        Ok(read_json(store, &folder.join(CARD_FILE)).await?.0)
    }

    /// Returns the learning rate of each round: that of its stage, or of the recipe.
    pub(crate) fn learning_rates(&self) -> Vec<f64> {
        let of_stage = |stage: &Stage| iter::repeat_n(stage.learning_rate, stage.rounds as usize);
        self.stages
            .iter()
            .flat_map(of_stage)
            .chain(iter::repeat(self.recipe.learning_rate))
            .take(self.rounds as usize)
            .collect()
    }
}

/// Consecutive rounds with the same learning rate.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stage {
    /// The number of rounds.
    pub rounds: u32,
    /// The learning rate.
    pub learning_rate: f64,
}

impl Stage {
    /// Returns the stages of rounds with these learning rates.
    pub(crate) fn of_rates(rates: &[f64]) -> Vec<Self> {
        rates
            .chunk_by(|one, next| one == next)
            .map(|stage| Self {
                rounds: u32::try_from(stage.len()).unwrap_or(u32::MAX),
                learning_rate: stage[0],
            })
            .collect()
    }
}

const fn no_bias() -> f64 {
    1.0
}

/// The number and the time range of the rows of a training.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Training {
    /// The number of rows, without the excluded ones.
    pub rows: usize,
    /// The number of rows that were left out, because their counter had an outage.
    #[serde(default)]
    pub excluded: usize,
    /// The first hour of the rows.
    pub first_hour: Hour,
    /// The last hour of the rows.
    pub last_hour: Hour,
}
