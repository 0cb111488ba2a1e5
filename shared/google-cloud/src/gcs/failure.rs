//! Errors of Cloud Storage, with advice.

use std::{error::Error, fmt, time::Duration};

use google_cloud_auth::errors::CredentialsError;
use reqwest::StatusCode;

use super::StoreError;
use crate::HttpError;

/// Runs `work` with a time limit. Google's client itself does not limit a hanging attempt.
pub(super) async fn within<T, E: Into<Failure>>(
    limit: Duration,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, Failure> {
    match tokio::time::timeout(limit, work).await {
        Ok(answer) => answer.map_err(E::into),
        Err(_) => Err(Failure::TooSlow { limit }),
    }
}

/// The cause of a failed request.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The service rejected the request or could not be reached.
    #[error(transparent)]
    HttpError(#[from] HttpError),
    /// Google's client reported an error without an HTTP status.
    #[error(transparent)]
    Client(ClientError),
    /// There are no valid credentials.
    #[error("cannot get an access token")]
    Credentials(#[from] CredentialsError),
    /// The response does not match the documentation of the service.
    #[error("cannot parse the response of the service")]
    Answer(#[source] Box<dyn Error + Send + Sync>),
    /// The request exceeded its time limit.
    #[error("no complete response within {} s", .limit.as_secs())]
    TooSlow {
        /// The time limit.
        limit: Duration,
    },
}

impl Failure {
    /// Returns the HTTP status of the response, if there was one.
    pub(super) const fn status(&self) -> Option<StatusCode> {
        match self {
            Self::HttpError(http_error) => http_error.status(),
            _ => None,
        }
    }

    /// Converts the failure into a [`StoreError`] that names the operation and the object.
    pub(super) fn of(self, verb: &'static str, address: String) -> StoreError {
        let source: Box<dyn Error + Send + Sync> = match self.status() {
            Some(StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => Advice::Role(self).into(),
            Some(StatusCode::NOT_FOUND) => Advice::Bucket(self).into(),
            _ => self.into(),
        };
        StoreError::Unavailable {
            verb,
            address,
            source,
        }
    }
}

impl From<google_cloud_storage::Error> for Failure {
    fn from(error: google_cloud_storage::Error) -> Self {
        let status = error
            .http_status_code()
            .and_then(|code| StatusCode::from_u16(code).ok());
        let Some(status) = status else {
            return Self::Client(ClientError(error));
        };
        let message = error.status().map(|status| status.message.clone());
        let payload = || {
            String::from_utf8_lossy(error.http_payload().map_or(&[], |payload| payload))
                .into_owned()
        };
        Self::HttpError(HttpError::Status {
            status,
            text: message.unwrap_or_else(payload),
        })
    }
}

/// A remedy for the user.
#[derive(Debug, thiserror::Error)]
enum Advice {
    /// The account lacks a role.
    #[error(
        "grant the service account the role Storage Object User (roles/storage.objectUser) on the bucket"
    )]
    Role(#[source] Failure),
    /// The bucket may be missing, because neither a write nor a listing fails for a missing object.
    #[error("check that the bucket exists")]
    Bucket(#[source] Failure),
}

/// An error of Google's client.
///
/// Its text already includes its direct source, so `source` skips that one.
#[derive(Debug)]
pub(super) struct ClientError(google_cloud_storage::Error);

impl fmt::Display for ClientError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl Error for ClientError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()?.source()
    }
}
