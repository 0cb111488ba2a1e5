//! Where the emulators are, and names that no other test uses.

use std::sync::atomic::{AtomicU32, Ordering};

use google_cloud::CloudSettings;
use reqwest::Url;
use shared::{
    address::{BucketName, ProjectId},
    settings::{ProcessVariables, required},
};

/// Returns where the emulators of Google Cloud are.
pub(crate) fn cloud() -> CloudSettings {
    let settings = CloudSettings::read(&ProcessVariables).unwrap();
    let all = [
        &settings.bigquery_emulator,
        &settings.pubsub_emulator,
        &settings.storage_emulator,
    ];
    // Without its emulator a test would go to the real service.
    assert!(
        all.iter().all(|emulator| emulator.is_some()),
        "run these tests with `make test-emulators`"
    );
    settings
}

/// Returns where the MLflow server is.
pub(crate) fn mlflow() -> Url {
    required(&ProcessVariables, "MLFLOW_TRACKING_URI")
        .expect("run these tests with `make test-emulators`")
}

/// Returns a name of small letters, digits and hyphens that no other test has got, of this run or another.
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
