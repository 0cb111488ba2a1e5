//! Permanent and transient errors: whether delivering the same message again can help.

use std::error::Error;

use forecasting::{counts::WriteError, features::FeatureError};

use crate::{
    bus::BusError, event::DecodeError, registry::RegistryError, store::StoreError,
    warehouse::WarehouseError,
};

/// Whether a repeated delivery of the same message can succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retryability {
    /// Never: the message becomes a dead letter.
    Permanent,
    /// Possibly: the message is delivered again.
    Transient,
}

/// An error that knows its [`Retryability`].
///
/// Implemented by the errors of the ports and of the forecasting code, so that a handler can pass
/// them on with `?`.
pub trait Classify: Error {
    /// Returns whether a repeated delivery can succeed.
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
            Self::NotFound { .. } => Retryability::Permanent,
            Self::AliasMoved { .. } | Self::Unavailable { .. } => Retryability::Transient,
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
