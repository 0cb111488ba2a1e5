//! Daily tables: their listing, their rows, and the cache of counts.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use forecasting::{counts::Counts, time::Day};
use gcp_bigquery_client::model::{query_parameter::QueryParameter, table_row::TableRow};
use shared::warehouse::{
    WarehouseError,
    schema::{self, ColumnType},
    tables::RowError,
};

use super::{
    BigQueryWarehouse,
    cache::MAX_DAYS,
    error,
    query::parameter,
    rows::{self, DailyTable},
};

/// The order of rows, table by table as in the embedded warehouse. With it, cached and newly read
/// days form the same sequence.
pub(super) const BY_DAY_HOUR_AND_COUNTER: &str =
    "ORDER BY _TABLE_SUFFIX, date_et_heure_de_comptage, nom_du_compteur, comptage_horaire";

/// The minimum age of a table version before its rows are cached, in milliseconds. A later
/// replacement may get the same version, because versions are whole milliseconds of slightly
/// different clocks.
const SETTLED_AFTER_MS: i64 = 10_000;

impl BigQueryWarehouse {
    /// Returns the counts of a range. Reads only tables whose current version is not cached.
    pub(super) async fn counts_of(
        &self,
        (first, last): (Day, Day),
    ) -> Result<Counts, WarehouseError> {
        let mut counts = Counts::default();
        if first.days_until(last) >= MAX_DAYS {
            // Caching this range would evict the days that the next weekly check reads.
            let push = |row| rows::read_count(row).map(|count| count.push_to(&mut counts));
            self.read_range(
                schema::RAW,
                rows::COUNT_COLUMNS,
                (first, last),
                BY_DAY_HOUR_AND_COUNTER,
                push,
            )
            .await?;
            return Ok(counts);
        }
        let tables = self.daily_tables((first, last)).await?;
        let mut days = self
            .cache
            .find(tables.iter().map(|(day, table)| (*day, table.version)));
        let missing: BTreeSet<_> = tables
            .keys()
            .copied()
            .filter(|day| !days.contains_key(day))
            .collect();
        for (day, counts) in self.read_counts(&missing).await? {
            let (table, counts) = (tables[&day], Arc::new(counts));
            if table.unchanged_ms >= SETTLED_AFTER_MS {
                self.cache.insert(day, table.version, Arc::clone(&counts));
            }
            days.insert(day, counts);
        }
        days.values().for_each(|day| counts.extend(day));
        Ok(counts)
    }

    /// Lists the tables of counts in a range.
    ///
    /// The listing precedes the reading of rows. Rows may thus be newer than their recorded
    /// version, and the next call reads them again, but they are never older.
    pub(super) async fn daily_tables(
        &self,
        (first, last): (Day, Day),
    ) -> Result<BTreeMap<Day, DailyTable>, WarehouseError> {
        let list = self.service.table(schema::RAW, "__TABLES__");
        let (first, last) = (schema::daily_table(first), schema::daily_table(last));
        let columns = rows::TABLE_COLUMNS;
        let sql = format!(
            "SELECT {columns} FROM `{list}` \
             WHERE table_id BETWEEN '{first}' AND '{last}' AND LENGTH(table_id) = {}",
            first.len()
        );
        let mut tables = BTreeMap::new();
        let push = |row| rows::read_table(row).map(|table| tables.extend([table]));
        let read = self.service.read(&sql, Vec::new(), push).await;
        read.map_err(|failure| error("read", &self.tables(schema::RAW), failure))?;
        Ok(tables)
    }

    /// Reads the counts of the given days.
    async fn read_counts(
        &self,
        days: &BTreeSet<Day>,
    ) -> Result<BTreeMap<Day, Counts>, WarehouseError> {
        let mut counts: BTreeMap<_, _> = days.iter().map(|day| (*day, Counts::default())).collect();
        if days.is_empty() {
            return Ok(counts);
        }
        let suffixes: Vec<_> = days
            .iter()
            .map(|day| format!("'{}'", day.compact()))
            .collect();
        let condition = format!("_TABLE_SUFFIX IN ({})", suffixes.join(", "));
        let push = |row| {
            let count = rows::read_count(row)?;
            // The query returns no other days.
            if let Some(counts) = counts.get_mut(&count.day) {
                count.push_to(counts);
            }
            Ok(())
        };
        let condition = (condition.as_str(), Vec::new());
        self.read_tables(
            schema::RAW,
            rows::COUNT_COLUMNS,
            condition,
            BY_DAY_HOUR_AND_COUNTER,
            push,
        )
        .await?;
        Ok(counts)
    }

    /// Reads the daily tables of a range with one query. `order` is the SQL after the condition.
    pub(super) async fn read_range(
        &self,
        dataset: &'static str,
        columns: &str,
        (first, last): (Day, Day),
        order: &str,
        take: impl FnMut(TableRow) -> Result<(), RowError> + Send,
    ) -> Result<(), WarehouseError> {
        if last < first {
            return Ok(());
        }
        let condition = (IN_RANGE, range_parameters((first, last)));
        self.read_tables(dataset, columns, condition, order, take)
            .await
    }

    async fn read_tables(
        &self,
        dataset: &'static str,
        columns: &str,
        (condition, parameters): (&str, Vec<QueryParameter>),
        order: &str,
        take: impl FnMut(TableRow) -> Result<(), RowError> + Send,
    ) -> Result<(), WarehouseError> {
        let tables = self.tables(dataset);
        let sql = format!("SELECT {columns} FROM `{tables}` WHERE {condition} {order}");
        match self.service.read(&sql, parameters, take).await {
            Err(failure) if failure.is_missing_daily_tables() => Ok(()),
            read => read.map_err(|failure| error("read", &tables, failure)),
        }
    }
}

/// The SQL condition that selects the daily tables of a range; see [`range_parameters`].
///
/// The length excludes copies such as `daily_20210719_before_repair`.
pub(super) const IN_RANGE: &str =
    "_TABLE_SUFFIX BETWEEN @first AND @last AND LENGTH(_TABLE_SUFFIX) = 8";

/// Returns the parameters of [`IN_RANGE`].
pub(super) fn range_parameters((first, last): (Day, Day)) -> Vec<QueryParameter> {
    [("first", first), ("last", last)]
        .map(|(name, day)| parameter(name, ColumnType::String, Some(day.compact())))
        .into()
}
