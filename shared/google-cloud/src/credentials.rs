//! Credentials: application default credentials for Google's services, none for emulators.

use google_cloud_auth::{
    build_errors,
    credentials::{AccessTokenCredentials, Builder, Credentials, anonymous},
    errors::CredentialsError,
};
use reqwest::RequestBuilder;

use crate::EmulatorHost;

/// The OAuth scope of access tokens; IAM roles limit it further.
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";

/// Returns anonymous credentials for an emulator, and the application default credentials
/// otherwise.
///
/// # Errors
/// Returns an error if there are no application default credentials.
pub fn credentials(emulator: Option<&EmulatorHost>) -> Result<Credentials, build_errors::Error> {
    match emulator {
        Some(_) => Ok(anonymous::Builder::new().build()),
        None => Builder::default().with_scopes([SCOPE]).build(),
    }
}

/// Returns the source of access tokens for requests without Google's clients; `None` for an
/// emulator.
///
/// # Errors
/// Returns an error if there are no application default credentials.
pub fn access_tokens(
    emulator: Option<&EmulatorHost>,
) -> Result<Option<AccessTokenCredentials>, build_errors::Error> {
    match emulator {
        Some(_) => Ok(None),
        None => Builder::default()
            .with_scopes([SCOPE])
            .build_access_token_credentials()
            .map(Some),
    }
}

/// Authorizes requests that do not go through Google's clients.
#[derive(Clone, Debug)]
pub struct Tokens(Option<AccessTokenCredentials>);

impl Tokens {
    /// Creates tokens for a service: none for an emulator, and those of the application default
    /// credentials otherwise.
    ///
    /// # Errors
    /// Returns an error if there are no application default credentials.
    pub fn for_emulator(emulator: Option<&EmulatorHost>) -> Result<Self, build_errors::Error> {
        access_tokens(emulator).map(Self)
    }

    /// Adds the current token to a request.
    ///
    /// # Errors
    /// Returns an error if no token can be obtained.
    pub async fn authorize(
        &self,
        request: RequestBuilder,
    ) -> Result<RequestBuilder, CredentialsError> {
        Ok(match self.token().await? {
            None => request,
            Some(token) => request.bearer_auth(token),
        })
    }

    /// Returns the current token, for clients that add it themselves; `None` for an emulator.
    ///
    /// # Errors
    /// Returns an error if no token can be obtained.
    pub async fn token(&self) -> Result<Option<String>, CredentialsError> {
        let Some(credentials) = &self.0 else {
            return Ok(None);
        };
        Ok(Some(credentials.access_token().await?.token))
    }
}
