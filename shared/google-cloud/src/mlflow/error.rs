//! What can go wrong with an MLflow server.

use shared::{address::OpenError, store::StoreError};

use super::{RunName, Version, lock::LockError, wire};
use crate::HttpError;

/// Why MLflow did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum MlflowError {
    /// The server says no, or nothing.
    #[error("cannot call {call} on the MLflow server {server}")]
    Refused {
        call: String,
        server: String,
        source: HttpError,
    },
    /// The server says something else.
    #[error("cannot understand what the MLflow server {server} answers to {call}")]
    Answer {
        call: String,
        server: String,
        source: serde_json::Error,
    },
    /// A number of a version that is none.
    #[error("MLflow says `{text}` for the number of a version")]
    Number { text: String },
    /// A version that somebody registered by hand.
    #[error("version {version} was not registered by bike-traffic: {reason}")]
    Foreign { version: Version, reason: String },
    /// A run that would come back from MLflow as another one.
    #[error("MLflow does not keep the run {run} as it is: {reason}")]
    Unkept { run: RunName, reason: String },
    /// A place of artifacts that cannot be written to.
    #[error(
        "cannot write artifacts to {uri}: a server's artifacts are at mlflow-artifacts:/… or gs://…"
    )]
    Artifacts { uri: String },
    /// The lock cannot be had, or the time to work under it is over.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The store of the models' files failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The bucket of the artifacts cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
}

impl MlflowError {
    /// Tells whether the server answered with this error code.
    pub(super) fn is(&self, code: &str) -> bool {
        self.answer()
            .is_some_and(|answer| answer.error_code == code)
    }

    /// Tells whether the server knows the model, but not the alias: it answers 400 and the code of every wrong
    /// parameter then, so that only the message tells.
    pub(super) fn is_missing_alias(&self) -> bool {
        let is_it = |answer: wire::Error| {
            answer.error_code == wire::INVALID
                && answer.message.contains("alias")
                && answer.message.contains("not found")
        };
        self.answer().is_some_and(is_it)
    }

    /// Tells whether the same call may succeed a little later.
    pub(super) fn is_retryable(&self) -> bool {
        matches!(self, Self::Refused { source, .. } if source.is_retryable())
    }

    fn answer(&self) -> Option<wire::Error> {
        match self {
            Self::Refused {
                source: HttpError::Status { text, .. },
                ..
            } => serde_json::from_str(text).ok(),
            _ => None,
        }
    }
}
