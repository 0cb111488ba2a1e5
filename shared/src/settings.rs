//! The reader of environment variables. Programs read and validate all settings before they open a
//! connection. Errors name the variable.

use std::{fmt, str::FromStr};

use crate::address::{Address, BucketName, ProjectId};

/// A source of environment variables: the process, or a map in tests.
pub trait Variables {
    /// Returns the value of a variable, or `None` if it is not set.
    fn get(&self, name: &str) -> Option<String>;
}

/// The environment of the process.
#[derive(Clone, Copy, Debug, Default)]
pub struct ProcessVariables;

impl Variables for ProcessVariables {
    fn get(&self, name: &str) -> Option<String> {
        #[expect(
            clippy::disallowed_methods,
            reason = "the only access to the environment"
        )]
        std::env::var(name).ok()
    }
}

impl<F: Fn(&str) -> Option<String>> Variables for F {
    fn get(&self, name: &str) -> Option<String> {
        self(name)
    }
}

/// Reads a variable that must be set.
///
/// # Errors
/// Returns an error if the variable is not set, is empty or cannot be parsed.
pub fn required<T>(variables: &dyn Variables, name: &'static str) -> Result<T, SettingsError>
where
    T: FromStr<Err: fmt::Display>,
{
    optional(variables, name)?.ok_or(SettingsError::Missing { name })
}

/// Reads a variable that may be unset. An empty value counts as unset.
///
/// # Errors
/// Returns an error if the value cannot be parsed.
pub fn optional<T>(
    variables: &dyn Variables,
    name: &'static str,
) -> Result<Option<T>, SettingsError>
where
    T: FromStr<Err: fmt::Display>,
{
    let Some(text) = variables.get(name).filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    text.parse()
        .map(Some)
        .map_err(|reason: T::Err| SettingsError::Invalid {
            name,
            reason: reason.to_string(),
        })
}

/// The error returned for a missing or invalid environment variable.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// The variable is not set.
    #[error("the environment variable {name} is not set")]
    Missing {
        /// The variable.
        name: &'static str,
    },
    /// Neither the variable nor its alternative on Google Cloud is set.
    #[error("the environment variable {name} is not set; set it, or set {cloud} on Google Cloud")]
    MissingAddress {
        /// The variable.
        name: &'static str,
        /// The alternative variable on Google Cloud.
        cloud: &'static str,
    },
    /// The value of the variable is invalid.
    #[error("the environment variable {name} is invalid: {reason}")]
    Invalid {
        /// The variable.
        name: &'static str,
        /// The reason why the value is invalid.
        reason: String,
    },
}

/// The addresses of a function's ports.
///
/// On Google Cloud, `GCS_BUCKET` and `GOOGLE_CLOUD_PROJECT` replace three of the variables: they
/// imply `STORE_URL=gs://BUCKET`, `WAREHOUSE_URL=bigquery://PROJECT` and
/// `BUS_URL=pubsub://PROJECT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortAddresses {
    /// The store of artifacts, baselines and the ledger: `STORE_URL`, or the bucket `GCS_BUCKET`.
    pub store: Address,
    /// The warehouse of the daily tables and the audit log: `WAREHOUSE_URL`, or BigQuery in
    /// `GOOGLE_CLOUD_PROJECT`.
    pub warehouse: Address,
    /// The registry of models: `MLFLOW_TRACKING_URI`.
    pub registry: Address,
    /// The bus to publish events to: `BUS_URL`, or Pub/Sub in `GOOGLE_CLOUD_PROJECT`.
    pub bus: Address,
}

impl PortAddresses {
    /// Reads the four addresses.
    ///
    /// # Errors
    /// Returns an error if an address is missing, invalid, or of another port.
    pub fn read(variables: &dyn Variables) -> Result<Self, SettingsError> {
        let project = optional::<ProjectId>(variables, PROJECT)?;
        let bucket = optional::<BucketName>(variables, BUCKET)?;
        let (warehouse, bus) = (
            project.clone().map(Address::BigQuery),
            project.map(Address::PubSub),
        );
        let store = Cloud {
            name: BUCKET,
            address: bucket.map(Address::Bucket),
        };
        let [warehouse, bus] = [warehouse, bus].map(|address| Cloud {
            name: PROJECT,
            address,
        });
        Ok(Self {
            store: address(variables, "STORE_URL", Some(store), Address::is_store)?,
            warehouse: address(
                variables,
                "WAREHOUSE_URL",
                Some(warehouse),
                Address::is_warehouse,
            )?,
            registry: address(variables, "MLFLOW_TRACKING_URI", None, Address::is_registry)?,
            bus: address(variables, "BUS_URL", Some(bus), Address::is_bus)?,
        })
    }
}

