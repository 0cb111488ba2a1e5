//! The datasets, and the table of the audit log.

use google_cloud::{BigQueryWarehouse, CloudSettings};
use shared::address::ProjectId;

/// Makes the datasets and the table of the audit log; the tables of days are made by those who write them.
///
/// # Errors
/// When the service fails.
pub async fn tables(project: &ProjectId, cloud: &CloudSettings) -> anyhow::Result<()> {
    Ok(BigQueryWarehouse::open(project, cloud)
        .await?
        .make_tables()
        .await?)
}
