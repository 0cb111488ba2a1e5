//! The bucket.

use anyhow::Context;
use google_cloud::CloudSettings;
use reqwest::StatusCode;
use serde_json::json;
use shared::address::{BucketName, ProjectId};

/// Makes the bucket on the emulator.
///
/// # Errors
/// When there is no emulator, or it fails.
pub async fn bucket(
    project: &ProjectId,
    bucket: &BucketName,
    cloud: &CloudSettings,
) -> anyhow::Result<()> {
    let emulator = cloud.storage_emulator.as_ref();
    let emulator = emulator
        .context("STORAGE_EMULATOR_HOST is missing; on Google Cloud, terraform makes the bucket")?;
    let request = google_cloud::http_client()?
        .post(format!("{}/storage/v1/b", emulator.origin()))
        .query(&[("project", project.as_str())])
        .json(&json!({ "name": bucket.as_str() }));
    match google_cloud::send(request).await {
        Ok(_) => Ok(()),
        Err(http_error) if http_error.status() == Some(StatusCode::CONFLICT) => Ok(()), // It is there.
        Err(http_error) => {
            Err(http_error).with_context(|| format!("cannot make the bucket gs://{bucket}"))
        }
    }
}
