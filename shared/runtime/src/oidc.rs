//! Authentication of push deliveries by the OIDC token of the subscription, see
//! <https://cloud.google.com/pubsub/docs/authenticate-push-subscriptions>.
//!
//! This module reads the mode; [`verifier`] verifies the tokens.

#[cfg(feature = "cloud")]
mod verifier;
#[cfg(not(feature = "cloud"))]
#[path = "oidc/no_verifier.rs"]
mod verifier;

use reqwest::Url;
use shared::settings::{SettingsError, Variables, optional, required};

pub(super) use verifier::TokenVerifier;

/// The URL of Google's public signing keys.
const GOOGLE_KEYS: &str = "https://www.googleapis.com/oauth2/v3/certs";

/// The value of `PUSH_AUDIENCE` that disables authentication.
const OFF: &str = "off";
/// The value of `PUSH_AUDIENCE` behind Cloud Run's check of callers. An audience may follow after a
/// colon.
const CLOUD_RUN: &str = "cloud-run";

/// The authentication mode of push deliveries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum PushAuthentication {
    /// `PUSH_AUDIENCE=off`: deliveries are not authenticated. Intended for local use.
    #[default]
    Off,
    /// `PUSH_AUDIENCE=cloud-run`: Cloud Run has verified the bearer token and removed its
    /// signature. Deliveries must have the claims of the push account. Other routes are open to
    /// all callers that Cloud Run admits.
    CloudRun {
        /// `PUSH_AUDIENCE=cloud-run:AUDIENCE`: the audience of the token, if it is compared too.
        audience: Option<String>,
        /// `PUSH_SERVICE_ACCOUNT`: the email address of the service account of the push
        /// subscription.
        email: String,
    },
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
        let Some(text) = optional::<String>(variables, "PUSH_AUDIENCE")? else {
            let reason = "it is not set; set it to the audience of the push subscription, to `cloud-run` behind Cloud Run's check of callers, or to `off` to disable authentication";
            return Err(invalid("PUSH_AUDIENCE", reason));
        };
        if text == OFF {
            return Ok(Self::Off);
        }
        let (is_forwarded, audience) = match text.strip_prefix(CLOUD_RUN) {
            Some("") => (true, None),
            Some(rest) => (true, Some(rest.strip_prefix(':').unwrap_or_default())),
            None => (false, Some(text.as_str())),
        };
        if audience.is_some_and(|audience| !audience.contains("://")) {
            let reason = "expected a URL, `cloud-run`, `cloud-run:` and a URL, or `off`";
            return Err(invalid("PUSH_AUDIENCE", reason));
        }
        let email: String = required(variables, "PUSH_SERVICE_ACCOUNT")?;
        if !email.contains('@') {
            return Err(invalid("PUSH_SERVICE_ACCOUNT", "expected an email address"));
        }
        match audience.map(str::to_owned) {
            Some(audience) if !is_forwarded => Ok(Self::Required {
                audience,
                email,
                keys: keys(variables)?,
            }),
            audience => Ok(Self::CloudRun { audience, email }),
        }
    }

    /// Returns the verifier of tokens, or `None` if authentication is off.
    pub(super) fn verifier(&self) -> Option<TokenVerifier> {
        match self {
            Self::Off => None,
            Self::CloudRun { audience, email } => {
                Some(TokenVerifier::forwarded(audience.as_deref(), email))
            }
            Self::Required {
                audience,
                email,
                keys,
            } => Some(TokenVerifier::signed(audience, email, keys)),
        }
    }
}

/// Returns the URL of the keys that sign the tokens.
fn keys(variables: &dyn Variables) -> Result<Url, SettingsError> {
    let keys = optional(variables, "PUSH_JWKS_URL")?;
    Ok(keys.unwrap_or_else(|| {
        GOOGLE_KEYS
            .parse()
            .unwrap_or_else(|_| unreachable!("{GOOGLE_KEYS} is a URL"))
    }))
}

fn invalid(name: &'static str, reason: &str) -> SettingsError {
    SettingsError::Invalid {
        name,
        reason: reason.to_owned(),
    }
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
    fn audience_of_cloud_run_is_optional_and_the_account_is_not() {
        let cloud_run = |audience: Option<&str>| PushAuthentication::CloudRun {
            audience: audience.map(str::to_owned),
            email: ACCOUNT.1.to_owned(),
        };
        let name = "PUSH_AUDIENCE";
        assert_eq!(read(&[(name, "cloud-run"), ACCOUNT]), Ok(cloud_run(None)));
        assert_eq!(
            read(&[(name, "cloud-run:https://ingest.example"), ACCOUNT]),
            Ok(cloud_run(Some("https://ingest.example")))
        );
        assert_eq!(
            read(&[(name, "cloud-run")]),
            Err(SettingsError::Missing {
                name: "PUSH_SERVICE_ACCOUNT"
            })
        );
        for text in [
            "cloud-run:",
            "cloud-run:off",
            "cloud-runs",
            "cloud-runhttps://a",
        ] {
            let error = read(&[(name, text), ACCOUNT]).unwrap_err().to_string();
            assert!(error.contains(name), "{text}: {error}");
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
