//! What the Google Cloud adapters and the MLflow adapter have in common: where the services are, who we are to them, and
//! how often and how long a call is tried.

use std::{fmt, str::FromStr};

use reqwest::Url;
use shared::settings::{SettingsError, Variables, optional};

/// Where the services are, where that is not the usual place, and who we are to MLflow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CloudSettings {
    /// `BQ_LOCATION`: where BigQuery runs jobs, as in `europe-west1`; the datasets' own place if not set.
    pub bigquery_location: Option<String>,
    /// `BIGQUERY_EMULATOR_HOST`.
    pub bigquery_emulator: Option<EmulatorHost>,
    /// `PUBSUB_EMULATOR_HOST`.
    pub pubsub_emulator: Option<EmulatorHost>,
    /// `STORAGE_EMULATOR_HOST`.
    pub storage_emulator: Option<EmulatorHost>,
    /// How to log in to MLflow.
    pub mlflow_login: MlflowLogin,
    /// `MLFLOW_MODEL_NAME`: the registered model, `bike-traffic-champion` if not set. Its runs are in the experiment of
    /// the same name.
    pub mlflow_model: Option<String>,
}

/// How to log in to MLflow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum MlflowLogin {
    /// The server asks for nothing.
    #[default]
    None,
    /// `MLFLOW_TRACKING_USERNAME` and `MLFLOW_TRACKING_PASSWORD`.
    Password {
        /// The user.
        user: String,
        /// The password.
        password: Secret,
    },
    /// `MLFLOW_TRACKING_TOKEN`: sent as a bearer token.
    Token(Secret),
}

impl CloudSettings {
    /// Reads the settings.
    ///
    /// # Errors
    /// When one cannot be used.
    pub fn read(variables: &dyn Variables) -> Result<Self, SettingsError> {
        Ok(Self {
            bigquery_location: optional(variables, "BQ_LOCATION")?,
            bigquery_emulator: optional(variables, "BIGQUERY_EMULATOR_HOST")?,
            pubsub_emulator: optional(variables, "PUBSUB_EMULATOR_HOST")?,
            storage_emulator: optional(variables, "STORAGE_EMULATOR_HOST")?,
            mlflow_login: MlflowLogin::read(variables)?,
            mlflow_model: optional(variables, "MLFLOW_MODEL_NAME")?,
        })
    }
}

impl MlflowLogin {
    fn read(variables: &dyn Variables) -> Result<Self, SettingsError> {
        if let Some(token) = optional(variables, "MLFLOW_TRACKING_TOKEN")? {
            return Ok(Self::Token(token));
        }
        let Some(user) = optional(variables, "MLFLOW_TRACKING_USERNAME")? else {
            return Ok(Self::None);
        };
        Ok(Self::Password {
            user,
            password: shared::settings::required(variables, "MLFLOW_TRACKING_PASSWORD")?,
        })
    }
}

/// The address of an emulator: `http://127.0.0.1:9024`, or without the scheme.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmulatorHost(Url);

impl EmulatorHost {
    /// Returns scheme, host and port, without a slash at the end.
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

/// A text that is not shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Returns the text, to be sent and never to be logged.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl FromStr for Secret {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(known: &[(&str, &str)]) -> Result<CloudSettings, SettingsError> {
        let variables = |name: &str| {
            known
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| (*value).to_owned())
        };
        CloudSettings::read(&variables)
    }

    #[test]
    fn an_emulator_may_be_named_with_and_without_a_scheme() {
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
    fn a_user_needs_a_password_and_neither_is_shown() {
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
