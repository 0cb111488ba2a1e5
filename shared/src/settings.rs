//! Settings are read and parsed before anything listens or connects; a wrong one is named.

use std::{fmt, str::FromStr};

use crate::address::{Address, BucketName, ProjectId};

/// Where settings come from: the process's environment, or a map in tests.
pub trait Variables {
    /// Returns a variable, `None` where it is not set.
    fn get(&self, name: &str) -> Option<String>;
}

/// The environment of the process.
#[derive(Clone, Copy, Debug, Default)]
pub struct ProcessVariables;

impl Variables for ProcessVariables {
    fn get(&self, name: &str) -> Option<String> {
        #[expect(
            clippy::disallowed_methods,
            reason = "the one place that reads the environment"
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
/// When it is not set, is empty or cannot be parsed.
pub fn required<T>(variables: &dyn Variables, name: &'static str) -> Result<T, SettingsError>
where
    T: FromStr<Err: fmt::Display>,
{
    optional(variables, name)?.ok_or(SettingsError::Missing { name })
}

/// Reads a variable that may be absent.
///
/// # Errors
/// When it cannot be parsed.
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

/// A setting that a program cannot start with.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// It is not there.
    #[error("the environment variable {name} is not set")]
    Missing {
        /// The variable.
        name: &'static str,
    },
    /// Neither it is there nor what stands for it on Google Cloud.
    #[error(
        "the environment variable {name} is not set, and neither is {cloud}, which stands for it on Google Cloud"
    )]
    MissingPlace {
        /// The variable.
        name: &'static str,
        /// The variable that is usually set instead.
        cloud: &'static str,
    },
    /// It cannot be used.
    #[error("the environment variable {name} cannot be used: {reason}")]
    Invalid {
        /// The variable.
        name: &'static str,
        /// What is wrong with it.
        reason: String,
    },
}

/// Where a function finds its ports.
///
/// On Google Cloud, `GCS_BUCKET` and `GOOGLE_CLOUD_PROJECT` say it all: they stand for `STORE_URL=gs://BUCKET`,
/// `WAREHOUSE_URL=bigquery://PROJECT` and `BUS_URL=pubsub://PROJECT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortAddresses {
    /// `STORE_URL`, else the bucket `GCS_BUCKET`: artifacts, baselines and the ledger.
    pub store: Address,
    /// `WAREHOUSE_URL`, else BigQuery in `GOOGLE_CLOUD_PROJECT`: the daily tables and the audit log.
    pub warehouse: Address,
    /// `MLFLOW_TRACKING_URI`: the registry of models.
    pub registry: Address,
    /// `BUS_URL`, else Pub/Sub in `GOOGLE_CLOUD_PROJECT`: where events are published.
    pub bus: Address,
}

impl PortAddresses {
    /// Reads all four.
    ///
    /// # Errors
    /// When one is missing, is no address, or is the address of another port.
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

/// A variable that stands for an address on Google Cloud, and the address if it is set.
struct Cloud {
    name: &'static str,
    address: Option<Address>,
}

fn address(
    variables: &dyn Variables,
    name: &'static str,
    cloud: Option<Cloud>,
    suits: impl Fn(&Address) -> bool,
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
            return Err(SettingsError::MissingPlace {
                name,
                cloud: cloud.name,
            });
        }
        (None, None) => return Err(SettingsError::Missing { name }),
    };
    if suits(&address) {
        return Ok(address);
    }
    Err(SettingsError::Invalid {
        name,
        reason: format!("{address} is the address of another kind of place"),
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
    fn the_error_names_the_variable() {
        let missing = PortAddresses::read(&variables(&[("STORE_URL", "memory://")])).unwrap_err();
        assert_eq!(
            missing,
            SettingsError::MissingPlace {
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
    fn on_google_cloud_bucket_and_project_are_enough() {
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
    fn a_place_of_another_kind_is_refused() {
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
    fn an_absent_address_is_no_fallback_and_neither_is_an_empty_one() {
        assert!(PortAddresses::read(&variables(&[])).is_err());
        assert!(PortAddresses::read(&variables(&[("STORE_URL", "")])).is_err());
    }
}
