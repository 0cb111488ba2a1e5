//! The model card: what is known of a model, stored beside it.

use std::collections::BTreeMap;

use forecasting::{features::FeatureSpec, metrics::Scores, time::Hour};
use serde::{Deserialize, Serialize};
use shared::{
    address::ObjectPath,
    baseline::DataSet,
    store::{Store, StoreError, read_json},
};

use crate::{CARD_FILE, file};

/// The kind of model, as forecasts and runs name it.
pub const MODEL_TYPE: &str = "xgboost";

/// What is known of a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelCard {
    /// The kind of model.
    pub model_type: String,
    /// The version of XGBoost that trained it. Python reads it with 3.2 or later; earlier ones lose the base score.
    pub xgboost_version: String,
    /// The SHA-256 of the booster file, in hexadecimal.
    pub sha256: String,
    /// The features it reads.
    pub features: FeatureSpec,
    /// The number of boosting rounds in it.
    pub rounds: u32,
    /// The settings of the training.
    pub params: BTreeMap<String, String>,
    /// The rows it was last trained on.
    pub training: Training,
    /// The baseline that it, or the champion it was fine-tuned from, was trained on.
    #[serde(default)]
    pub baseline: Option<DataSet>,
    /// Its scores on the fixed test set, once it was scored there.
    pub test_scores: Option<Scores>,
    /// The fixed test set that it was scored on.
    #[serde(default)]
    pub fixed_test: Option<DataSet>,
}

impl ModelCard {
    /// Reads the card of a stored model.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    pub async fn read(store: &dyn Store, folder: &ObjectPath) -> Result<Self, StoreError> {
        Ok(read_json(store, &file(folder, CARD_FILE)).await?.0)
    }
}

/// The rows of a training.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Training {
    /// How many.
    pub rows: usize,
    /// The first hour.
    pub first_hour: Hour,
    /// The last hour.
    pub last_hour: Hour,
}
