//! The addresses of the emulators, and unique names for tests.

use std::sync::atomic::{AtomicU32, Ordering};

use google_cloud::CloudSettings;
use reqwest::Url;
use shared::{
    address::{BucketName, ProjectId},
    settings::{ProcessVariables, required},
};

/// Returns the settings of the Google Cloud emulators, read from the environment.
pub(crate) fn cloud() -> CloudSettings {
    let settings = CloudSettings::read(&ProcessVariables).unwrap();
    let emulators = [
        &settings.bigquery_emulator,
        &settings.pubsub_emulator,
        &settings.storage_emulator,
    ];
    // Without an emulator, a test would call the real service.
    assert!(
        emulators.iter().all(|emulator| emulator.is_some()),
        "run these tests with `make test-emulators`"
    );
    settings
}

/// Returns the address of the MLflow server.
pub(crate) fn mlflow() -> Url {
    required(&ProcessVariables, "MLFLOW_TRACKING_URI")
        .expect("run these tests with `make test-emulators`")
}

/// Returns a name of lowercase ASCII alphanumerics and hyphens, unique across tests and test runs.
pub(crate) fn unique(prefix: &str) -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let now = std::time::SystemTime::UNIX_EPOCH
        .elapsed()
        .unwrap()
        .as_nanos()
        % 1_000_000_000_000;
    format!(
        "{prefix}-{}-{now}-{}",
        std::process::id(),
        NUMBER.fetch_add(1, Ordering::Relaxed)
    )
}

pub(crate) fn project() -> ProjectId {
    unique("project").parse().unwrap()
}

pub(crate) fn bucket() -> BucketName {
    unique("bucket").parse().unwrap()
}
