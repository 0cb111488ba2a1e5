//! The errors of training, loading and prediction.

use forecasting::{features::FeatureError, metrics};
use shared::{
    address::ObjectPath,
    registry::RegistryError,
    retryability::{Classify, Retryability},
    store::StoreError,
};

/// The error returned when a model cannot be trained, loaded or used.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// There are too few training rows, or rows without a count.
    #[error("cannot train on {rows} rows: {reason}")]
    TooLittleData {
        /// The number of rows.
        rows: usize,
        /// The reason why the rows are not sufficient.
        reason: &'static str,
    },
    /// `freeze_layers` exceeds the number of rounds of the model.
    #[error("cannot freeze {wanted} rounds of a model with {rounds}; reduce freeze_layers")]
    TooManyFrozen {
        /// The number of rounds to freeze.
        wanted: u32,
        /// The number of rounds of the model.
        rounds: u32,
    },
    /// The baseline of the sliding window is not available.
    #[error("cannot retrain from nothing: {reason}")]
    NoBaseline {
        /// The reason.
        reason: String,
    },
    /// All strategies failed.
    #[error("cannot train a challenger with any strategy: {failures}")]
    NoStrategy {
        /// The name and the error of each strategy.
        failures: String,
    },
    /// The linked XGBoost library has no CUDA support.
    #[error(
        "cannot train on cuda: this program contains XGBoost without CUDA support; run `make cuda`, then use \
         target/cuda/release/bike-traffic"
    )]
    NoCuda,
    /// The machine has no GPU that XGBoost can use.
    #[error(
        "cannot train on cuda: XGBoost found no NVIDIA GPU with a driver for CUDA 13; check both with `nvidia-smi`, or \
         train with --device cpu"
    )]
    NoGpu,
    /// Training failed.
    #[error("cannot train the model")]
    Train(#[source] xgboost::Error),
    /// Prediction failed.
    #[error("cannot predict")]
    Predict(#[source] xgboost::Error),
    /// The booster cannot be serialized.
    #[error("cannot save the model")]
    Save(#[source] xgboost::Error),
    /// The booster file is invalid.
    #[error("cannot load the model {folder}")]
    Load {
        /// The folder of the model.
        folder: ObjectPath,
        /// The error of XGBoost.
        source: xgboost::Error,
    },
    /// A file of the model exists with other contents.
    #[error(
        "cannot save the model: {address} exists with other contents, and the files of a model are never changed; train \
         with another recipe or other data"
    )]
    Exists {
        /// The address of the file.
        address: String,
    },
    /// The predictions cannot be scored.
    #[error("cannot score the model")]
    Score(#[source] metrics::Error),
    /// The model was trained on other features, or features cannot be built.
    #[error(transparent)]
    Features(#[from] FeatureError),
    /// The store failed, or a file is missing or invalid.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The registry does not have the version, or is not available.
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

impl Classify for ModelError {
    fn retryability(&self) -> Retryability {
        match self {
            Self::Store(error) => error.retryability(),
            Self::Registry(error) => error.retryability(),
            _ => Retryability::Permanent,
        }
    }
}
