//! The warehouse on BigQuery.
//!
//! Load jobs replace daily tables ([`load`]), and one query reads the daily tables of a range
//! ([`days`], [`query`], [`rows`]); beside tables of another schema, a query names each
//! ([`checked`]). Counts are cached ([`cache`]). Audit rows are inserted by a statement and read
//! through their key ([`audit`]).

mod audit;
mod cache;
mod checked;
mod create;
mod days;
mod export;
mod failure;
mod load;
mod query;
mod rows;
mod service;

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use forecasting::{counts::Counts, time::Day};
use jiff::Timestamp;
use shared::{
    address::{Address, ObjectPath, OpenError, ProjectId},
    audit::AuditRow,
    store::Store,
    warehouse::{
        DayState, ExportFormat, Forecast, TableVersion, Warehouse, WarehouseError, schema,
    },
};

use self::{
    cache::DayCache,
    days::BY_DAY_HOUR_AND_COUNTER,
    failure::Failure,
    rows::Rows,
    service::{Service, Table},
};
use crate::CloudSettings;

/// A warehouse in the datasets of a project.
///
/// Counts of recently read days are cached in memory; a day is read again after its table was
/// replaced.
pub struct BigQueryWarehouse {
    service: Service,
    cache: DayCache,
}

impl BigQueryWarehouse {
    /// Creates a warehouse for a project; no request is sent yet.
    ///
    /// # Errors
    /// Returns an error if there are no credentials.
    pub async fn open(project: &ProjectId, cloud: &CloudSettings) -> Result<Self, OpenError> {
        let service = Service::open(project, cloud).await;
        let service = service
            .map_err(|source| OpenError::new(&Address::BigQuery(project.clone()), source))?;
        Ok(Self {
            service,
            cache: DayCache::default(),
        })
    }

    /// Creates the datasets and the table of the audit log if they do not exist. In the cloud,
    /// Terraform creates them.
    ///
    /// # Errors
    /// Returns an error if the service rejects a request or cannot be reached.
    pub async fn create_tables(&self) -> Result<(), WarehouseError> {
        for dataset in schema::DATASETS {
            let created = self.service.create_dataset(dataset).await;
            created.map_err(|failure| {
                error(
                    "create the dataset of",
                    &self.service.table(dataset, "*"),
                    failure,
                )
            })?;
        }
        let log = self.audit_table();
        self.service
            .create_table(&log, &schema::AUDIT_LOG)
            .await
            .map_err(|failure| error("create", &log, failure))
    }

    /// Returns the wildcard of all daily tables of a dataset.
    fn tables(&self, dataset: &'static str) -> Table {
        self.service
            .table(dataset, format!("{}*", schema::DAILY_PREFIX))
    }

    fn audit_table(&self) -> Table {
        self.service.table(schema::MONITORING, schema::LOGS)
    }

    async fn read_audit_log(
        &self,
        since: Option<Timestamp>,
    ) -> Result<Vec<AuditRow>, WarehouseError> {
        let (table, mut log) = (self.audit_table(), Vec::new());
        let push = |row| audit::read(row).map(|row| log.push(row));
        let (sql, parameters) = audit::selection(&table, since);
        let read = self.service.read(&sql, parameters, push).await;
        read.map_err(|failure| error("read", &table, failure))?;
        Ok(log)
    }
}

#[async_trait]
impl Warehouse for BigQueryWarehouse {
    async fn replace_counts(
        &self,
        day: Day,
        counts: &Counts,
        ingested_at: Timestamp,
    ) -> Result<(), WarehouseError> {
        let table = self.service.table(schema::RAW, schema::daily_table(day));
        let rows =
            Rows::of_counts(counts, ingested_at).map_err(|source| malformed(&table, source))?;
        let loaded = self.service.load(&table, &schema::COUNTS, &rows).await;
        loaded.map_err(|failure| error("replace", &table, failure))
    }

    async fn counts(&self, first: Day, last: Day) -> Result<Counts, WarehouseError> {
        self.counts_of((first, last)).await
    }

    async fn table_versions(
        &self,
        first: Day,
        last: Day,
    ) -> Result<BTreeMap<Day, TableVersion>, WarehouseError> {
        let tables = self.daily_tables(schema::RAW, (first, last)).await?;
        Ok(tables
            .into_iter()
            .map(|(day, table)| (day, table.version))
            .collect())
    }

    async fn count_days(
        &self,
        first: Day,
        last: Day,
    ) -> Result<BTreeMap<Day, DayState>, WarehouseError> {
        let mut days = BTreeMap::new();
        let push =
            |row| rows::read_day_state(row).map(|day_and_state| days.extend([day_and_state]));
        let by_day = "GROUP BY _TABLE_SUFFIX";
        self.read_range(
            schema::RAW,
            rows::DAY_STATE_COLUMNS,
            (first, last),
            by_day,
            push,
        )
        .await?;
        Ok(days)
    }

    async fn export_counts(
        &self,
        days: (Day, Day),
        store: &Arc<dyn Store>,
        folder: &ObjectPath,
        format: ExportFormat,
    ) -> Result<Vec<ObjectPath>, WarehouseError> {
        self.export(days, &**store, folder, format).await
    }

    async fn replace_forecasts(
        &self,
        day: Day,
        forecasts: &[Forecast],
    ) -> Result<(), WarehouseError> {
        let table = self
            .service
            .table(schema::PREDICTIONS, schema::daily_table(day));
        let rows = Rows::of_forecasts(forecasts).map_err(|source| malformed(&table, source))?;
        let loaded = self.service.load(&table, &schema::FORECASTS, &rows).await;
        loaded.map_err(|failure| error("replace", &table, failure))
    }

    async fn forecasts(&self, first: Day, last: Day) -> Result<Vec<Forecast>, WarehouseError> {
        let mut forecasts = Vec::new();
        let push = |row| rows::read_forecast(row).map(|forecast| forecasts.push(forecast));
        let columns = rows::forecast_columns();
        self.read_range(
            schema::PREDICTIONS,
            &columns,
            (first, last),
            BY_DAY_HOUR_AND_COUNTER,
            push,
        )
        .await?;
        Ok(forecasts)
    }

    async fn record(&self, row: &AuditRow) -> Result<(), WarehouseError> {
        let table = self.audit_table();
        let parameters = audit::parameters(row).map_err(|source| malformed(&table, source))?;
        let added = self
            .service
            .query(&audit::insertion(&table), parameters)
            .await;
        added
            .map(drop)
            .map_err(|failure| error("append to", &table, failure))
    }

    async fn audit_log(&self) -> Result<Vec<AuditRow>, WarehouseError> {
        self.read_audit_log(None).await
    }

    async fn audit_log_since(&self, since: Timestamp) -> Result<Vec<AuditRow>, WarehouseError> {
        self.read_audit_log(Some(since)).await
    }
}

fn error(verb: &'static str, table: &Table, failure: Failure) -> WarehouseError {
    match failure {
        Failure::Row(source) => malformed(table, source),
        other => WarehouseError::Unavailable {
            verb,
            table: table.to_string(),
            source: Box::new(other),
        },
    }
}

fn malformed(
    table: &Table,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> WarehouseError {
    WarehouseError::Malformed {
        table: table.to_string(),
        source: source.into(),
    }
}
