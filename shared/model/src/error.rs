//! What can go wrong with a model.

use forecasting::{features::FeatureError, metrics};
use shared::{
    address::ObjectPath,
    registry::RegistryError,
    retryability::{Classify, Retryability},
    store::StoreError,
};

/// Why a model could not be trained, loaded or used.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// The data to train on is not enough.
    #[error("cannot train on {rows} rows: {reason}")]
    TooLittleData {
        /// The rows there are.
        rows: usize,
        /// What is missing.
        reason: &'static str,
    },
    /// More rounds are to be kept than the model has.
    #[error("cannot freeze {wanted} rounds of a model that has {rounds}")]
    TooManyFrozen {
        /// The rounds to keep.
        wanted: u32,
        /// The rounds of the model.
        rounds: u32,
    },
    /// The library was built for the processor only.
    #[error(
        "cannot train on cuda: this program's XGBoost has no CUDA support; build it with XGBOOST_LIB_DIR naming the \
         folder of libxgboost.so of the Python package `xgboost` 3.4.1 (the CUDA wheel), see shared/xgboost/README.md"
    )]
    NoCuda,
    /// The machine has no card that XGBoost can use.
    #[error(
        "cannot train on cuda: XGBoost finds no NVIDIA card on this machine; `nvidia-smi` shows cards and drivers, and \
         --device cpu trains without one"
    )]
    NoCard,
    /// Training failed.
    #[error("cannot train the model")]
    Train(#[source] xgboost::Error),
    /// Prediction failed.
    #[error("cannot predict")]
    Predict(#[source] xgboost::Error),
    /// The booster could not be written.
    #[error("cannot save the model")]
    Save(#[source] xgboost::Error),
    /// The booster could not be read.
    #[error("cannot load the model {folder}")]
    Load {
        /// Its folder.
        folder: ObjectPath,
        /// What XGBoost says.
        source: xgboost::Error,
    },
    /// The predictions could not be scored.
    #[error("cannot score the model")]
    Score(#[source] metrics::Error),
    /// The model was trained on other features.
    #[error(transparent)]
    Features(#[from] FeatureError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The registry does not know the version, or is not available.
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
