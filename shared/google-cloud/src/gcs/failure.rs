//! Why Cloud Storage did not do what was asked, and what a person can do about it.

use std::{error::Error, fmt, time::Duration};

use google_cloud_auth::errors::CredentialsError;
use reqwest::StatusCode;

use super::StoreError;
use crate::HttpError;

/// Waits for an answer. Google's client by itself has no time limit for a try that hangs.
pub(super) async fn within<T, E: Into<Failure>>(
    limit: Duration,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, Failure> {
    match tokio::time::timeout(limit, work).await {
        Ok(answer) => answer.map_err(E::into),
        Err(_) => Err(Failure::TooSlow { limit }),
    }
}

/// Why an answer is none.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The service answered no, or could not be reached.
    #[error(transparent)]
    HttpError(#[from] HttpError),
    /// Google's client found something wrong.
    #[error(transparent)]
    Client(ClientError),
    /// We cannot say who we are.
    #[error("there is no access token")]
    Credentials(#[from] CredentialsError),
    /// The answer is not what the documentation of the service says.
    #[error("the service's answer cannot be understood")]
    Answer(#[source] Box<dyn Error + Send + Sync>),
    /// It took too long.
    #[error("the service took more than {} s", .limit.as_secs())]
    TooSlow {
        /// How long it could have taken.
        limit: Duration,
    },
}

impl Failure {
    /// Returns the status, if there was an answer.
    pub(super) const fn status(&self) -> Option<StatusCode> {
        match self {
            Self::HttpError(http_error) => http_error.status(),
            _ => None,
        }
    }

    /// Says what was attempted on which object.
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

/// What a person can do.
#[derive(Debug, thiserror::Error)]
enum Advice {
    /// The account lacks a role.
    #[error(
        "check that the service account has the role Storage Object User (roles/storage.objectUser) on the bucket"
    )]
    Role(#[source] Failure),
    /// The bucket may be missing: neither a write nor a list is refused for a missing object.
    #[error("check that there is such a bucket")]
    Bucket(#[source] Failure),
}

/// An error of Google's client. Its text repeats that of its source, so that the causes go on after that one.
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
