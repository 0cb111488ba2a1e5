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
    failure::Failure,
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
        let tables = self.daily_tables(schema::RAW, (first, last)).await?;
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

    /// Lists the daily tables of a dataset in a range, without views and other tables.
    ///
    /// The listing precedes the reading of rows. Rows may thus be newer than their recorded
    /// version, and the next call reads them again, but they are never older.
    pub(super) async fn daily_tables(
        &self,
        dataset: &'static str,
        (first, last): (Day, Day),
    ) -> Result<BTreeMap<Day, DailyTable>, WarehouseError> {
        let list = self.service.table(dataset, "__TABLES__");
        let (first, last) = (schema::daily_table(first), schema::daily_table(last));
        let columns = rows::TABLE_COLUMNS;
        let sql = format!(
            "SELECT {columns} FROM `{list}` \
             WHERE table_id BETWEEN '{first}' AND '{last}' AND LENGTH(table_id) = {} AND `type` = {TABLE}",
            first.len()
        );
        let mut tables = BTreeMap::new();
        let push = |row| rows::read_table(row).map(|table| tables.extend(table));
        let read = self.service.read(&sql, Vec::new(), push).await;
        read.map_err(|failure| error("read", &self.tables(dataset), failure))?;
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
        let push = |row| {
            let count = rows::read_count(row)?;
            // The query returns no other days.
            if let Some(counts) = counts.get_mut(&count.day) {
                count.push_to(counts);
            }
            Ok(())
        };
        self.read_tables(
            schema::RAW,
            rows::COUNT_COLUMNS,
            Days::Set(days),
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
        self.read_tables(dataset, columns, Days::Range(first, last), order, take)
            .await
    }

    async fn read_tables(
        &self,
        dataset: &'static str,
        columns: &str,
        days: Days<'_>,
        order: &str,
        mut take: impl FnMut(TableRow) -> Result<(), RowError> + Send,
    ) -> Result<(), WarehouseError> {
        let tables = self.tables(dataset);
        let (condition, parameters) = days.condition();
        let sql = format!("SELECT {columns} FROM `{tables}` WHERE {condition} {order}");
        match self.service.read(&sql, parameters, &mut take).await {
            Err(failure) if failure.is_missing_daily_tables() => Ok(()),
            Err(failure) if failure.is_invalid_query() => {
                self.read_checked(dataset, columns, days, order, take).await
            }
            Err(failure @ Failure::Row(_)) => {
                // If a table has another schema, the error names it.
                self.checked_sources(dataset, days).await?;
                Err(error("read", &tables, failure))
            }
            read => read.map_err(|failure| error("read", &tables, failure)),
        }
    }
}

/// The days whose tables a query reads.
#[derive(Clone, Copy)]
pub(super) enum Days<'a> {
    /// The days from the first to the last inclusive.
    Range(Day, Day),
    /// Certain days.
    Set(&'a BTreeSet<Day>),
}

impl Days<'_> {
    /// Returns the condition on the suffix of a daily table, and its parameters.
    pub(super) fn condition(self) -> (String, Vec<QueryParameter>) {
        match self {
            Self::Range(first, last) => (IN_RANGE.to_owned(), range_parameters((first, last))),
            Self::Set(days) => {
                let suffixes: Vec<_> = days
                    .iter()
                    .map(|day| format!("'{}'", day.compact()))
                    .collect();
                let condition = format!("_TABLE_SUFFIX IN ({})", suffixes.join(", "));
                (condition, Vec::new())
            }
        }
    }

    /// Returns the first and the last day, or `None` if there are no days.
    pub(super) fn bounds(self) -> Option<(Day, Day)> {
        match self {
            Self::Range(first, last) => (first <= last).then_some((first, last)),
            Self::Set(days) => days.first().copied().zip(days.last().copied()),
        }
    }

    /// Returns `true` if a day between the bounds is one of the days.
    pub(super) fn contains(self, day: Day) -> bool {
        match self {
            Self::Range(first, last) => (first..=last).contains(&day),
            Self::Set(days) => days.contains(&day),
        }
    }
}

/// The value of `type` in `__TABLES__` of a table with rows of its own. A view has another one.
const TABLE: u32 = 1;

/// The SQL condition that selects the daily tables of a range; see [`range_parameters`].
///
/// The length excludes copies such as `daily_20210719_before_repair`.
const IN_RANGE: &str = "_TABLE_SUFFIX BETWEEN @first AND @last AND LENGTH(_TABLE_SUFFIX) = 8";

/// Returns the parameters of [`IN_RANGE`].
fn range_parameters((first, last): (Day, Day)) -> Vec<QueryParameter> {
    [("first", first), ("last", last)]
        .map(|(name, day)| parameter(name, ColumnType::String, Some(day.compact())))
        .into()
}
