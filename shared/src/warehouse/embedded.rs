//! The warehouse with CSV tables in a store.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use async_trait::async_trait;
use bytes::Bytes;
use forecasting::{
    counts::{self, Counts},
    time::Day,
};
use jiff::Timestamp;

use super::{
    DayState, ExportFormat, Forecast, TableVersion, Warehouse, WarehouseError,
    parallel::{self, Table},
    schema::{self, PREDICTIONS, RAW},
    tables,
};
use crate::{
    address::ObjectPath,
    audit::AuditRow,
    store::{Condition, Generation, Store, StoreError},
};

/// A warehouse that stores the table `DATASET.TABLE` as the object `DATASET/TABLE.csv`.
#[derive(Clone)]
pub struct EmbeddedWarehouse {
    store: Arc<dyn Store>,
}

impl EmbeddedWarehouse {
    /// Creates a warehouse with its tables in `store`.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }

    async fn replace(&self, path: &ObjectPath, table: Vec<u8>) -> Result<(), WarehouseError> {
        let written = self
            .store
            .write(path, table.into(), Condition::Always)
            .await;
        written
            .map(drop)
            .map_err(|source| unavailable("replace", path, source))
    }

    /// Returns a table and its generation, or `None` if the table does not exist.
    async fn read(&self, path: &ObjectPath) -> Result<Option<(Bytes, Generation)>, WarehouseError> {
        match self.store.read(path).await {
            Ok(object) => Ok(Some((object.bytes, object.generation))),
            Err(StoreError::NotFound { .. }) => Ok(None),
            Err(source) => Err(unavailable("read", path, source)),
        }
    }

    /// Reads the daily tables of a range, and passes the contents of each to `add`, in the order of
    /// the days. Days without a table are skipped.
    ///
    /// # Errors
    /// Returns the first error in the order of the days.
    async fn read_range<T: Send>(
        &self,
        dataset: &str,
        (first, last): (Day, Day),
        parse: fn(&Table) -> Result<T, WarehouseError>,
        mut add: impl FnMut(T) + Send,
    ) -> Result<(), WarehouseError> {
        let mut days = first.through(last);
        loop {
            let (tables, failure) = self.read_batch(dataset, &mut days).await;
            for contents in parallel::parse_all(&tables, parse) {
                add(contents?);
            }
            match failure {
                Some(failure) => return Err(failure),
                None if tables.is_empty() => return Ok(()),
                None => {}
            }
        }
    }

    /// Reads the tables of the next days until they have [`parallel::BATCH_BYTES`]. Also returns
    /// the error that ended the reading. Without one, no tables mean that no day is left.
    async fn read_batch(
        &self,
        dataset: &str,
        days: &mut (impl Iterator<Item = Day> + Send),
    ) -> (Vec<Table>, Option<WarehouseError>) {
        let (mut tables, mut size) = (Vec::new(), 0);
        while size < parallel::BATCH_BYTES
            && let Some(day) = days.next()
        {
            let path = daily(dataset, day);
            match self.read(&path).await {
                Ok(Some((bytes, _))) => {
                    size += bytes.len();
                    tables.push(Table { path, bytes });
                }
                Ok(None) => {}
                Err(failure) => return (tables, Some(failure)),
            }
        }
        (tables, None)
    }

    /// Returns the days of a range that have a table, in order.
    async fn days_with_table(
        &self,
        dataset: &str,
        first: Day,
        last: Day,
    ) -> Result<Vec<Day>, WarehouseError> {
        let prefix = format!("{dataset}/{}", schema::DAILY_PREFIX);
        let listed = self.store.list(&prefix).await;
        let paths = listed.map_err(|source| unavailable_tables("list", dataset, source))?;
        // Other tables may share the prefix, for example daily_20210719_before_repair.
        let day = |path: &ObjectPath| {
            let name = path.as_str().strip_prefix(&prefix)?.strip_suffix(".csv")?;
            Day::from_compact(name).ok()
        };
        Ok(paths
            .iter()
            .filter_map(day)
            .filter(|day| (first..=last).contains(day))
            .collect())
    }
}

#[async_trait]
impl Warehouse for EmbeddedWarehouse {
    async fn replace_counts(
        &self,
        day: Day,
        counts: &Counts,
        ingested_at: Timestamp,
    ) -> Result<(), WarehouseError> {
        let (path, mut table) = (daily(RAW, day), Vec::new());
        counts::write_table(counts, ingested_at, &mut table)
            .map_err(|source| malformed(&path, source))?;
        self.replace(&path, table).await
    }

    async fn counts(&self, first: Day, last: Day) -> Result<Counts, WarehouseError> {
        let mut all = Counts::default();
        self.read_range(RAW, (first, last), parse_counts, |counts| {
            all.extend(&counts);
        })
        .await?;
        Ok(all)
    }

    async fn table_versions(
        &self,
        first: Day,
        last: Day,
    ) -> Result<BTreeMap<Day, TableVersion>, WarehouseError> {
        let mut versions = BTreeMap::new();
        for day in self.days_with_table(RAW, first, last).await? {
            let path = daily(RAW, day);
            let generation = self.store.generation(&path).await;
            let generation = generation.map_err(|source| unavailable("check", &path, source))?;
            versions.extend(generation.map(|generation| (day, TableVersion(generation.number()))));
        }
        Ok(versions)
    }

