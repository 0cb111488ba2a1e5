//! The datasets, and the table of the audit log.

use shared::{address::ProjectId, cloud::CloudSettings};

/// Makes the datasets and the table of the audit log.
///
/// # Errors
/// When the service fails.
pub async fn tables(_project: &ProjectId, _cloud: &CloudSettings) -> anyhow::Result<()> {
    todo!()
}
