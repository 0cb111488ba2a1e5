//! The emulators of Google Cloud that the environment names.

use google_cloud::CloudSettings;
use shared::{
    address::{Address, BucketName, ProjectId},
    settings::{PortAddresses, SettingsError, Variables},
};

/// The emulators of Cloud Storage, BigQuery and Pub/Sub, with the names to use on them.
pub(crate) struct Emulators {
    /// The addresses of all ports. That of the registry can be any.
    pub(crate) addresses: PortAddresses,
    /// The endpoints of the emulators.
    pub(crate) cloud: CloudSettings,
    /// The bucket.
    pub(crate) bucket: BucketName,
    /// The project of the datasets.
    pub(crate) datasets: ProjectId,
    /// The project of the topics and subscriptions.
    pub(crate) topics: ProjectId,
}

/// The reason why the environment names no emulators.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoEmulators {
    /// A variable is missing or invalid.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// A port is a file or in memory.
    #[error(
        "files and memory have no emulators; run \
         `export GCS_BUCKET=bike-traffic GOOGLE_CLOUD_PROJECT=local`"
    )]
    Embedded,
    /// The addresses are those of Google Cloud itself.
    #[error(
        "no address of an emulator is set for one of the services of Google Cloud; run \
         `make emulators && source state/emulators/env`"
    )]
    GoogleCloud,
}

impl Emulators {
    /// Reads the addresses from environment variables.
    ///
    /// # Errors
    /// Returns an error if a variable is missing or invalid, or if one of the three services is not
    /// an emulator: nothing here may change Google Cloud.
    pub(crate) fn read(variables: &dyn Variables) -> Result<Self, NoEmulators> {
        let addresses = PortAddresses::read(variables)?;
        let cloud = CloudSettings::read(variables)?;
        let (Address::Bucket(bucket), Address::BigQuery(datasets), Address::PubSub(topics)) =
            (&addresses.store, &addresses.warehouse, &addresses.bus)
        else {
            return Err(NoEmulators::Embedded);
        };
        let (bucket, datasets, topics) = (bucket.clone(), datasets.clone(), topics.clone());
        let emulators = [
            &cloud.storage_emulator,
            &cloud.bigquery_emulator,
            &cloud.pubsub_emulator,
        ];
        if emulators.iter().any(|emulator| emulator.is_none()) {
            return Err(NoEmulators::GoogleCloud);
        }
        Ok(Self {
            addresses,
            cloud,
            bucket,
            datasets,
            topics,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads the addresses of a whole deployment, with those of the emulators.
    fn read(emulators: &[(&str, &str)]) -> Result<Emulators, NoEmulators> {
        let names = [
            ("GCS_BUCKET", "a-bucket"),
            ("GOOGLE_CLOUD_PROJECT", "a-project"),
            ("MLFLOW_TRACKING_URI", "http://127.0.0.1:5000"),
        ];
        let all = [&names[..], emulators].concat();
        Emulators::read(&move |name: &str| {
            let found = all.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn missing_emulator_of_any_service_is_an_error() {
        let all = [
            ("STORAGE_EMULATOR_HOST", "http://127.0.0.1:1"),
            ("BIGQUERY_EMULATOR_HOST", "http://127.0.0.1:2"),
            ("PUBSUB_EMULATOR_HOST", "127.0.0.1:3"),
        ];
        let read_all = read(&all).ok().unwrap();
        assert_eq!(read_all.bucket.to_string(), "a-bucket");
        for missing in 0..all.len() {
            let others: Vec<_> = (0..all.len())
                .filter(|position| *position != missing)
                .map(|position| all[position])
                .collect();
            let error = read(&others).err().unwrap();
            assert!(matches!(error, NoEmulators::GoogleCloud), "{error}");
        }
        let files = read(&[("STORE_URL", "memory://")]).err().unwrap();
        assert!(matches!(files, NoEmulators::Embedded), "{files}");
    }
}
