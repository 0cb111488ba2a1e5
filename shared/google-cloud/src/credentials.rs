//! Application default credentials for calls to Google's services; anonymous towards emulators.

use google_cloud_auth::{
    build_errors,
    credentials::{AccessTokenCredentials, Builder, Credentials, anonymous},
    errors::CredentialsError,
};
use reqwest::RequestBuilder;

use crate::EmulatorHost;

/// The OAuth scope of requested tokens; IAM roles limit what an account may do with it.
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";

/// Returns who we are to a service of Google's: nobody to an emulator, else the application default credentials.
///
/// # Errors
/// When there are no application default credentials.
pub fn credentials(emulator: Option<&EmulatorHost>) -> Result<Credentials, build_errors::Error> {
    match emulator {
        Some(_) => Ok(anonymous::Builder::new().build()),
        None => Builder::default().with_scopes([SCOPE]).build(),
    }
}

/// As [`credentials`], for calls that we make ourselves; `None` to an emulator.
///
/// # Errors
/// When there are no application default credentials.
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

/// What authorizes requests that we make ourselves.
#[derive(Clone, Debug)]
pub struct Tokens(Option<AccessTokenCredentials>);

impl Tokens {
    /// Finds who we are to a service: nobody to an emulator, else the application default credentials.
    ///
    /// # Errors
    /// When there are no application default credentials.
    pub fn of(emulator: Option<&EmulatorHost>) -> Result<Self, build_errors::Error> {
        access_tokens(emulator).map(Self)
    }

    /// Adds the present token to a request.
    ///
    /// # Errors
    /// When no token can be had.
    pub async fn authorize(
        &self,
        request: RequestBuilder,
    ) -> Result<RequestBuilder, CredentialsError> {
        Ok(match self.token().await? {
            None => request,
            Some(token) => request.bearer_auth(token),
        })
    }

    /// Returns the present token, for clients that add it themselves; `None` to an emulator.
    ///
    /// # Errors
    /// When no token can be had.
    pub async fn token(&self) -> Result<Option<String>, CredentialsError> {
        let Some(credentials) = &self.0 else {
            return Ok(None);
        };
        Ok(Some(credentials.access_token().await?.token))
    }
}
