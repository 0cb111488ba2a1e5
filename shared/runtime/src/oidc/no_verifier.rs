//! The verifier of a build without the feature `cloud`: it rejects every delivery.

use axum::http::HeaderMap;
use jiff::Timestamp;
use reqwest::Url;

use crate::status::Reply;

pub(crate) struct TokenVerifier;

impl TokenVerifier {
    pub(super) fn signed(_audience: &str, _email: &str, _keys: &Url) -> Self {
        Self
    }

    pub(super) fn forwarded(_audience: Option<&str>, _email: &str) -> Self {
        Self
    }

    pub(crate) async fn verify(&self, _: &HeaderMap, _: Timestamp) -> Result<(), TokenError> {
        Err(TokenError)
    }

    /// Returns `true`: the handler's own routes are rejected as well.
    pub(crate) const fn covers_routes(&self) -> bool {
        true
    }

    pub(crate) const fn reply(&self, _: &TokenError) -> Reply {
        Reply::Retry
    }
}

#[derive(Debug, thiserror::Error)]
#[error("this build cannot verify tokens; run `make build`, or set PUSH_AUDIENCE=off")]
pub(crate) struct TokenError;
