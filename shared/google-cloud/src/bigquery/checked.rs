//! Daily tables that a query names one by one, after a check of their schemas.
//!
//! BigQuery reads `daily_202107*` with the schema of the matching table that was created last, and
//! rejects it if a view matches, whatever the condition on `_TABLE_SUFFIX`. A backup table of another
//! schema beside the daily ones would otherwise break every query.
//!
//! A daily table may also be of an earlier version of the program, which had fewer columns. While a
//! newer table is the last created, such a query is NULL where an older one lacks a column. After a
//! rollback of the program, the last created table may itself lack columns, so the query fails and
//! the tables are named. A nullable column that a table lacks is NULL here as well.

use gcp_bigquery_client::model::table_row::TableRow;
use reqwest::StatusCode;
use serde::Deserialize;
use shared::warehouse::{
    WarehouseError,
    schema::{self, Column, ColumnMode, ColumnType},
    tables::RowError,
};

use super::{
    BigQueryWarehouse,
    days::Days,
    error,
    failure::Failure,
    malformed,
    service::{Service, Table},
};
use forecasting::time::Day;

/// The maximum number of tables in a query; BigQuery allows 1,000.
const TABLES_PER_QUERY: usize = 100;
/// The column with the day of a table, in place of `_TABLE_SUFFIX`.
const TABLE_DAY: &str = "table_day";

impl BigQueryWarehouse {
    /// Reads daily tables like a query of all of them, but names each.
    pub(super) async fn read_checked(
        &self,
        dataset: &'static str,
        columns: &str,
        days: Days<'_>,
        order: &str,
        mut take: impl FnMut(TableRow) -> Result<(), RowError> + Send,
    ) -> Result<(), WarehouseError> {
        let (columns, order) = (by_table_day(columns), by_table_day(order));
        for source in self.checked_sources(dataset, days).await? {
            let sql = format!("SELECT {columns} FROM {source} {order}");
            let read = self.service.read(&sql, Vec::new(), &mut take).await;
            read.map_err(|failure| error("read", &self.tables(dataset), failure))?;
        }
        Ok(())
    }

    /// Returns the sources of queries that together read all daily tables, in the order of the days.
    ///
    /// # Errors
    /// Returns [`WarehouseError::Malformed`] with the name of a table that has another schema.
    pub(super) async fn checked_sources(
        &self,
        dataset: &'static str,
        days: Days<'_>,
    ) -> Result<Vec<String>, WarehouseError> {
        let selects = self.checked_selects(dataset, days).await?;
        let sources = selects.chunks(TABLES_PER_QUERY);
        Ok(sources
            .map(|selects| format!("({})", selects.join(" UNION ALL ")))
            .collect())
    }

    /// Returns a statement for each daily table that selects its columns and its day.
    ///
    /// # Errors
    /// Returns the error of [`BigQueryWarehouse::checked_sources`].
    pub(super) async fn checked_selects(
        &self,
        dataset: &'static str,
        days: Days<'_>,
    ) -> Result<Vec<String>, WarehouseError> {
        let Some(bounds) = days.bounds() else {
            return Ok(Vec::new());
        };
        let listed = self.daily_tables(dataset, bounds).await?;
        let mut selects = Vec::new();
        for day in listed.into_keys().filter(|day| days.contains(*day)) {
            let table = self.service.table(dataset, schema::daily_table(day));
            let fields = self.service.fields(&table).await;
            // The table may have been deleted since the listing.
            if let Some(fields) = fields.map_err(|failure| error("read", &table, failure))? {
                let select = select(&table, day, columns_of(dataset), &fields);
                selects.push(select.map_err(|source| malformed(&table, source))?);
            }
        }
        Ok(selects)
    }
}

impl Service {
    /// Returns the columns that a table has, or `None` if there is no table.
    async fn fields(&self, table: &Table) -> Result<Option<Vec<Field>>, Failure> {
        let request = self.get(&format!(
            "/datasets/{}/tables/{}",
            table.dataset, table.name
        ));
        match self.send::<Described>(request).await {
            Err(failure) if failure.is_status(StatusCode::NOT_FOUND) => Ok(None),
            described => Ok(Some(described?.schema.fields)),
        }
    }
}

/// Replaces `_TABLE_SUFFIX` in a part of a statement by the column of [`select`].
pub(super) fn by_table_day(sql: &str) -> String {
    sql.replace("_TABLE_SUFFIX", TABLE_DAY)
}

fn columns_of(dataset: &str) -> &'static [Column] {
    if dataset == schema::RAW {
        &schema::COUNTS
    } else {
        &schema::FORECASTS
    }
}

/// Returns the statement that selects the expected columns of a table. A nullable column that the
/// table lacks is NULL.
fn select(
    table: &Table,
    day: Day,
    expected: &[Column],
    found: &[Field],
) -> Result<String, SchemaError> {
    let expression = |column: &Column| {
        let (name, kind) = (column.name, column.kind);
        match found
            .iter()
            .find(|field| field.name.eq_ignore_ascii_case(name))
        {
            Some(field) if field.is(kind) => Ok(format!("`{name}`")),
            Some(field) => Err(SchemaError::Type {
                column: name,
                expected: kind,
                found: field.kind.clone(),
            }),
            None if column.mode == ColumnMode::Nullable => {
                Ok(format!("CAST(NULL AS {kind}) AS `{name}`"))
            }
            None => Err(SchemaError::Missing { column: name }),
        }
    };
    let columns: Result<Vec<_>, _> = expected.iter().map(expression).collect();
    Ok(format!(
        "SELECT {}, '{}' AS {TABLE_DAY} FROM `{table}`",
        columns?.join(", "),
        day.compact()
    ))
}

/// The difference of a table from the schema of daily tables.
#[derive(Debug, thiserror::Error)]
enum SchemaError {
    /// A required column is missing.
    #[error(
        "the column {column} is missing; restore the table, or delete it and ingest the day again"
    )]
    Missing { column: &'static str },
    /// A column has another type.
    #[error(
        "the column {column} is of type {found}, expected {expected}; restore the table, or delete it and ingest \
         the day again"
    )]
    Type {
        column: &'static str,
        expected: ColumnType,
        found: String,
    },
}

/// The fields of a table in use.
#[derive(Deserialize)]
struct Described {
    #[serde(default)]
    schema: Fields,
}

#[derive(Default, Deserialize)]
struct Fields {
    #[serde(default)]
    fields: Vec<Field>,
}

/// A column of a table.
#[derive(Deserialize)]
struct Field {
    name: String,
    #[serde(rename = "type")]
    kind: String,
}

impl Field {
    /// Returns `true` if the column has a type, whose name may be that of legacy SQL.
    fn is(&self, expected: ColumnType) -> bool {
        let kind = match self.kind.as_str() {
            "INTEGER" => "INT64",
            "FLOAT" => "FLOAT64",
            "BOOLEAN" => "BOOL",
            other => other,
        };
        kind == expected.name()
    }
}
