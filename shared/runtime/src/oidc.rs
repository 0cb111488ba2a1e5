//! Authentication of push deliveries by the OIDC token of the subscription, see
//! <https://cloud.google.com/pubsub/docs/authenticate-push-subscriptions>.
//!
//! `jsonwebtoken` verifies signature and claims; `keys` fetches the public keys. The verifier of
//! google-cloud-auth 1.18 is unsuitable:
//! - It accepts a token without an audience.
//! - It panics on a token without an email address.
//! - It fetches the keys again for every unknown key id, without a timeout.
//! - It fails a delivery that arrives while another delivery is waiting for its key.

use axum::http::{HeaderMap, header::AUTHORIZATION};
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{Algorithm, Validation, decode, decode_header, errors::ErrorKind};
use reqwest::Url;
use serde::Deserialize;
use shared::settings::{SettingsError, Variables, optional, required};

use super::{
    keys::{Keys, NoKey},
    status::Reply,
};

/// The URL of Google's public signing keys.
const GOOGLE_KEYS: &str = "https://www.googleapis.com/oauth2/v3/certs";
/// The issuers in Google's tokens.
const ISSUERS: [&str; 2] = ["https://accounts.google.com", "accounts.google.com"];
/// The maximum difference between the clocks of issuer and function.
const CLOCK_SKEW: SignedDuration = SignedDuration::from_secs(10);
/// The suffix of a token whose signature Cloud Run has removed after verifying it, see
/// <https://cloud.google.com/run/docs/troubleshooting#signature-removed>.
const REMOVED_SIGNATURE: &str = ".SIGNATURE_REMOVED_BY_GOOGLE";

/// The value of `PUSH_AUDIENCE` that disables authentication.
const OFF: &str = "off";

/// The authentication mode of push deliveries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum PushAuthentication {
    /// `PUSH_AUDIENCE=off`: deliveries are not authenticated. Intended for local use and for
    /// services behind Cloud Run's own token check, which removes the signature.
    #[default]
    Off,
    /// Deliveries must have a bearer token that Google has issued.
    Required {
        /// `PUSH_AUDIENCE`: the audience that the push subscription puts into its tokens; by
        /// default the URL of its endpoint.
        audience: String,
        /// `PUSH_SERVICE_ACCOUNT`: the email address of the service account of the push
        /// subscription.
        email: String,
        /// `PUSH_JWKS_URL`: the URL of the issuer's public keys. Defaults to Google's.
        keys: Url,
    },
}

impl PushAuthentication {
    /// Reads the mode from the environment variables `PUSH_AUDIENCE`, `PUSH_SERVICE_ACCOUNT`, and
    /// `PUSH_JWKS_URL`.
    ///
    /// # Errors
    /// Returns an error if `PUSH_AUDIENCE` is not set, so that a forgotten variable does not
    /// disable authentication. Also returns an error if another variable is missing or invalid.
    pub fn read(variables: &dyn Variables) -> Result<Self, SettingsError> {
        let invalid = |name, reason: &str| SettingsError::Invalid {
            name,
            reason: reason.to_owned(),
        };
        let audience = match optional::<String>(variables, "PUSH_AUDIENCE")? {
            None => {
                let reason = "it is not set; set it to the audience of the push subscription, or to `off` to disable authentication";
                return Err(invalid("PUSH_AUDIENCE", reason));
            }
            Some(text) if text == OFF => return Ok(Self::Off),
            Some(text) if !text.contains("://") => {
                return Err(invalid("PUSH_AUDIENCE", "expected a URL or `off`"));
            }
            Some(text) => text,
        };
        let email: String = required(variables, "PUSH_SERVICE_ACCOUNT")?;
        if !email.contains('@') {
            return Err(invalid("PUSH_SERVICE_ACCOUNT", "expected an email address"));
        }
        let keys = match optional(variables, "PUSH_JWKS_URL")? {
            Some(url) => url,
            None => GOOGLE_KEYS
                .parse()
                .unwrap_or_else(|_| unreachable!("{GOOGLE_KEYS} is a URL")),
        };
        Ok(Self::Required {
            audience,
            email,
            keys,
        })
    }