const PROJECT: &str = "GOOGLE_CLOUD_PROJECT";
const BUCKET: &str = "GCS_BUCKET";

/// A variable that implies an address on Google Cloud, and that address if the variable is set.
struct Cloud {
    name: &'static str,
    address: Option<Address>,
}

fn address(
    variables: &dyn Variables,
    name: &'static str,
    cloud: Option<Cloud>,
    is_valid: impl Fn(&Address) -> bool,
) -> Result<Address, SettingsError> {
    let address = match (optional::<Address>(variables, name)?, cloud) {
        (Some(address), _)
        | (
            None,
            Some(Cloud {
                address: Some(address),
                ..
            }),
        ) => address,
        (None, Some(cloud)) => {
            return Err(SettingsError::MissingAddress {
                name,
                cloud: cloud.name,
            });
        }
        (None, None) => return Err(SettingsError::Missing { name }),
    };
    if is_valid(&address) {
        return Ok(address);
    }
    Err(SettingsError::Invalid {
        name,
        reason: format!("{address} has the scheme of another port"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables<'a>(known: &'a [(&'a str, &'a str)]) -> impl Variables + 'a {
        move |name: &str| {
            known
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| (*value).to_owned())
        }
    }

    #[test]
    fn error_names_the_variable() {
        let missing = PortAddresses::read(&variables(&[("STORE_URL", "memory://")])).unwrap_err();
        assert_eq!(
            missing,
            SettingsError::MissingAddress {
                name: "WAREHOUSE_URL",
                cloud: "GOOGLE_CLOUD_PROJECT"
            }
        );
        let nothing = PortAddresses::read(&variables(&[]))
            .unwrap_err()
            .to_string();
        assert!(
            nothing.contains("STORE_URL is not set") && nothing.contains("GCS_BUCKET"),
            "{nothing}"
        );
        let only = [
            ("GCS_BUCKET", "a-bucket"),
            ("GOOGLE_CLOUD_PROJECT", "a-project"),
        ];
        let missing = PortAddresses::read(&variables(&only)).unwrap_err();
        assert_eq!(
            missing,
            SettingsError::Missing {
                name: "MLFLOW_TRACKING_URI"
            }
        );
        let wrong = PortAddresses::read(&variables(&[("STORE_URL", "here")]))
            .unwrap_err()
            .to_string();
        assert!(
            wrong.contains("STORE_URL") && wrong.contains("`here`"),
            "{wrong}"
        );
    }

    #[test]
    fn bucket_and_project_imply_the_addresses_on_google_cloud() {
        let cloud = [
            ("GCS_BUCKET", "a-bucket"),
            ("GOOGLE_CLOUD_PROJECT", "a-project"),
            ("MLFLOW_TRACKING_URI", "https://mlflow.example/"),
        ];
        let addresses = PortAddresses::read(&variables(&cloud)).unwrap();
        let found = [
            &addresses.store,
            &addresses.warehouse,
            &addresses.registry,
            &addresses.bus,
        ]
        .map(ToString::to_string);
        assert_eq!(
            found,
            [
                "gs://a-bucket",
                "bigquery://a-project",
                "https://mlflow.example/",
                "pubsub://a-project"
            ]
        );
    }

    #[test]
    fn address_of_another_port_is_rejected() {
        for (name, text) in [
            ("STORE_URL", "pubsub://p"),
            ("BUS_URL", "gs://bucket"),
            ("MLFLOW_TRACKING_URI", "bigquery://p"),
        ] {
            let mut all = vec![
                ("STORE_URL", "memory://"),
                ("WAREHOUSE_URL", "memory://"),
                ("MLFLOW_TRACKING_URI", "memory://"),
                ("BUS_URL", "memory://"),
            ];
            all.retain(|(known, _)| *known != name);
            all.push((name, text));
            let error = PortAddresses::read(&variables(&all)).unwrap_err();
            assert!(
                matches!(&error, SettingsError::Invalid { name: named, .. } if *named == name),
                "{error:?}"
            );
        }
    }

    #[test]
    fn missing_or_empty_address_is_an_error() {
        assert!(PortAddresses::read(&variables(&[])).is_err());
        assert!(PortAddresses::read(&variables(&[("STORE_URL", "")])).is_err());
    }
}
