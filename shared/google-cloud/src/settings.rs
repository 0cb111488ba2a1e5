//! The settings of the adapters: Google Cloud, MLflow, and the webhook of notifications.

use std::str::FromStr;

use reqwest::Url;
use secrecy::SecretString;
use shared::settings::{SettingsError, Variables, optional, required};

use crate::WebhookAddress;

/// The endpoints of emulators, the location of BigQuery, the login to MLflow, and the webhook of
/// notifications.
#[derive(Clone, Debug, Default)]
pub struct CloudSettings {
    /// `BQ_LOCATION`: the location of BigQuery jobs, for example `europe-west1`. Defaults to the
    /// location of the datasets.
    pub bigquery_location: Option<String>,
    /// `BIGQUERY_EMULATOR_HOST`: the BigQuery emulator, if any.
    pub bigquery_emulator: Option<EmulatorHost>,
    /// `PUBSUB_EMULATOR_HOST`: the Pub/Sub emulator, if any.
    pub pubsub_emulator: Option<EmulatorHost>,
    /// `STORAGE_EMULATOR_HOST`: the Cloud Storage emulator, if any.
    pub storage_emulator: Option<EmulatorHost>,
    /// The login to MLflow.
    pub mlflow_login: MlflowLogin,
    /// `MLFLOW_ACCOUNT`: the email address of the service account that Google ID tokens for MLflow
    /// name. It is impersonated. Defaults to the account of the application default credentials.
    pub mlflow_account: Option<String>,
    /// `MLFLOW_MODEL_NAME`: the registered model. Defaults to `bike-traffic-champion`. Its runs are
    /// in the experiment with the same name.
    pub mlflow_model: Option<String>,
    /// `NOTIFY_WEBHOOK`: the webhook of notifications. Without it, none are sent.
    pub notify_webhook: Option<WebhookAddress>,
}

/// The login to an MLflow server.
#[derive(Clone, Debug, Default)]
pub enum MlflowLogin {
    /// Google ID tokens for a service on Cloud Run (`https://….run.app`), no authentication for
    /// other servers.
    #[default]
    Detected,
    /// `MLFLOW_ID_TOKEN=off`: no authentication.
    None,
    /// `MLFLOW_ID_TOKEN=on`: Google ID tokens whose audience is the server.
    IdToken,
    /// `MLFLOW_TRACKING_USERNAME` and `MLFLOW_TRACKING_PASSWORD`.
    Password {
        /// The user name.
        user: String,
        /// The password.
        password: SecretString,
    },
    /// `MLFLOW_TRACKING_TOKEN`: sent as a bearer token.
    Token(SecretString),
}

impl CloudSettings {
    /// Reads the settings from environment variables.
    ///
    /// # Errors
    /// Returns an error that names the first invalid variable, or a missing
    /// `MLFLOW_TRACKING_PASSWORD`.
    pub fn read(variables: &dyn Variables) -> Result<Self, SettingsError> {
        Ok(Self {
            bigquery_location: optional(variables, "BQ_LOCATION")?,
            bigquery_emulator: optional(variables, "BIGQUERY_EMULATOR_HOST")?,
            pubsub_emulator: optional(variables, "PUBSUB_EMULATOR_HOST")?,
            storage_emulator: optional(variables, "STORAGE_EMULATOR_HOST")?,
            mlflow_login: MlflowLogin::read(variables)?,
            mlflow_account: account(variables)?,
            mlflow_model: optional(variables, "MLFLOW_MODEL_NAME")?,
            notify_webhook: optional(variables, "NOTIFY_WEBHOOK")?,
        })
    }
}

impl MlflowLogin {
    fn read(variables: &dyn Variables) -> Result<Self, SettingsError> {
        if let Some(token) = optional::<String>(variables, "MLFLOW_TRACKING_TOKEN")? {
            return Ok(Self::Token(token.into()));
        }
        if let Some(user) = optional(variables, "MLFLOW_TRACKING_USERNAME")? {
            let password: String = required(variables, "MLFLOW_TRACKING_PASSWORD")?;
            return Ok(Self::Password {
                user,
                password: password.into(),
            });
        }
        let name = "MLFLOW_ID_TOKEN";
        match optional::<String>(variables, name)?.as_deref() {
            None => Ok(Self::Detected),
            Some("on") => Ok(Self::IdToken),
            Some("off") => Ok(Self::None),
            Some(_) => Err(SettingsError::Invalid {
                name,
                reason: "expected `on` or `off`".to_owned(),
            }),
        }
    }
}