    /// Returns the verifier of tokens, or `None` if authentication is off.
    pub(super) fn verifier(&self) -> Option<TokenVerifier> {
        let Self::Required {
            audience,
            email,
            keys,
        } = self
        else {
            return None;
        };
        let mut validation = Validation::new(Algorithm::RS256);
        validation.set_required_spec_claims(&["aud", "exp", "iss"]);
        validation.set_audience(&[audience]);
        validation.set_issuer(&ISSUERS);
        // `Claims::check` compares expiry and beginning with the clock of the ports instead.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        Some(TokenVerifier {
            validation,
            email: email.clone(),
            keys: Keys::at(keys.clone()),
        })
    }
}

/// Verifies tokens. One instance serves all deliveries, because it caches the public keys.
pub(super) struct TokenVerifier {
    validation: Validation,
    email: String,
    keys: Keys,
}

impl TokenVerifier {
    /// Verifies the bearer token of a request: algorithm, signature, issuer, audience, validity, and
    /// email address.
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
        if self.email.as_deref() != Some(email) {
            return Err(TokenError::Claim("email address"));
        }
        if self.email_verified != Some(true) {
            return Err(TokenError::EmailNotVerified);
        }
        Ok(())
    }
}

/// An authentication failure. The messages do not contain any part of the token.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum TokenError {
    #[error("the request has no bearer token")]
    Missing,
    #[error("the bearer token is not a signed JSON Web Token")]
    Malformed,
    #[error("the token is not signed with RS256")]
    Algorithm,
    #[error(
        "Cloud Run has verified the token and removed its signature: set PUSH_AUDIENCE=off on this service"
    )]
    SignatureRemoved,
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
    /// Returns the reply to the delivery: a retry if the keys are unavailable, a rejection
    /// otherwise.
    pub(super) const fn reply(&self) -> Reply {
        match self {
            Self::NoKeys => Reply::Retry,
            _ => Reply::Unauthorized,
        }
    }

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

fn bearer_token(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    const AUDIENCE: (&str, &str) = ("PUSH_AUDIENCE", "https://ingest.example");
    const ACCOUNT: (&str, &str) = (
        "PUSH_SERVICE_ACCOUNT",
        "push@a-project.iam.gserviceaccount.com",
    );

    fn read(known: &[(&str, &str)]) -> Result<PushAuthentication, SettingsError> {
        let variables = |name: &str| {
            known
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| (*value).to_owned())
        };
        PushAuthentication::read(&variables)
    }

    #[test]
    fn only_off_disables_authentication() {
        assert_eq!(
            read(&[("PUSH_AUDIENCE", "off")]),
            Ok(PushAuthentication::Off)
        );
        for known in [
            &[][..],
            &[("PUSH_AUDIENCE", "")],
            &[("PUSH_AUDIENCE", "OFF")],
            &[ACCOUNT],
        ] {
            let error = read(known).unwrap_err().to_string();
            assert!(
                error.contains("PUSH_AUDIENCE") && error.contains("`off`"),
                "{error}"
            );
        }
    }

    #[test]
    fn audience_requires_service_account() {
        assert_eq!(
            read(&[AUDIENCE]),
            Err(SettingsError::Missing {
                name: "PUSH_SERVICE_ACCOUNT"
            })
        );
        let error = read(&[AUDIENCE, ("PUSH_SERVICE_ACCOUNT", "push")])
            .unwrap_err()
            .to_string();
        assert!(error.contains("PUSH_SERVICE_ACCOUNT"), "{error}");
        let error = read(&[AUDIENCE, ACCOUNT, ("PUSH_JWKS_URL", "here")])
            .unwrap_err()
            .to_string();
        assert!(error.contains("PUSH_JWKS_URL"), "{error}");
    }

    #[test]
    fn keys_url_defaults_to_google() {
        let required = |url: &str| PushAuthentication::Required {
            audience: AUDIENCE.1.to_owned(),
            email: ACCOUNT.1.to_owned(),
            keys: url.parse().unwrap(),
        };
        assert_eq!(
            read(&[AUDIENCE, ACCOUNT]),
            Ok(required("https://www.googleapis.com/oauth2/v3/certs"))
        );
        let other = "http://127.0.0.1:1/keys";
        assert_eq!(
            read(&[AUDIENCE, ACCOUNT, ("PUSH_JWKS_URL", other)]),
            Ok(required(other))
        );
    }
}
