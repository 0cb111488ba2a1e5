//! Who may deliver: the token that a push subscription sends along, see
//! <https://cloud.google.com/pubsub/docs/authenticate-push-subscriptions>.
//!
//! Signature and claims are read by `jsonwebtoken`; the keys are fetched by `keys`. The verifier in google-cloud-auth 1.18
//! is not used: it accepts a token without an audience, panics at one without an e-mail address, fetches the keys again
//! for every invented key id and without a limit of time, and fails a delivery that comes while another looks for its key.

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

/// Where Google publishes the keys that it signs tokens with.
const GOOGLE_KEYS: &str = "https://www.googleapis.com/oauth2/v3/certs";
/// The names under which Google issues them.
const ISSUERS: [&str; 2] = ["https://accounts.google.com", "accounts.google.com"];
/// How far the clocks of issuer and function may differ.
const CLOCK_SKEW: SignedDuration = SignedDuration::from_secs(10);
/// What Cloud Run puts in the place of the signature once it has checked a token itself, see
/// <https://cloud.google.com/run/docs/troubleshooting#signature-removed>.
const REMOVED_SIGNATURE: &str = ".SIGNATURE_REMOVED_BY_GOOGLE";

/// The value of `PUSH_AUDIENCE` that lets everybody in.
const OFF: &str = "off";

/// Whether a delivery must show who sends it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum PushAuthentication {
    /// `PUSH_AUDIENCE=off`: whoever reaches the port may deliver. For one machine, and behind the check of Cloud Run, which
    /// passes tokens on without their signature.
    #[default]
    Off,
    /// A delivery carries a token of Google's.
    Required {
        /// `PUSH_AUDIENCE`: whom the token must be for, as the push subscription names it: by default the URL it pushes to.
        audience: String,
        /// `PUSH_SERVICE_ACCOUNT`: the e-mail address of the account that pushes.
        email: String,
        /// `PUSH_JWKS_URL`: where the issuer's keys are, Google's if not set.
        keys: Url,
    },
}

impl PushAuthentication {
    /// Reads the settings.
    ///
    /// # Errors
    /// When `PUSH_AUDIENCE` is not set: nobody is let in by forgetting a variable. When one is missing beside it or cannot
    /// be used.
    pub fn read(variables: &dyn Variables) -> Result<Self, SettingsError> {
        let invalid = |name, reason: &str| SettingsError::Invalid {
            name,
            reason: reason.to_owned(),
        };
        let audience = match optional::<String>(variables, "PUSH_AUDIENCE")? {
            None => {
                let reason = "it is not set; it names the URL that tokens are for, or is `off` to let everybody in";
                return Err(invalid("PUSH_AUDIENCE", reason));
            }
            Some(text) if text == OFF => return Ok(Self::Off),
            Some(text) if !text.contains("://") => {
                return Err(invalid("PUSH_AUDIENCE", "it is neither a URL nor `off`"));
            }
            Some(text) => text,
        };
        let email: String = required(variables, "PUSH_SERVICE_ACCOUNT")?;
        if !email.contains('@') {
            return Err(invalid("PUSH_SERVICE_ACCOUNT", "it is no e-mail address"));
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

    /// Makes what verifies tokens; `None` where none is asked for.
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
        // Compared with the function's own clock, see `Claims::check`.
        validation.validate_exp = false;
        Some(TokenVerifier {
            validation,
            email: email.clone(),
            keys: Keys::at(keys.clone()),
        })
    }
}

/// Verifies tokens. Made once, since it keeps the keys.
pub(super) struct TokenVerifier {
    validation: Validation,
    email: String,
    keys: Keys,
}

impl TokenVerifier {
    /// Verifies the bearer token of a request: algorithm, signature, issuer, audience, time, and whose it is.
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

/// The claims that `jsonwebtoken` does not check.
#[derive(Deserialize)]
struct Claims {
    /// Until when the token is good, in seconds since 1970.
    exp: i64,
    email: Option<String>,
    email_verified: Option<bool>,
}

impl Claims {
    fn check(&self, email: &str, now: Timestamp) -> Result<(), TokenError> {
        if self.exp < now.as_second() - CLOCK_SKEW.as_secs() {
            return Err(TokenError::Expired);
        }
        if self.email.as_deref() != Some(email) {
            return Err(TokenError::Claim("e-mail address"));
        }
        if self.email_verified != Some(true) {
            return Err(TokenError::EmailNotVerified);
        }
        Ok(())
    }
}

/// Why a delivery is not let in. The texts hold nothing of the token.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum TokenError {
    #[error("the request has no bearer token")]
    Missing,
    #[error("the bearer token is no JSON web token with a signature")]
    Malformed,
    #[error("the token is not signed with RS256")]
    Algorithm,
    #[error(
        "Cloud Run has checked the token and removed its signature: PUSH_AUDIENCE has to be `off` behind that check"
    )]
    SignatureRemoved,
    #[error("the token names a key that its issuer does not publish")]
    UnknownKey,
    #[error("the token's signature is not that of its issuer")]
    Signature,
    #[error("the token's {0} is missing or another")]
    Claim(&'static str),
    #[error("the token's e-mail address is not verified")]
    EmailNotVerified,
    #[error("the token has expired")]
    Expired,
    #[error("the keys that tokens are signed with cannot be had")]
    NoKeys,
}

impl TokenError {
    /// Returns what the delivery gets back.
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
    fn nothing_but_off_lets_everybody_in() {
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
    fn an_audience_needs_an_account() {
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
    fn the_keys_are_those_of_google_unless_others_are_named() {
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
