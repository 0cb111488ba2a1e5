//! Tables: the counts of each day, the forecasts of each day, and the audit log.
//!
//! Daily tables are replaced whole, never appended to, so writing a day twice leaves one day. The tables and their
//! columns are `bike_traffic_raw.daily_YYYYMMDD`, `bike_traffic_predictions.daily_YYYYMMDD` and `monitoring_audit.logs`.

mod embedded;
pub mod schema;
pub mod tables;

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use forecasting::{
    counts::{CounterKey, Counts},
    time::{Day, Hour},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use embedded::EmbeddedWarehouse;

use crate::{address::ObjectPath, audit::AuditRow, registry::Version, store::Store};

/// The tables that functions read and write.
#[async_trait]
pub trait Warehouse: Send + Sync {
    /// Replaces the table of a day's counts.
    async fn replace_counts(
        &self,
        day: Day,
        counts: &Counts,
        ingested_at: Timestamp,
    ) -> Result<(), WarehouseError>;

    /// Returns the counts of the days from `first` to `last`, both included; days without a table are left out.
    async fn counts(&self, first: Day, last: Day) -> Result<Counts, WarehouseError>;

    /// Returns which writing of the table of counts each day from `first` to `last`, both included, has; days without a
    /// table are left out.
    async fn table_versions(
        &self,
        first: Day,
        last: Day,
    ) -> Result<BTreeMap<Day, TableVersion>, WarehouseError>;

    /// Returns how complete the days from `first` to `last`, both included, are; days without any count are left out.
    async fn count_days(
        &self,
        first: Day,
        last: Day,
    ) -> Result<BTreeMap<Day, DayState>, WarehouseError>;

    /// Writes the counts of the days from `first` to `last`, both included, into a folder of a store: CSV objects with a
    /// header and the columns of the daily tables. Returns them in the order of the days; where no day has a table there
    /// are none.
    ///
    /// The folder must be new: what is in it already is taken for a part of the result.
    ///
    /// # Errors
    /// When the warehouse cannot write into this store.
    async fn export_counts(
        &self,
        (first, last): (Day, Day),
        store: &Arc<dyn Store>,
        folder: &ObjectPath,
    ) -> Result<Vec<ObjectPath>, WarehouseError>;

    /// Replaces the table of a day's forecasts.
    async fn replace_forecasts(
        &self,
        day: Day,
        forecasts: &[Forecast],
    ) -> Result<(), WarehouseError>;

    /// Returns the forecasts for the days from `first` to `last`, both included.
    async fn forecasts(&self, first: Day, last: Day) -> Result<Vec<Forecast>, WarehouseError>;

    /// Records a row of the audit log; one with the same function, event id and decision is replaced.
    async fn record(&self, row: &AuditRow) -> Result<(), WarehouseError>;

    /// Returns the audit log in the order of recording.
    async fn audit_log(&self) -> Result<Vec<AuditRow>, WarehouseError>;

    /// As [`Warehouse::audit_log`], without what was decided before an instant.
    async fn audit_log_since(&self, since: Timestamp) -> Result<Vec<AuditRow>, WarehouseError> {
        let log = self.audit_log().await?;
        Ok(log
            .into_iter()
            .filter(|row| row.timestamp >= since)
            .collect())
    }
}

/// Which writing of a table it is: each replacement of the table gives it another number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TableVersion(i64);

impl TableVersion {
    /// Returns the version with a number; the meaning of the number is the warehouse's own.
    pub const fn from_number(number: i64) -> Self {
        Self(number)
    }
}

/// How complete the counts of a day are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct DayState {
    /// The number of counts.
    pub rows: u64,
    /// The number of hours for which there is at least one count.
    pub hours: u64,
}

/// A forecast of one counter for one hour.
#[derive(Clone, Debug, PartialEq)]
pub struct Forecast {
    /// The counter's id, where it has one.
    pub counter_id: Option<String>,
    /// The counter's name.
    pub counter_name: String,
    /// The hour it is for.
    pub hour: Hour,
    /// The bicycles expected in that hour.
    pub prediction: f64,
    /// The bicycles counted, once the day is over.
    pub actual: Option<u32>,
    /// The kind of model, as in `xgboost`.
    pub model_type: String,
    /// The version of the model.
    pub model_version: Version,
    /// When it was forecast.
    pub predicted_at: Timestamp,
}

impl Forecast {
    /// Returns what identifies the counter.
    pub fn counter_key(&self) -> CounterKey {
        CounterKey::of_name(&self.counter_name)
    }
}

/// What a caller does differently.
#[derive(Debug, thiserror::Error)]
pub enum WarehouseError {
    /// A table holds what its columns do not allow.
    #[error("cannot understand the table {table}")]
    Malformed {
        /// The table.
        table: String,
        /// What is wrong.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The service or disk does not do it at present.
    #[error("cannot {verb} the table {table}")]
    Unavailable {
        /// What was attempted.
        verb: &'static str,
        /// The table.
        table: String,
        /// Why not.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}
