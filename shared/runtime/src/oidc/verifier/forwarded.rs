//! Comparison of the claims that Cloud Run forwards.
//!
//! Cloud Run verifies signature, audience and expiry of a caller's token, and that the caller may
//! invoke the service. Then it passes the token on without its signature. A service with other
//! callers than Pub/Sub, such as `predict`, must not take their requests for deliveries.

use axum::http::{HeaderMap, header::AUTHORIZATION};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::Deserialize;

use super::{REMOVED_SIGNATURE, TokenError, bearer_token, check_account};

/// The header that Cloud Run checks instead of `Authorization` if a request has both. It passes
/// `Authorization` on as the caller has written it, see
/// <https://cloud.google.com/run/docs/authenticating/service-to-service>. Pub/Sub never sends it.
const SERVERLESS_AUTHORIZATION: &str = "x-serverless-authorization";

/// The expected claims of a token that Cloud Run has verified.
pub(crate) struct ForwardedToken {
    /// The audience, if it is compared.
    pub(super) audience: Option<String>,
    /// The email address of the push account.
    pub(super) email: String,
}

impl ForwardedToken {
    /// Checks that Cloud Run has verified the bearer token of a request, and compares its audience
    /// and email address.
    pub(super) fn verify(&self, headers: &HeaderMap) -> Result<(), TokenError> {
        let tokens = headers.get_all(AUTHORIZATION).iter().count();
        if tokens > 1 || headers.contains_key(SERVERLESS_AUTHORIZATION) {
            return Err(TokenError::Several);
        }
        let token = bearer_token(headers).ok_or(TokenError::Missing)?;
        let claims = Claims::of(token)?;
        let audience = self.audience.as_deref();
        if audience.is_some_and(|expected| claims.aud.as_deref() != Some(expected)) {
            return Err(TokenError::Claim("audience"));
        }
        check_account(
            (claims.email.as_deref(), claims.email_verified),
            &self.email,
        )
    }
}

/// The compared claims.
#[derive(Deserialize)]
struct Claims {
    aud: Option<String>,
    email: Option<String>,
    email_verified: Option<bool>,
}

impl Claims {
    /// Reads the claims of a token whose signature Cloud Run has removed.
    fn of(token: &str) -> Result<Self, TokenError> {
        let mut parts = token.split('.');
        let (Some(_), Some(payload), Some(_), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(TokenError::Malformed);
        };
        if !token.ends_with(REMOVED_SIGNATURE) {
            return Err(TokenError::NotForwarded);
        }
        let json = BASE64_URL_SAFE_NO_PAD.decode(payload);
        let json = json.map_err(|_| TokenError::Malformed)?;
        serde_json::from_slice(&json).map_err(|_| TokenError::Malformed)
    }
}
