#![doc = include_str!("../README.md")]

mod card;
mod curves;
mod error;
mod mlflow;
mod recipe;
mod run;
mod strategy;
mod target;
mod training;

use std::{num::NonZero, sync::Arc};

use forecasting::{
    checksum::Checksum,
    features::{COLUMNS, FeatureMatrix, FeatureSpec, Frame, PIPELINE_VERSION},
    metrics::{self, Scores},
};
use futures_util::future::try_join_all;
use mlflow::Example;
use shared::{
    address::ObjectPath,
    registry::{Registry, Version},
    store::{Condition, Store, StoreError, malformed},
};
use xgboost::{Booster, Forest, available_threads};

pub use card::{MODEL_TYPE, ModelCard, Stage, Training};
pub use curves::Curves;
pub use error::ModelError;
pub use recipe::{BaseModel, Device, FineTuneRecipe, FreezeLayers, TrainRecipe};
pub use strategy::{
    Append, LeafRefit, Rows, SlidingWindow, Strategy, StrategyChoice, StrategyName, Trial, Trials,
    try_strategies,
};
pub use training::{CURVE_POINTS, MINIMUM_ROWS, Round, Tested, check_device, points_every, train};
pub use xgboost::restart_for_training;

/// The number of the format of models: of their files, and of the way in which data and a recipe
/// become trees.
///
/// Raise it with every change after which the same training writes other files. Without that, the
/// training of data that an earlier program version has trained on ends with
/// [`ModelError::Exists`].
pub const FORMAT: u32 = 4;

/// Returns a text that identifies how this program trains and stores models, for the names of runs:
/// the format, the version of the feature pipeline, and that of XGBoost.
pub fn training_format() -> String {
    format!(
        "format {FORMAT}, features {PIPELINE_VERSION}, xgboost {}",
        xgboost::version()
    )
}

/// A trained model with its card.
#[derive(Debug)]
pub struct Model {
    booster: Booster,
    /// The trees of the booster, for predictions. `None` if only XGBoost can predict with them.
    forest: Option<Forest>,
    threads: NonZero<usize>,
    card: ModelCard,
    example: Example,
}

/// The number of prediction threads of a loaded model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Threads {
    /// One thread, for a service whose requests share the cores.
    One,
    /// All threads that the process may use, for test sets.
    All,
}

impl Model {
    /// Returns the model card.
    pub const fn card(&self) -> &ModelCard {
        &self.card
    }

    /// Returns the expected bicycles per hour for each row of a frame, at least 0, and 0 for silent
    /// rows.
    ///
    /// The counters have the category codes of this model, whatever those of the frame are. These
    /// are the uncorrected forecasts: `predict` multiplies them by a correction from the last days.
    ///
    /// # Errors
    /// Returns an error if XGBoost fails.
    pub fn predict(&self, frame: &Frame) -> Result<Vec<f32>, ModelError> {
        self.forecasts(&frame.encoded_values(&self.card.features), frame.silent())
    }

    /// Returns the forecasts of a matrix like [`Model::predict`]. The matrix has the category codes
    /// of [`Model::features`].
    ///
    /// # Errors
    /// Returns an error if XGBoost fails.
    pub fn predict_matrix(&self, matrix: &FeatureMatrix) -> Result<Vec<f32>, ModelError> {
        self.forecasts(matrix.values(), matrix.silent())
    }

    fn forecasts(&self, values: &[f32], silent: &[bool]) -> Result<Vec<f32>, ModelError> {
        let predictions = match &self.forest {
            Some(forest) => forest.predict(values, COLUMNS.len(), self.threads),
            None => self.booster.predict_in_place(values, COLUMNS.len()),
        };
        let forecast = |(prediction, is_silent): (f32, &bool)| match is_silent {
            // A model learns from living counters only, and does not know dead ones.
            true => 0.0,
            false => target::count(prediction, self.card.bias_factor),
        };
        let predictions = predictions.map_err(ModelError::Predict)?;
        Ok(predictions.into_iter().zip(silent).map(forecast).collect())
    }

    /// Scores the model on rows with known counts.
    ///
    /// # Errors
    /// Returns an error if XGBoost fails or the frame has no rows.
    pub fn score(&self, frame: &Frame) -> Result<Scores, ModelError> {
        metrics::Scores::new(&self.predict(frame)?, frame.targets()).map_err(ModelError::Score)
    }

