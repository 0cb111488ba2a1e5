//! The bucket of the storage emulator.

use anyhow::Context;
use google_cloud::CloudSettings;
use reqwest::StatusCode;
use serde_json::json;
use shared::address::{BucketName, ProjectId};

/// Creates the bucket on the emulator, unless it exists.
///
/// # Errors
/// Returns an error if `STORAGE_EMULATOR_HOST` is not set, or if the emulator fails.
pub async fn bucket(
    project: &ProjectId,
    bucket: &BucketName,
    cloud: &CloudSettings,
) -> anyhow::Result<()> {
    let emulator = cloud.storage_emulator.as_ref();
    let emulator = emulator
        .context("STORAGE_EMULATOR_HOST is not set; on Google Cloud, run `make deploy` instead")?;
    let request = google_cloud::http_client()?
        .post(format!("{}/storage/v1/b", emulator.origin()))
        .query(&[("project", project.as_str())])
        .json(&json!({ "name": bucket.as_str() }));
    match google_cloud::send(request).await {
        Ok(_) => Ok(()),
        // The bucket exists.
        Err(http_error) if http_error.status() == Some(StatusCode::CONFLICT) => Ok(()),
        Err(http_error) => {
            Err(http_error).with_context(|| format!("cannot create the bucket gs://{bucket}"))
        }
    }
}
