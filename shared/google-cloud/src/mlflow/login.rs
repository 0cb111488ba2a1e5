//! The credentials of calls to an MLflow server.
//!
//! The audience of a Google ID token is the origin of the server, so other servers reject it. No
//! token is sent over plain HTTP to another machine. No redirect is followed with credentials.

use std::net::IpAddr;

use reqwest::{Client, RequestBuilder, StatusCode, Url, redirect::Policy};
use secrecy::{ExposeSecret, SecretString};
use shared::address::without_credentials;

use super::wire;
use crate::{
    CloudSettings, HttpError, MlflowLogin,
    id_token::{IdTokenError, IdTokens, account_of},
    retry::client_builder,
};

/// The domain of services on Cloud Run.
const CLOUD_RUN: &str = ".run.app";

/// The credentials of calls to one server.
pub(super) enum Login {
    /// None, or a user and a password in the URL of the server.
    None,
    Password {
        user: String,
        password: SecretString,
    },
    /// A token of a person, which is not renewed.
    Token(SecretString),
    IdToken(IdTokens),
}

/// An error of a login that must not be used with a server.
#[derive(Debug, thiserror::Error)]
#[error("cannot send tokens over plain HTTP to another machine: use https")]
pub(super) struct PlainHttp;

impl Login {
    /// Selects the login to a server.
    ///
    /// # Errors
    /// Returns an error for tokens over plain HTTP, except to this machine.
    pub(super) fn new(server: &Url, cloud: &CloudSettings) -> Result<Self, PlainHttp> {
        let login = match &cloud.mlflow_login {
            MlflowLogin::Detected if is_cloud_run(server) => Self::id_token(server, cloud),
            MlflowLogin::Detected | MlflowLogin::None => Self::None,
            MlflowLogin::IdToken => Self::id_token(server, cloud),
            MlflowLogin::Password { user, password } => Self::Password {
                user: user.clone(),
                password: password.clone(),
            },
            MlflowLogin::Token(token) => Self::Token(token.clone()),
        };
        let is_token = matches!(login, Self::Token(_) | Self::IdToken(_));
        if is_token && server.scheme() != "https" && !is_this_machine(server) {
            return Err(PlainHttp);
        }
        Ok(login)
    }

    fn id_token(server: &Url, cloud: &CloudSettings) -> Self {
        let audience = server.origin().ascii_serialization();
        Self::IdToken(IdTokens::new(&audience, cloud.mlflow_account.as_deref()))
    }

    /// Returns the URL to call. A login in the URL applies only without another one.
    pub(super) fn server(&self, url: &Url) -> Url {
        match self {
            Self::None => url.clone(),
            _ => without_credentials(url),
        }
    }

    /// Creates the HTTP client for calls with this login to a server.
    pub(super) fn client(&self, server: &Url) -> reqwest::Result<Client> {
        let client = client_builder();
        let client = match self {
            Self::None => client,
            _ => client.redirect(Policy::none()),
        };
        // A proxy is another machine.
        if server.scheme() == "https" || matches!(self, Self::None) {
            client.build()
        } else {
            client.no_proxy().build()
        }
    }

    /// Adds the credentials to a request.
    ///
    /// # Errors
    /// Returns an error if there is no token.
    pub(super) async fn authorize(
        &self,
        request: RequestBuilder,
    ) -> Result<RequestBuilder, IdTokenError> {
        Ok(match self {
            Self::None => request,
            Self::Password { user, password } => {
                request.basic_auth(user, Some(password.expose_secret()))
            }
            Self::Token(token) => request.bearer_auth(token.expose_secret()),
            Self::IdToken(tokens) => request.bearer_auth(tokens.token().await?.expose_secret()),
        })
    }

    /// Returns `true` if the call may be repeated with another token, because the server has
    /// rejected the present one before it read the request.
    ///
    /// A token expires unnoticed while the machine is suspended, for example.
    pub(super) fn renew(&self, error: &HttpError) -> bool {
        let Self::IdToken(tokens) = self else {
            return false;
        };
        let is_rejected = error.status() == Some(StatusCode::UNAUTHORIZED);
        if is_rejected {
            tokens.discard();
        }
        is_rejected
    }

    /// Returns the remedy if Cloud Run refuses the caller. Responses of MLflow itself, which are
    /// JSON, have none.
    pub(super) async fn remedy(&self, error: &HttpError) -> Option<String> {
        let HttpError::Status { status, text } = error else {
            return None;
        };
        let is_refused = matches!(*status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
        if !is_refused || serde_json::from_str::<wire::Error>(text).is_ok() {
            return None;
        }
        let is_forbidden = *status == StatusCode::FORBIDDEN;
        let account = match self {
            Self::IdToken(tokens) => account_of(&tokens.token().await.ok()?),
            Self::Token(token) => account_of(token),
            Self::None | Self::Password { .. } => return None,
        };
        let account = account.unwrap_or_else(|| "the caller".to_owned());
        Some(match self {
            _ if is_forbidden => format!(
                "grant roles/run.invoker to {account}: `make deploy` grants it to the functions and to the members of `operators`"
            ),
            Self::Token(_) => "the token of MLFLOW_TRACKING_TOKEN may have expired, for a new one: export MLFLOW_TRACKING_TOKEN=$(gcloud auth print-identity-token)".to_owned(),
            _ => format!(
                "the token of {account} is not valid for the server: MLFLOW_TRACKING_URI must be the URL of the service"
            ),
        })
    }
}

/// Returns `true` for a service on Cloud Run, unless the URL has a login.
fn is_cloud_run(server: &Url) -> bool {
    let has_login = !server.username().is_empty() || server.password().is_some();
    let host = server.host_str().unwrap_or_default();
    server.scheme() == "https" && host.ends_with(CLOUD_RUN) && !has_login
}

fn is_this_machine(server: &Url) -> bool {
    let host = server.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    let is_loopback = |address: IpAddr| address.is_loopback();
    host == "localhost" || address.parse().is_ok_and(is_loopback)
}

#[cfg(test)]
mod tests;
