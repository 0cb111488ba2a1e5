//! The bucket.

use shared::{
    address::{BucketName, ProjectId},
    cloud::CloudSettings,
};

/// Makes the bucket.
///
/// # Errors
/// When the service fails.
pub async fn bucket(_project: &ProjectId, _bucket: &BucketName, _cloud: &CloudSettings) -> anyhow::Result<()> {
    todo!()
}
