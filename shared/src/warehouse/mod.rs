//! The warehouse: a table of counts and a table of forecasts for each day, and the audit log.
//!
//! A write replaces a daily table completely, so writing a day twice has no further effect. The
//! tables are `bike_traffic_raw.daily_YYYYMMDD`, `bike_traffic_predictions.daily_YYYYMMDD` and
//! `monitoring_audit.logs`.

mod embedded;
mod forecast_table;
mod parallel;
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

/// The port for the tables that functions read and write.
#[async_trait]
pub trait Warehouse: Send + Sync {
    /// Replaces the table with the counts of a day.
    async fn replace_counts(
        &self,
        day: Day,
        counts: &Counts,
        ingested_at: Timestamp,
    ) -> Result<(), WarehouseError>;

    /// Returns the counts of the days from `first` to `last` inclusive. Days without a table have
    /// no counts.
    async fn counts(&self, first: Day, last: Day) -> Result<Counts, WarehouseError>;

    /// Returns the versions of the tables of counts from `first` to `last` inclusive. Days without
    /// a table are omitted.
    async fn table_versions(
        &self,
        first: Day,
        last: Day,
    ) -> Result<BTreeMap<Day, TableVersion>, WarehouseError>;

    /// Returns the numbers of counts, hours and counters of each day from `first` to `last` inclusive. Days
    /// without counts are omitted.
    async fn count_days(
        &self,
        first: Day,
        last: Day,
    ) -> Result<BTreeMap<Day, DayState>, WarehouseError>;

    /// Writes the counts of the days from `first` to `last` inclusive into a folder of a store, as
    /// objects with the columns of the daily tables. Returns their paths in the order of the days,
    /// or no paths if no day has a table.
    ///
    /// The folder must be empty: existing objects are treated as part of the result.
    ///
    /// # Errors
    /// Returns an error if the warehouse cannot write to this store, or not in this format.
    async fn export_counts(
        &self,
        (first, last): (Day, Day),
        store: &Arc<dyn Store>,
        folder: &ObjectPath,
        format: ExportFormat,
    ) -> Result<Vec<ObjectPath>, WarehouseError>;

    /// Replaces the table with the forecasts for a day.
    async fn replace_forecasts(
        &self,
        day: Day,
        forecasts: &[Forecast],
    ) -> Result<(), WarehouseError>;

    /// Returns the forecasts for the days from `first` to `last` inclusive.
    async fn forecasts(&self, first: Day, last: Day) -> Result<Vec<Forecast>, WarehouseError>;

    /// Records a row of the audit log. It replaces a row with the same function, event id and
    /// decision.
    async fn record(&self, row: &AuditRow) -> Result<(), WarehouseError>;

    /// Returns the audit log in the order of recording.
    async fn audit_log(&self) -> Result<Vec<AuditRow>, WarehouseError>;

    /// Returns the rows of the audit log whose timestamp is not before `since`.
    async fn audit_log_since(&self, since: Timestamp) -> Result<Vec<AuditRow>, WarehouseError> {
        let log = self.audit_log().await?;
        Ok(log
            .into_iter()
            .filter(|row| row.timestamp >= since)
            .collect())
    }
}

/// The format of exported counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ExportFormat {
    /// CSV with a header.
    #[default]
    Csv,
    /// Parquet, whose columns have the types of the daily tables. Only BigQuery writes it.
    Parquet,
}

impl ExportFormat {
    /// Returns the ending of the names of objects and files, without a dot.
    pub const fn ending(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Parquet => "parquet",
        }
    }
}

/// The version of a table. Each replacement of the table has another version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TableVersion(i64);

impl TableVersion {
    /// Creates a version from a number, whose meaning depends on the warehouse.
    pub const fn from_number(number: i64) -> Self {
        Self(number)
    }
}

/// The completeness of a day's counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct DayState {
    /// The number of counts.
    pub rows: u64,
    /// The number of hours with at least one count.
    pub hours: u64,
    /// The number of counters with at least one count.
    pub counters: u64,
}

/// A forecast for one counter and one hour: a row of `bike_traffic_predictions.daily_YYYYMMDD`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Forecast {
    /// The bicycles counted; known once the day is over.
    #[serde(rename = "comptage_horaire")]
    pub actual: Option<u32>,
    /// The published forecast: the expected number of bicycles in the hour.
    pub prediction: f64,
    /// The kind of model, for example `xgboost`.
    pub model_type: String,
    /// The version of the model in the registry.
    pub model_version: Version,
    /// The time of the forecast.
    #[serde(rename = "prediction_ts", with = "tables::instant")]
    pub predicted_at: Timestamp,
    /// The counter's id, if it has one.
    #[serde(rename = "identifiant_du_compteur")]
    pub counter_id: Option<String>,
    /// The display name of the counter.
    #[serde(rename = "nom_du_compteur")]
    pub counter_name: String,
    /// The hour of the forecast.
    #[serde(rename = "date_et_heure_de_comptage", with = "tables::hour")]
    pub hour: Hour,
    /// The model's forecast before the correction. Tables of earlier versions lack this column and
    /// those below.
    #[serde(default)]
    pub model_prediction: Option<f64>,
    /// The factor of the daily correction.
    #[serde(default)]
    pub correction: Option<f64>,
    /// The lower end of the interval that should contain 80 % of the counts. It is absent for
    /// silent counters and in the first days of operation.
    #[serde(default)]
    pub prediction_low_80: Option<f64>,
    /// The upper end of this interval.
    #[serde(default)]
    pub prediction_high_80: Option<f64>,
    /// The lower end of the interval that should contain 95 % of the counts.
    #[serde(default)]
    pub prediction_low_95: Option<f64>,
    /// The upper end of this interval.
    #[serde(default)]
    pub prediction_high_95: Option<f64>,
    /// `true` if the counter's last 24 hours or more were zeros, so that the forecast is 0.
    #[serde(default)]
    pub silent: Option<bool>,
}

impl Forecast {
    /// Returns the key that identifies the counter.
    pub fn counter_key(&self) -> CounterKey {
        CounterKey::of_name(&self.counter_name)
    }

    /// Returns the forecast before the correction. Forecasts of versions without a correction were
    /// published as the model made them.
    pub fn uncorrected(&self) -> f64 {
        self.model_prediction.unwrap_or(self.prediction)
    }
}

/// The error type of [`Warehouse`], with one variant per reaction of the caller.
#[derive(Debug, thiserror::Error)]
pub enum WarehouseError {
    /// The contents of the table are invalid.
    #[error("invalid table {table}")]
    Malformed {
        /// The name or address of the table.
        table: String,
        /// The cause.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The service or the disk is not available.
    #[error("cannot {verb} the table {table}")]
    Unavailable {
        /// The failed operation, as in `read`.
        verb: &'static str,
        /// The name or address of the table.
        table: String,
        /// The cause.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}