    /// Returns the features of the model, with the category code of each counter.
    pub const fn features(&self) -> &FeatureSpec {
        &self.card.features
    }

    /// Writes the model's files into a folder of the store: the booster, the files for MLflow at
    /// once, and last the card with the booster's checksum. Existing files are never overwritten,
    /// because a registered version does not change. Saving the same model again is allowed.
    ///
    /// # Errors
    /// Returns [`ModelError::Exists`] if a file exists with other contents. Returns an error if
    /// XGBoost or the store fails.
    pub async fn save(&self, store: &dyn Store, folder: &ObjectPath) -> Result<(), ModelError> {
        let bytes = self.booster.save_ubj().map_err(ModelError::Save)?;
        // The folder of another model stays as it is: the booster differs.
        create(store, &folder.join(BOOSTER_FILE), bytes).await?;
        let importance = self.importance()?;
        let files = mlflow::files(&self.card, &self.example, &importance);
        let writes = files.map(|(name, text)| async move {
            create(store, &folder.join(name), text.into_bytes()).await
        });
        try_join_all(writes).await?;
        let path = folder.join(CARD_FILE);
        let mut card = serde_json::to_vec_pretty(&self.card)
            .map_err(|source| malformed(store, &path, source))?;
        card.push(b'\n');
        create(store, &path, card).await
    }

    /// Loads the model in a folder and verifies the booster's checksum.
    ///
    /// # Errors
    /// Returns an error if a file is missing or invalid, or the model has other features.
    pub async fn load(
        store: &Arc<dyn Store>,
        folder: &ObjectPath,
        threads: Threads,
    ) -> Result<Self, ModelError> {
        let card = ModelCard::read(&**store, folder).await?;
        card.features.check()?;
        let path = folder.join(BOOSTER_FILE);
        let bytes = store.read(&path).await?.bytes;
        let found = Checksum::of(&bytes);
        if found != card.sha256 {
            let reason = format!(
                "the SHA-256 is {found}, but the model card has {}; train the model again or copy it again",
                card.sha256
            );
            return Err(malformed(&**store, &path, reason).into());
        }
        let booster = Booster::load(&bytes).map_err(|source| ModelError::Load {
            folder: folder.clone(),
            source,
        })?;
        let example = Example::load(&**store, folder).await?;
        let mut model = Self::new(booster, &bytes, card, example);
        model.use_threads(threads)?;
        Ok(model)
    }

    /// Loads a registered version of the model.
    ///
    /// # Errors
    /// Returns the errors of [`Model::load`], or an error if the registry does not have the
    /// version.
    pub async fn load_version(
        store: &Arc<dyn Store>,
        registry: &dyn Registry,
        version: Version,
        threads: Threads,
    ) -> Result<Self, ModelError> {
        let folder = registry.version(version).await?.run.artifacts;
        Self::load(store, &folder, threads).await
    }

    /// Creates a model with all threads of a booster that was loaded from `bytes`.
    fn new(booster: Booster, bytes: &[u8], card: ModelCard, example: Example) -> Self {
        Self {
            booster,
            forest: Forest::read(bytes),
            threads: available_threads(),
            card,
            example,
        }
    }

    fn use_threads(&mut self, threads: Threads) -> Result<(), ModelError> {
        self.threads = match threads {
            Threads::One => NonZero::<usize>::MIN,
            Threads::All => available_threads(),
        };
        self.booster
            .set_param("nthread", &self.threads.to_string())
            .map_err(ModelError::Predict)
    }
}

/// Creates a file, unless it exists with the same contents.
async fn create(store: &dyn Store, path: &ObjectPath, contents: Vec<u8>) -> Result<(), ModelError> {
    match store
        .write(path, contents.clone().into(), Condition::Absent)
        .await
    {
        Ok(_) => return Ok(()),
        Err(StoreError::ConditionFailed { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    if store.read(path).await?.bytes == contents {
        return Ok(());
    }
    Err(ModelError::Exists {
        address: store.address_of(path),
    })
}

const BOOSTER_FILE: &str = "model.ubj";
const CARD_FILE: &str = "card.json";

#[cfg(test)]
mod tests;
