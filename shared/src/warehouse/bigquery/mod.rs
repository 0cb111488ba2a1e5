//! Tables in BigQuery.
//!
//! Daily tables are replaced by load jobs ([`load`]) and read by one query for all days of a range ([`query`],
//! [`rows`]); audit rows are added by a statement and read through their key ([`audit`]).

mod audit;
mod failure;
mod load;
mod make;
mod query;
mod rows;
mod service;

use std::collections::BTreeMap;

use async_trait::async_trait;
use gcp_bigquery_client::model::table_row::TableRow;
use jiff::Timestamp;

use self::{
    failure::Failure,
    query::parameter,
    rows::RowError,
    service::{Service, Table},
};
use super::{
    DayState, Forecast, Warehouse, WarehouseError,
    schema::{self, ColumnType},
};
use crate::{
    address::{Address, OpenError, ProjectId},
    audit::AuditRow,
    cloud::CloudSettings,
    counts::Counts,
    time::Day,
};

/// The order in which daily tables are read.
const BY_HOUR_AND_COUNTER: &str = "ORDER BY date_et_heure_de_comptage, nom_du_compteur, comptage_horaire";

/// A warehouse whose tables lie in the datasets of a project.
pub struct BigQueryWarehouse {
    service: Service,
}

impl BigQueryWarehouse {
    /// Opens the datasets of a project.
    ///
    /// # Errors
    /// When there are no credentials.
    pub async fn open(project: &ProjectId, cloud: &CloudSettings) -> Result<Self, OpenError> {
        let service = Service::open(project, cloud).await;
        let service = service.map_err(|source| OpenError::new(&Address::BigQuery(project.clone()), source))?;
        Ok(Self { service })
    }

    /// Makes the datasets and the table of the audit log where there are none, as terraform does.
    ///
    /// # Errors
    /// When the service does not do it.
    pub async fn make_tables(&self) -> Result<(), WarehouseError> {
        for dataset in schema::DATASETS {
            let made = self.service.make_dataset(dataset).await;
            made.map_err(|failure| error("make the dataset of", &self.service.table(dataset, "*"), failure))?;
        }
        let log = self.audit_table();
        self.service.make_table(&log, &schema::AUDIT_LOG).await.map_err(|failure| error("make", &log, failure))
    }

    /// Reads the daily tables of a range by one query. `order` is what follows its conditions.
    async fn read_days(
        &self,
        dataset: &'static str,
        (columns, order): (&str, &str),
        (first, last): (Day, Day),
        mut take: impl FnMut(TableRow) -> Result<(), RowError> + Send,
    ) -> Result<(), WarehouseError> {
        if last < first {
            return Ok(());
        }
        let tables = self.service.table(dataset, format!("{}*", schema::DAILY_PREFIX));
        // The length keeps copies out, such as daily_20210719_before_repair.
        let sql = format!(
            "SELECT {columns} FROM `{tables}` \
             WHERE _TABLE_SUFFIX BETWEEN @first AND @last AND LENGTH(_TABLE_SUFFIX) = 8 {order}"
        );
        let parameters = vec![
            parameter("first", ColumnType::String, Some(first.compact())),
            parameter("last", ColumnType::String, Some(last.compact())),
        ];
        match self.service.read(&sql, parameters, &mut take).await {
            Err(failure) if failure.is_no_daily_table() => Ok(()),
            read => read.map_err(|failure| error("read", &tables, failure)),
        }
    }

    fn audit_table(&self) -> Table {
        self.service.table(schema::MONITORING, schema::LOGS)
    }
}

#[async_trait]
impl Warehouse for BigQueryWarehouse {
    async fn replace_counts(&self, day: Day, counts: &Counts, ingested_at: Timestamp) -> Result<(), WarehouseError> {
        let table = self.service.table(schema::RAW, schema::daily_table(day));
        let rows = rows::write_counts(counts, ingested_at).map_err(|source| malformed(&table, source))?;
        let loaded = self.service.load(&table, &schema::COUNTS, &rows).await;
        loaded.map_err(|failure| error("replace", &table, failure))
    }

    async fn counts(&self, first: Day, last: Day) -> Result<Counts, WarehouseError> {
        let mut counts = Counts::default();
        let push = |row| rows::push_count(&mut counts, row);
        self.read_days(schema::RAW, (rows::COUNT_COLUMNS, BY_HOUR_AND_COUNTER), (first, last), push).await?;
        Ok(counts)
    }

    async fn count_days(&self, first: Day, last: Day) -> Result<BTreeMap<Day, DayState>, WarehouseError> {
        let mut days = BTreeMap::new();
        let push = |row| rows::read_day_state(row).map(|day_and_state| days.extend([day_and_state]));
        self.read_days(schema::RAW, (rows::DAY_STATE_COLUMNS, "GROUP BY _TABLE_SUFFIX"), (first, last), push).await?;
        Ok(days)
    }

    async fn replace_forecasts(&self, day: Day, forecasts: &[Forecast]) -> Result<(), WarehouseError> {
        let table = self.service.table(schema::PREDICTIONS, schema::daily_table(day));
        let rows = rows::write_forecasts(forecasts).map_err(|source| malformed(&table, source))?;
        let loaded = self.service.load(&table, &schema::FORECASTS, &rows).await;
        loaded.map_err(|failure| error("replace", &table, failure))
    }

    async fn forecasts(&self, first: Day, last: Day) -> Result<Vec<Forecast>, WarehouseError> {
        let mut forecasts = Vec::new();
        let push = |row| rows::read_forecast(row).map(|forecast| forecasts.push(forecast));
        self.read_days(schema::PREDICTIONS, (rows::FORECAST_COLUMNS, BY_HOUR_AND_COUNTER), (first, last), push).await?;
        Ok(forecasts)
    }

    async fn record(&self, row: &AuditRow) -> Result<(), WarehouseError> {
        let table = self.audit_table();
        let added = self.service.query(&audit::insertion(&table), audit::parameters(row)).await;
        added.map(drop).map_err(|failure| error("add to", &table, failure))
    }

    async fn audit_log(&self) -> Result<Vec<AuditRow>, WarehouseError> {
        let (table, mut log) = (self.audit_table(), Vec::new());
        let push = |row| audit::read(row).map(|row| log.push(row));
        let read = self.service.read(&audit::selection(&table), Vec::new(), push).await;
        read.map_err(|failure| error("read", &table, failure))?;
        Ok(log)
    }
}

fn error(verb: &'static str, table: &Table, failure: Failure) -> WarehouseError {
    match failure {
        Failure::Row(source) => malformed(table, source),
        other => WarehouseError::Unavailable { verb, table: table.to_string(), source: Box::new(other) },
    }
}

fn malformed(table: &Table, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> WarehouseError {
    WarehouseError::Malformed { table: table.to_string(), source: source.into() }
}
