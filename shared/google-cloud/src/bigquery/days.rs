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
    service::Table,
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
        let tables = self.matching(dataset, days);
        let (condition, parameters) = days.condition();
        let selected = days.with_whole_suffix(columns);
        let sql = format!("SELECT {selected} FROM `{tables}` WHERE {condition} {order}");
        match self.service.read(&sql, parameters, &mut take).await {
            Err(failure) if failure.is_missing_daily_tables() => Ok(()),
            Err(failure) if failure.is_invalid_query() => {
                warn_of_foreign_table(&tables, &failure);
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
    /// Returns the longest common prefix of the days, as in `2021070`.
    ///
    /// With it, a query matches fewer tables of others. At least one character remains for `*`,
    /// which stands for one or more.
    pub(super) fn prefix(self) -> String {
        let Some((first, last)) = self.bounds() else {
            return String::new();
        };
        let (first, last) = (first.compact(), last.compact());
        let pairs = first.bytes().zip(last.bytes());
        let common = pairs.take_while(|(first, last)| first == last).count();
        first[..common.min(DAY_LENGTH - 1)].to_owned()
    }

    /// Returns the condition on the suffix of a table that matches [`Days::prefix`], and its
    /// parameters.
    ///
    /// The length excludes copies such as `daily_20210719_before_repair`.
    pub(super) fn condition(self) -> (String, Vec<QueryParameter>) {
        let length = self.prefix().len();
        let suffix = |day: Day| day.compact()[length..].to_owned();
        match self {
            Self::Range(first, last) => {
                let bounds = [("first", first), ("last", last)];
                let condition = format!(
                    "_TABLE_SUFFIX BETWEEN @first AND @last AND LENGTH(_TABLE_SUFFIX) = {}",
                    DAY_LENGTH - length
                );
                let parameters = bounds
                    .map(|(name, day)| parameter(name, ColumnType::String, Some(suffix(day))));
                (condition, parameters.into())
            }
            Self::Set(days) => {
                let suffixes: Vec<_> = days
                    .iter()
                    .map(|day| format!("'{}'", suffix(*day)))
                    .collect();
                let condition = format!("_TABLE_SUFFIX IN ({})", suffixes.join(", "));
                (condition, Vec::new())
            }
        }
    }

    /// Replaces `_TABLE_SUFFIX` in a select list by the whole day.
    fn with_whole_suffix(self, columns: &str) -> String {
        let whole = format!("CONCAT('{}', _TABLE_SUFFIX)", self.prefix());
        columns.replace("_TABLE_SUFFIX", &whole)
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

/// The length of a day in the name of its table.
const DAY_LENGTH: usize = "20210719".len();

/// Logs the rejection of a query of all tables with a prefix. BigQuery's reason names the first view.
pub(super) fn warn_of_foreign_table(tables: &Table, failure: &Failure) {
    tracing::warn!(
        %tables,
        error = %failure,
        "cannot query the daily tables by their prefix, naming each"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Day {
        Day::from_compact(text).unwrap()
    }

    #[test]
    fn prefix_is_the_longest_common_one() {
        for (first, last, expected) in [
            ("20210701", "20210709", "2021070"),
            ("20210701", "20210731", "202107"),
            ("20210620", "20210719", "20210"),
            ("20201231", "20210101", "202"),
            ("19991231", "20000101", ""),
            // A table has a name beyond the prefix.
            ("20210719", "20210719", "2021071"),
        ] {
            let (first, last) = (day(first), day(last));
            assert_eq!(Days::Range(first, last).prefix(), expected);
            let days = BTreeSet::from([first, last]);
            assert_eq!(Days::Set(&days).prefix(), expected);
        }
        assert_eq!(Days::Set(&BTreeSet::new()).prefix(), "");
    }

    #[test]
    fn condition_is_on_the_rest_of_the_name() {
        let (first, last) = (day("20210630"), day("20210702"));
        let (condition, parameters) = Days::Range(first, last).condition();
        let length = "_TABLE_SUFFIX BETWEEN @first AND @last AND LENGTH(_TABLE_SUFFIX) = 3";
        assert_eq!(condition, length);
        let values = parameters.into_iter().map(|parameter| {
            let value = parameter.parameter_value.and_then(|value| value.value);
            (parameter.name.unwrap(), value.unwrap())
        });
        let expected = [("first", "630"), ("last", "702")];
        assert!(values.eq(expected.map(|(name, value)| (name.to_owned(), value.to_owned()))));
        let days = BTreeSet::from([first, last]);
        let (condition, parameters) = Days::Set(&days).condition();
        assert_eq!(condition, "_TABLE_SUFFIX IN ('630', '702')");
        assert_eq!(parameters.len(), 0);
    }
}
