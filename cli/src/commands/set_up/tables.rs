//! The BigQuery datasets and the table of the audit log.

use google_cloud::{BigQueryWarehouse, CloudSettings};
use shared::address::ProjectId;

/// Creates the datasets and the table of the audit log, unless they exist.
///
/// Daily tables are created when they are first written.
///
/// # Errors
/// Returns an error if BigQuery fails.
pub async fn tables(project: &ProjectId, cloud: &CloudSettings) -> anyhow::Result<()> {
    Ok(BigQueryWarehouse::open(project, cloud)
        .await?
        .create_tables()
        .await?)
}
