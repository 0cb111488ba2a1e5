//! Tables in BigQuery.

use async_trait::async_trait;
use jiff::Timestamp;

use super::{Forecast, Warehouse, WarehouseError};
use crate::{
    address::{OpenError, ProjectId},
    audit::AuditRow,
    cloud::CloudSettings,
    counts::Counts,
    time::Day,
};

/// A warehouse whose tables lie in the datasets of a project.
pub struct BigQueryWarehouse {}

impl BigQueryWarehouse {
    /// Opens the datasets of a project.
    ///
    /// # Errors
    /// When there are no credentials.
    pub async fn open(_project: &ProjectId, _cloud: &CloudSettings) -> Result<Self, OpenError> {
        todo!()
    }
}

#[async_trait]
impl Warehouse for BigQueryWarehouse {
    async fn replace_counts(&self, _day: Day, _counts: &Counts, _at: Timestamp) -> Result<(), WarehouseError> {
        todo!()
    }
    async fn counts(&self, _first: Day, _last: Day) -> Result<Counts, WarehouseError> {
        todo!()
    }
    async fn replace_forecasts(&self, _day: Day, _forecasts: &[Forecast]) -> Result<(), WarehouseError> {
        todo!()
    }
    async fn forecasts(&self, _first: Day, _last: Day) -> Result<Vec<Forecast>, WarehouseError> {
        todo!()
    }
    async fn record(&self, _row: &AuditRow) -> Result<(), WarehouseError> {
        todo!()
    }
    async fn audit_log(&self) -> Result<Vec<AuditRow>, WarehouseError> {
        todo!()
    }
}
