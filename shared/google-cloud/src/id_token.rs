//! Google ID tokens, by which Cloud Run checks the callers of a service.
//!
//! The sources are those of google-cloud-auth: the metadata server, the file of a service account,
//! and the impersonation of a service account. It caches a token and renews it four minutes before
//! it expires. After a permanent error it would return that error for ever, although a missing
//! permission may be granted meanwhile, so [`IdTokens`] then starts again.

use std::time::Duration;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use google_cloud_auth::{
    build_errors::Error as BuildError,
    credentials::idtoken::{self, IDTokenCredentials},
    errors::CredentialsError,
};
use parking_lot::Mutex;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::time::timeout;

use crate::{HttpError, credentials::credentials, retry::retried};

/// The time limit for a token. A metadata server needs seconds for the first one.
const TOKEN_TIME_LIMIT: Duration = Duration::from_secs(30);

/// A function that creates the credentials of tokens.
type Create = dyn Fn() -> Result<IDTokenCredentials, BuildError> + Send + Sync;

/// The tokens for one audience.
pub(crate) struct IdTokens {
    audience: String,
    /// The impersonated service account.
    account: Option<String>,
    create: Box<Create>,
    /// The credentials since the last error. They are created at the first use, because programs
    /// that do not call the service need none.
    current: Mutex<Option<IDTokenCredentials>>,
}

impl IdTokens {
    /// Creates tokens of the application default credentials, or of a service account that these
    /// credentials may impersonate.
    pub(crate) fn new(audience: &str, account: Option<&str>) -> Self {
        let (target, impersonated) = (audience.to_owned(), account.map(str::to_owned));
        Self {
            account: account.map(str::to_owned),
            ..Self::created_by(audience, move || create(&target, impersonated.as_deref()))
        }
    }

    /// Creates tokens of credentials that a function creates.
    pub(crate) fn created_by(
        audience: &str,
        create: impl Fn() -> Result<IDTokenCredentials, BuildError> + Send + Sync + 'static,
    ) -> Self {
        Self {
            audience: audience.to_owned(),
            account: None,
            create: Box::new(create),
            current: Mutex::default(),
        }
    }

    /// Returns a token that is valid for some minutes.
    ///
    /// # Errors
    /// Returns the error of the last attempt.
    pub(crate) async fn token(&self) -> Result<SecretString, IdTokenError> {
        let name = || format!("ID token for {}", self.audience);
        retried(name, || self.fetch(), IdTokenError::is_retryable).await
    }

    /// Discards the cached token, so that the next one is new.
    pub(crate) fn discard(&self) {
        *self.current.lock() = None;
    }

    async fn fetch(&self) -> Result<SecretString, IdTokenError> {
        let credentials = self.credentials()?;
        let fetched = timeout(TOKEN_TIME_LIMIT, credentials.id_token()).await;
        let error = match fetched {
            Ok(Ok(token)) => return Ok(token.into()),
            Ok(Err(source)) => self.not_fetched(source),
            Err(_) => HttpError::TimeLimit {
                limit: TOKEN_TIME_LIMIT,
            }
            .into(),
        };
        self.discard();
        Err(error)
    }

    fn credentials(&self) -> Result<IDTokenCredentials, IdTokenError> {
        let mut current = self.current.lock();
        if let Some(credentials) = &*current {
            return Ok(credentials.clone());
        }
        let created = (self.create)().map_err(|source| self.not_created(source))?;
        Ok(current.insert(created).clone())
    }

    fn not_created(&self, source: BuildError) -> IdTokenError {
        let audience = self.audience.clone();
        if source.is_not_supported() {
            IdTokenError::Unsupported { audience, source }
        } else {
            IdTokenError::NotCreated { audience, source }
        }
    }

    fn not_fetched(&self, source: CredentialsError) -> IdTokenError {
        let audience = self.audience.clone();
        match self.account.clone() {
            Some(account) => IdTokenError::NotImpersonated {
                audience,
                account,
                source,
            },
            None => IdTokenError::NotFetched { audience, source },
        }
    }
}

/// Creates the credentials. Needs a Tokio runtime, because they renew tokens in the background.
fn create(audience: &str, account: Option<&str>) -> Result<IDTokenCredentials, BuildError> {
    match account {
        None => idtoken::Builder::new(audience).with_include_email().build(),
        Some(account) => {
            let source = credentials(None)?;
            idtoken::impersonated::Builder::from_source_credentials(audience, account, source)
                .with_include_email()
                .build()
        }
    }
}

/// Returns the email address in a token, for messages. The token is not verified.
pub(crate) fn account_of(token: &SecretString) -> Option<String> {
    #[derive(Deserialize)]
    struct Claims {
        email: Option<String>,
    }
    let payload = token.expose_secret().split('.').nth(1)?;
    let json = BASE64_URL_SAFE_NO_PAD.decode(payload).ok()?;
    serde_json::from_slice::<Claims>(&json).ok()?.email
}

/// An error of an ID token.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IdTokenError {
    /// The credentials are those of a person, for example.
    #[error(
        "cannot create an ID token for {audience} with these application default credentials; set MLFLOW_ACCOUNT to a service account that you may impersonate, or export MLFLOW_TRACKING_TOKEN=$(gcloud auth print-identity-token)"
    )]
    Unsupported {
        audience: String,
        source: BuildError,
    },
    /// The credentials are invalid.
    #[error(
        "cannot create an ID token for {audience}; to log in: gcloud auth application-default login"
    )]
    NotCreated {
        audience: String,
        source: BuildError,
    },
    /// The source of the tokens failed.
    #[error(
        "cannot fetch an ID token for {audience}; outside of Google Cloud, log in: gcloud auth application-default login"
    )]
    NotFetched {
        audience: String,
        source: CredentialsError,
    },
    /// The impersonation failed.
    #[error(
        "cannot fetch an ID token for {audience} as {account}; to impersonate it, you need roles/iam.serviceAccountOpenIdTokenCreator on the account"
    )]
    NotImpersonated {
        audience: String,
        account: String,
        source: CredentialsError,
    },
    /// The source of the tokens does not respond.
    #[error(transparent)]
    Call(#[from] HttpError),
}

impl IdTokenError {
    /// Returns `true` if a retry may succeed.
    pub(crate) fn is_retryable(&self) -> bool {
        match self {
            Self::Unsupported { .. } | Self::NotCreated { .. } => false,
            Self::NotFetched { source, .. } | Self::NotImpersonated { source, .. } => {
                source.is_transient()
            }
            Self::Call(error) => error.is_retryable(),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