fn account(variables: &dyn Variables) -> Result<Option<String>, SettingsError> {
    let name = "MLFLOW_ACCOUNT";
    let account = optional::<String>(variables, name)?;
    if account.as_ref().is_some_and(|text| !text.contains('@')) {
        return Err(SettingsError::Invalid {
            name,
            reason: "expected the email address of a service account".to_owned(),
        });
    }
    Ok(account)
}

/// The address of an emulator, for example `http://127.0.0.1:9024`; the scheme is optional.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmulatorHost(Url);

impl EmulatorHost {
    /// Returns scheme, host, and port, without a trailing slash.
    pub fn origin(&self) -> String {
        self.0.as_str().trim_end_matches('/').to_owned()
    }
}

impl FromStr for EmulatorHost {
    type Err = <Url as FromStr>::Err;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.contains("://") {
            text.parse().map(Self)
        } else {
            format!("http://{text}").parse().map(Self)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<CloudSettings, SettingsError> {
        let lookup = |name: &str| {
            variables
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| (*value).to_owned())
        };
        CloudSettings::read(&lookup)
    }

    #[test]
    fn emulator_host_scheme_is_optional() {
        for text in [
            "127.0.0.1:8085",
            "http://127.0.0.1:8085",
            "http://127.0.0.1:8085/",
        ] {
            let settings = read(&[("PUBSUB_EMULATOR_HOST", text)]).unwrap();
            assert_eq!(
                settings.pubsub_emulator.unwrap().origin(),
                "http://127.0.0.1:8085"
            );
        }
        let error = read(&[("STORAGE_EMULATOR_HOST", "http://")])
            .unwrap_err()
            .to_string();
        assert!(error.contains("STORAGE_EMULATOR_HOST"), "{error}");
    }

    #[test]
    fn invalid_webhook_is_named_without_its_address() {
        let error = read(&[("NOTIFY_WEBHOOK", "http://chat.example/geheim")])
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("NOTIFY_WEBHOOK") && !error.contains("geheim"),
            "{error}"
        );
        assert!(
            read(&[("NOTIFY_WEBHOOK", "")])
                .unwrap()
                .notify_webhook
                .is_none()
        );
    }

    #[test]
    fn login_is_the_first_that_is_set() {
        let [token, user, password, id_token] = [
            ("MLFLOW_TRACKING_TOKEN", "geheim"),
            ("MLFLOW_TRACKING_USERNAME", "zoë"),
            ("MLFLOW_TRACKING_PASSWORD", "geheim"),
            ("MLFLOW_ID_TOKEN", "on"),
        ];
        let login = |known: &[(&str, &str)]| read(known).unwrap().mlflow_login;
        assert!(matches!(login(&[]), MlflowLogin::Detected));
        assert!(matches!(login(&[id_token]), MlflowLogin::IdToken));
        let off = ("MLFLOW_ID_TOKEN", "off");
        assert!(matches!(login(&[off]), MlflowLogin::None));
        let with_password = login(&[id_token, user, password]);
        assert!(matches!(with_password, MlflowLogin::Password { .. }));
        let with_token = login(&[id_token, user, password, token]);
        assert!(matches!(with_token, MlflowLogin::Token(_)));
        let invalid = [("MLFLOW_ID_TOKEN", "yes"), ("MLFLOW_ACCOUNT", "operators")];
        for (name, value) in invalid {
            let error = read(&[(name, value)]).unwrap_err().to_string();
            assert!(error.contains(name), "{error}");
        }
    }

    #[test]
    fn user_requires_password_and_debug_redacts_it() {
        let user = ("MLFLOW_TRACKING_USERNAME", "zoë");
        assert_eq!(
            read(&[user]).unwrap_err(),
            SettingsError::Missing {
                name: "MLFLOW_TRACKING_PASSWORD"
            }
        );
        let settings = read(&[user, ("MLFLOW_TRACKING_PASSWORD", "geheim")]).unwrap();
        assert!(!format!("{settings:?}").contains("geheim"), "{settings:?}");
    }
}
