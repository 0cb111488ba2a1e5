//! Verification of a signed token.
//!
//! `jsonwebtoken` verifies signature and claims; `keys` fetches the public keys. The verifier of
//! google-cloud-auth 1.18 is unsuitable:
//! - It accepts a token without an audience.
//! - It panics on a token without an email address.
//! - It fetches the keys again for every unknown key id, without a timeout.
//! - It fails a delivery that arrives while another delivery is waiting for its key.

use axum::http::HeaderMap;
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{Algorithm, Validation, decode, decode_header};
use reqwest::Url;
use serde::Deserialize;

use super::{REMOVED_SIGNATURE, TokenError, bearer_token, check_account};
use crate::keys::{Keys, NoKey};

/// The issuers in Google's tokens.
const ISSUERS: [&str; 2] = ["https://accounts.google.com", "accounts.google.com"];
/// The maximum difference between the clocks of issuer and function.
const CLOCK_SKEW: SignedDuration = SignedDuration::from_secs(10);

/// Verifies signed tokens. One instance serves all deliveries, because it caches the public keys.
pub(crate) struct SignedToken {
    validation: Validation,
    email: String,
    keys: Keys,
}

impl SignedToken {
    /// Creates a verifier of tokens with an audience and an email address, signed with one of the
    /// keys at a URL.
    pub(super) fn new(audience: &str, email: String, keys: Url) -> Self {
        let mut validation = Validation::new(Algorithm::RS256);
        validation.set_required_spec_claims(&["aud", "exp", "iss"]);
        validation.set_audience(&[audience]);
        validation.set_issuer(&ISSUERS);
        // `Claims::check` compares expiry and beginning with the clock of the ports instead.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        Self {
            validation,
            email,
            keys: Keys::at(keys),
        }
    }

    /// Verifies the bearer token of a request: algorithm, signature, issuer, audience, validity,
    /// and email address.
    pub(super) async fn verify(
        &self,
        headers: &HeaderMap,
        now: Timestamp,
    ) -> Result<(), TokenError> {
        let token = bearer_token(headers).ok_or(TokenError::Missing)?;
        if token.ends_with(REMOVED_SIGNATURE) {
            return Err(TokenError::SignatureRemoved);
        }
        let header = decode_header(token).map_err(|_| TokenError::Malformed)?;
        if header.alg != Algorithm::RS256 {
            return Err(TokenError::Algorithm);
        }
        let key_id = header.kid.ok_or(TokenError::UnknownKey)?;
        let key = self
            .keys
            .get(&key_id, now)
            .await
            .map_err(|error| match error {
                NoKey::Unknown => TokenError::UnknownKey,
                NoKey::Unavailable => TokenError::NoKeys,
            })?;
        let decoded = decode::<Claims>(token, &key, &self.validation);
        decoded
            .map_err(|error| TokenError::from_kind(error.kind()))?
            .claims
            .check(&self.email, now)
    }
}

/// The claims that `jsonwebtoken` does not verify here.
#[derive(Deserialize)]
struct Claims {
    /// The expiry in seconds since 1970.
    exp: i64,
    /// The beginning of the token's validity in seconds since 1970.
    nbf: Option<i64>,
    email: Option<String>,
    email_verified: Option<bool>,
}

impl Claims {
    fn check(&self, email: &str, now: Timestamp) -> Result<(), TokenError> {
        if self.exp < now.as_second() - CLOCK_SKEW.as_secs() {
            return Err(TokenError::Expired);
        }
        if self
            .nbf
            .is_some_and(|begin| begin > now.as_second().saturating_add(CLOCK_SKEW.as_secs()))
        {
            return Err(TokenError::NotYetValid);
        }
        check_account((self.email.as_deref(), self.email_verified), email)
    }
}