    async fn count_days(
        &self,
        first: Day,
        last: Day,
    ) -> Result<BTreeMap<Day, DayState>, WarehouseError> {
        let mut days = BTreeMap::new();
        for day in self.days_with_table(RAW, first, last).await? {
            let path = daily(RAW, day);
            let Some((bytes, _)) = self.read(&path).await? else {
                continue;
            };
            let counts = parse_counts(&Table { path, bytes })?;
            let hours: BTreeSet<_> = counts.rows().iter().map(|row| row.hour).collect();
            let counters: BTreeSet<_> = counts.rows().iter().map(|row| row.counter).collect();
            if !counts.is_empty() {
                days.insert(
                    day,
                    DayState {
                        rows: counts.len() as u64,
                        hours: hours.len() as u64,
                        counters: counters.len() as u64,
                    },
                );
            }
        }
        Ok(days)
    }

    async fn export_counts(
        &self,
        (first, last): (Day, Day),
        store: &Arc<dyn Store>,
        folder: &ObjectPath,
        format: ExportFormat,
    ) -> Result<Vec<ObjectPath>, WarehouseError> {
        if format == ExportFormat::Parquet {
            return Err(WarehouseError::Unavailable {
                verb: "export",
                table: format!("{RAW}/{}*", schema::DAILY_PREFIX),
                source: "a local state exports CSV only; export without --format parquet".into(),
            });
        }
        let mut export = Vec::new();
        for day in self.days_with_table(RAW, first, last).await? {
            let Some((table, _)) = self.read(&daily(RAW, day)).await? else {
                continue;
            };
            // The export has the common header once.
            let header = table
                .iter()
                .position(|byte| *byte == b'\n')
                .map_or(table.len(), |end| end + 1);
            export.extend_from_slice(if export.is_empty() {
                &table
            } else {
                &table[header..]
            });
        }
        if export.is_empty() {
            return Ok(Vec::new());
        }
        let path = ObjectPath::new(format_args!("{folder}/counts-000000000000.csv"));
        let written = store.write(&path, export.into(), Condition::Always).await;
        written.map_err(|source| unavailable_tables("export", RAW, source))?;
        Ok(vec![path])
    }

    async fn replace_forecasts(
        &self,
        day: Day,
        forecasts: &[Forecast],
    ) -> Result<(), WarehouseError> {
        let path = daily(PREDICTIONS, day);
        let table =
            tables::write_forecasts(forecasts).map_err(|source| malformed(&path, source))?;
        self.replace(&path, table).await
    }

    async fn forecasts(&self, first: Day, last: Day) -> Result<Vec<Forecast>, WarehouseError> {
        let mut all = Vec::new();
        self.read_range(PREDICTIONS, (first, last), parse_forecasts, |forecasts| {
            all.extend(forecasts);
        })
        .await?;
        Ok(all)
    }

    async fn record(&self, row: &AuditRow) -> Result<(), WarehouseError> {
        let path = audit_log();
        loop {
            let (mut rows, condition) = match self.read(&path).await? {
                None => (Vec::new(), Condition::Absent),
                Some((table, generation)) => {
                    let rows = tables::read_audit_log(&table)
                        .map_err(|source| malformed(&path, source))?;
                    (rows, Condition::Unchanged(generation))
                }
            };
            let key = |row: &AuditRow| {
                (
                    row.function,
                    row.event_id.clone(),
                    row.entry.decision.clone(),
                )
            };
            match rows.iter_mut().find(|known| key(known) == key(row)) {
                Some(known) => *known = row.clone(),
                None => rows.push(row.clone()),
            }
            let table =
                tables::write_audit_log(&rows).map_err(|source| malformed(&path, source))?;
            match self.store.write(&path, table.into(), condition).await {
                // Another function has recorded a row meanwhile: read the table again.
                Err(StoreError::ConditionFailed { .. }) => {}
                written => {
                    return written
                        .map(drop)
                        .map_err(|source| unavailable("add to", &path, source));
                }
            }
        }
    }

    async fn audit_log(&self) -> Result<Vec<AuditRow>, WarehouseError> {
        let path = audit_log();
        let table = self.read(&path).await?;
        table.map_or(Ok(Vec::new()), |(table, _)| {
            tables::read_audit_log(&table).map_err(|source| malformed(&path, source))
        })
    }
}

/// Returns the counts of a table, none of whose rows may be invalid.
fn parse_counts(Table { path, bytes }: &Table) -> Result<Counts, WarehouseError> {
    let mut rejects = Vec::new();
    let counts =
        counts::read(&bytes[..], &mut rejects).map_err(|source| malformed(path, source))?;
    match rejects.into_iter().next() {
        Some(reject) => Err(malformed(path, reject.reason)),
        None => Ok(counts),
    }
}

fn parse_forecasts(Table { path, bytes }: &Table) -> Result<Vec<Forecast>, WarehouseError> {
    tables::read_forecasts(bytes).map_err(|source| malformed(path, source))
}

fn daily(dataset: &str, day: Day) -> ObjectPath {
    ObjectPath::new(format_args!("{dataset}/{}.csv", schema::daily_table(day)))
}

fn audit_log() -> ObjectPath {
    ObjectPath::new(format_args!("{}/{}.csv", schema::MONITORING, schema::LOGS))
}

fn malformed(
    path: &ObjectPath,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> WarehouseError {
    WarehouseError::Malformed {
        table: path.to_string(),
        source: source.into(),
    }
}

fn unavailable(verb: &'static str, path: &ObjectPath, source: StoreError) -> WarehouseError {
    WarehouseError::Unavailable {
        verb,
        table: path.to_string(),
        source: source.into(),
    }
}

/// Creates the error of [`unavailable`] for all daily tables of a dataset.
fn unavailable_tables(verb: &'static str, dataset: &str, source: StoreError) -> WarehouseError {
    let table = format!("{dataset}/{}*", schema::DAILY_PREFIX);
    WarehouseError::Unavailable {
        verb,
        table,
        source: source.into(),
    }
}

#[cfg(test)]
mod tests;
