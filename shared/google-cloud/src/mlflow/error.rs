//! The errors of the MLflow registry.

use shared::{address::OpenError, store::StoreError};

use super::{RunName, Version, lock::LockError, wire};
use crate::{HttpError, id_token::IdTokenError};

/// An error of the MLflow registry.
#[derive(Debug, thiserror::Error)]
pub(super) enum MlflowError {
    /// The request failed, or the server rejected it.
    #[error("cannot call {call} on the MLflow server {server}")]
    Refused {
        call: String,
        server: String,
        source: HttpError,
    },
    /// Cloud Run refused the caller.
    #[error("cannot call {call} on the MLflow server {server}: refused ({}); {remedy}", .source.status().map_or(0, |status| status.as_u16()))]
    Denied {
        call: String,
        server: String,
        remedy: Box<str>,
        source: HttpError,
    },
    /// There is no token for the call.
    #[error(transparent)]
    IdToken(#[from] IdTokenError),
    /// The response is not valid JSON of the expected shape.
    #[error("cannot parse the response of the MLflow server {server} to {call}")]
    Response {
        call: String,
        server: String,
        source: serde_json::Error,
    },
    /// A malformed version number.
    #[error("invalid version number `{text}` from MLflow")]
    Number { text: String },
    /// A version that was registered by hand.
    #[error("version {version} was not registered by bike-traffic: {reason}")]
    Foreign { version: Version, reason: String },
    /// A version whose run was deleted for good.
    #[error("the run {run_id} of version {version} was deleted from MLflow")]
    RunDeleted { version: Version, run_id: String },
    /// A run that MLflow cannot store without loss.
    #[error("cannot store the run {run} in MLflow: {reason}")]
    Unsupported { run: RunName, reason: String },
    /// An artifact location with an unsupported scheme.
    #[error(
        "cannot write artifacts to {uri}: expected mlflow-artifacts:/… or gs://…; check `--default-artifact-root` of the MLflow server"
    )]
    Artifacts { uri: String },
    /// The lock cannot be acquired, or the work under it exceeded its time limit.
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
    /// Returns `true` if the server responded with this error code.
    pub(super) fn is(&self, code: &str) -> bool {
        self.response()
            .is_some_and(|response| response.error_code == code)
    }

    /// Returns `true` if the model exists but the alias does not.
    ///
    /// The server responds with 400 and the code of any invalid parameter, so only the message
    /// identifies this case.
    pub(super) fn is_missing_alias(&self) -> bool {
        let is_missing_alias = |response: wire::Error| {
            response.error_code == wire::INVALID
                && response.message.contains("alias")
                && response.message.contains("not found")
        };
        self.response().is_some_and(is_missing_alias)
    }

    /// Returns `true` if a retry may succeed.
    pub(super) fn is_retryable(&self) -> bool {
        match self {
            Self::Refused { source, .. } => source.is_retryable(),
            Self::IdToken(error) => error.is_retryable(),
            // A truncated response, or a page of a proxy.
            Self::Response { .. } => true,
            _ => false,
        }
    }

    fn response(&self) -> Option<wire::Error> {
        match self {
            Self::Refused {
                source: HttpError::Status { text, .. },
                ..
            } => serde_json::from_str(text).ok(),
            _ => None,
        }
    }
}
