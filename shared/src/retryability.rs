//! The classification of errors into permanent and transient ones.

use std::error::Error;

use forecasting::{counts::WriteError, features::FeatureError};

use crate::{
    bus::BusError,
    event::DecodeError,
    registry::{ChampionError, RegistryError},
    store::StoreError,
    warehouse::WarehouseError,
};

/// The classification of an error by its effect on a repeated delivery of the same message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retryability {
    /// A repeated delivery cannot succeed. The message becomes a dead letter.
    Permanent,
    /// A repeated delivery may succeed. The bus delivers the message again.
    Transient,
}

/// An error with a [`Retryability`].
///
/// The errors of the ports and of the forecasting code implement it, so handlers propagate them
/// with `?`.
pub trait Classify: Error {
    /// Returns the classification of this error.
    fn retryability(&self) -> Retryability;
}

impl Classify for StoreError {
    fn retryability(&self) -> Retryability {
        match self {
            Self::ConditionFailed { .. } | Self::Unavailable { .. } => Retryability::Transient,
            Self::NotFound { .. } | Self::Malformed { .. } => Retryability::Permanent,
        }
    }
}

impl Classify for WarehouseError {
    fn retryability(&self) -> Retryability {
        match self {
            Self::Malformed { .. } => Retryability::Permanent,
            Self::Unavailable { .. } => Retryability::Transient,
        }
    }
}

impl Classify for RegistryError {
    fn retryability(&self) -> Retryability {
        match self {
            Self::NotFound { .. } | Self::Unusable { .. } => Retryability::Permanent,
            Self::AliasMoved { .. } | Self::Unavailable { .. } => Retryability::Transient,
        }
    }
}

impl Classify for ChampionError {
    fn retryability(&self) -> Retryability {
        match self {
            Self::Missing | Self::Deleted { .. } | Self::Unset => Retryability::Permanent,
            Self::Registry(error) => error.retryability(),
        }
    }
}

impl Classify for BusError {
    fn retryability(&self) -> Retryability {
        Retryability::Transient
    }
}

impl Classify for DecodeError {
    fn retryability(&self) -> Retryability {
        Retryability::Permanent
    }
}

impl Classify for FeatureError {
    fn retryability(&self) -> Retryability {
        Retryability::Permanent
    }
}

impl Classify for WriteError {
    fn retryability(&self) -> Retryability {
        Retryability::Transient
    }
}
