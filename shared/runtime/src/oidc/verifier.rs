//! The verification of tokens.
//!
//! [`signed`] verifies signature and claims of a token; [`forwarded`] compares the claims of a
//! token that Cloud Run has verified.

mod forwarded;
mod signed;

use axum::http::{HeaderMap, header::AUTHORIZATION};
use jiff::Timestamp;
use jsonwebtoken::errors::ErrorKind;
use reqwest::Url;

use self::{forwarded::ForwardedToken, signed::SignedToken};
use crate::status::Reply;

/// The suffix of a token whose signature Cloud Run has removed after verifying it, see
/// <https://cloud.google.com/run/docs/troubleshooting#signature-removed>.
const REMOVED_SIGNATURE: &str = ".SIGNATURE_REMOVED_BY_GOOGLE";

/// Verifies the tokens of deliveries. One instance serves all deliveries.
pub(crate) enum TokenVerifier {
    /// Of deliveries whose token nobody has verified before.
    Signed(Box<SignedToken>),
    /// Of deliveries behind Cloud Run's check of callers.
    Forwarded(ForwardedToken),
}

impl TokenVerifier {
    /// Creates the verifier of tokens with an audience and an email address, signed with one of the
    /// keys at a URL.
    pub(super) fn signed(audience: &str, email: &str, keys: &Url) -> Self {
        let signed = SignedToken::new(audience, email.to_owned(), keys.clone());
        Self::Signed(Box::new(signed))
    }

    /// Creates the verifier of tokens with an email address, and with an audience if there is one,
    /// behind Cloud Run's check of callers.
    pub(super) fn forwarded(audience: Option<&str>, email: &str) -> Self {
        Self::Forwarded(ForwardedToken {
            audience: audience.map(str::to_owned),
            email: email.to_owned(),
        })
    }

    /// Verifies the bearer token of a request.
    pub(crate) async fn verify(
        &self,
        headers: &HeaderMap,
        now: Timestamp,
    ) -> Result<(), TokenError> {
        match self {
            Self::Signed(signed) => signed.verify(headers, now).await,
            Self::Forwarded(forwarded) => forwarded.verify(headers),
        }
    }

    /// Returns `true` if the handler's own routes require the same token as deliveries. Behind
    /// Cloud Run's check, they are open to all callers that it admits.
    pub(crate) const fn covers_routes(&self) -> bool {
        matches!(self, Self::Signed(_))
    }

    /// Returns the reply to a delivery that was rejected with an error: a retry if the keys are
    /// unavailable, a rejection otherwise.
    pub(crate) const fn reply(&self, error: &TokenError) -> Reply {
        match (self, error) {
            (_, TokenError::NoKeys) => Reply::Retry,
            (Self::Signed(_), _) => Reply::Unauthorized,
            // Cloud Run has authenticated the caller.
            (Self::Forwarded(_), _) => Reply::Forbidden,
        }
    }
}

/// An authentication failure. The messages do not contain any part of the token.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TokenError {
    #[error("the request has no bearer token")]
    Missing,
    #[error("the bearer token is not a signed JSON Web Token")]
    Malformed,
    #[error("the token is not signed with RS256")]
    Algorithm,
    #[error(
        "Cloud Run has verified the token and removed its signature: set PUSH_AUDIENCE=cloud-run on this service"
    )]
    SignatureRemoved,
    #[error(
        "the token has a signature, so Cloud Run has not verified it: enable its check of callers, or set PUSH_AUDIENCE to the audience"
    )]
    NotForwarded,
    #[error("the request has more than one token, and Cloud Run has verified only one")]
    Several,
    #[error("the token is signed with a key that its issuer does not publish")]
    UnknownKey,
    #[error("the token's signature is invalid")]
    Signature,
    #[error("the token's {0} is missing or unexpected")]
    Claim(&'static str),
    #[error("the token's email address is not verified")]
    EmailNotVerified,
    #[error("the token has expired")]
    Expired,
    #[error("the token is not valid yet")]
    NotYetValid,
    #[error("cannot fetch the issuer's public keys")]
    NoKeys,
}

impl TokenError {
    fn from_kind(kind: &ErrorKind) -> Self {
        match kind {
            ErrorKind::InvalidSignature => Self::Signature,
            ErrorKind::InvalidAudience => Self::Claim("audience"),
            ErrorKind::InvalidIssuer => Self::Claim("issuer"),
            ErrorKind::MissingRequiredClaim(name) if name == "aud" => Self::Claim("audience"),
            ErrorKind::MissingRequiredClaim(name) if name == "iss" => Self::Claim("issuer"),
            _ => Self::Malformed,
        }
    }
}

/// Compares the email address of a token, which its issuer must have verified.
fn check_account(
    (found, is_verified): (Option<&str>, Option<bool>),
    expected: &str,
) -> Result<(), TokenError> {
    if found != Some(expected) {
        return Err(TokenError::Claim("email address"));
    }
    if is_verified != Some(true) {
        return Err(TokenError::EmailNotVerified);
    }
    Ok(())
}

fn bearer_token(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
