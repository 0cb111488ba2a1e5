//! The audit log as an append-only table.
//!
//! Rows are added by `INSERT`, which never conflicts with another statement on the table. `MERGE`
//! does, and functions write rows concurrently. The log is therefore deduplicated on reading: of
//! the rows with the same function, event id, and decision, the last recorded one counts, at the
//! position of the first. A statement that is repeated after a lost response thus changes nothing.

use gcp_bigquery_client::model::{query_parameter::QueryParameter, table_row::TableRow};
use jiff::Timestamp;
use shared::{
    audit::AuditRow,
    warehouse::{
        schema::{AUDIT_LOG, Column, ColumnType, RECORDED_AT},
        tables::{Instants, RowError, from_cells, to_cells},
    },
};

use super::{
    query::parameter,
    rows::{cells, selected},
    service::Table,
};

/// Returns the statement that inserts a row; see [`parameters`] for its values.
pub(super) fn insertion(table: &Table) -> String {
    let names: Vec<_> = AUDIT_LOG
        .iter()
        .map(|column| format!("`{}`", column.name))
        .collect();
    let values: Vec<_> = AUDIT_LOG.iter().map(inserted).collect();
    format!(
        "INSERT INTO `{table}` ({}) VALUES ({})",
        names.join(", "),
        values.join(", ")
    )
}

/// Returns the parameters of [`insertion`].
pub(super) fn parameters(row: &AuditRow) -> Result<Vec<QueryParameter>, RowError> {
    let cells = to_cells(&AUDIT_LOG, row, Instants::Microseconds)?;
    let with_value = AUDIT_LOG
        .iter()
        .zip(cells)
        .filter(|(column, _)| **column != RECORDED_AT);
    Ok(with_value
        .map(|(column, value)| parameter(column.name, sent_as(column.kind), value))
        .collect())
}

/// Returns the query for the log in recording order, and its parameters; [`read`] parses its rows.
/// Excludes rows with a `timestamp` before `since`.
pub(super) fn selection(table: &Table, since: Option<Timestamp>) -> (String, Vec<QueryParameter>) {
    let columns: Vec<_> = AUDIT_LOG.iter().map(selected).collect();
    let condition = if since.is_some() {
        "WHERE `timestamp` >= TIMESTAMP_MICROS(@since)"
    } else {
        ""
    };
    let value = |since: Timestamp| Some(since.as_microsecond().to_string());
    let parameters =
        since.map(|since| parameter("since", sent_as(ColumnType::Timestamp), value(since)));
    // Rows of one instant are ordered by key, so that each read returns the same order.
    let sql = format!(
        "SELECT {columns}, MIN(recorded_at) OVER ({KEY}) AS first_recorded_at FROM `{table}` {condition} \
         {LAST_RECORDED} \
         ORDER BY first_recorded_at, `function`, event_id, decision",
        columns = columns.join(", "),
    );
    (sql, parameters.into_iter().collect())
}

/// Parses a row of [`selection`].
pub(super) fn read(row: TableRow) -> Result<AuditRow, RowError> {
    from_cells(AUDIT_LOG.iter().zip(cells(row)))
}

const KEY: &str = "PARTITION BY `function`, event_id, decision";

/// The condition that selects the last recorded row of a key. The view `monitoring_audit.decisions`
/// of Terraform has the same one.
const LAST_RECORDED: &str = "QUALIFY ROW_NUMBER() OVER (PARTITION BY `function`, event_id, decision \
    ORDER BY recorded_at DESC, `timestamp` DESC) = 1";

/// Returns the parameter type of a column: instants are microseconds, and JSON is text.
const fn sent_as(kind: ColumnType) -> ColumnType {
    match kind {
        ColumnType::Timestamp => ColumnType::Int64,
        ColumnType::Json => ColumnType::String,
        other => other,
    }
}

fn inserted(column: &Column) -> String {
    let name = column.name;
    match column.kind {
        _ if *column == RECORDED_AT => "CURRENT_TIMESTAMP()".to_owned(),
        ColumnType::Timestamp => format!("TIMESTAMP_MICROS(@{name})"),
        // By default, BigQuery rejects a row with a number that a float cannot represent exactly.
        ColumnType::Json => format!("PARSE_JSON(@{name}, wide_number_mode => 'round')"),
        _ => format!("@{name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Operators query the view `decisions`, which must have the rows that the functions read.
    #[test]
    fn view_of_terraform_selects_the_rows_that_are_read() {
        let terraform = include_str!("../../../../infra/warehouse.tf");
        assert!(LAST_RECORDED.contains(KEY) && terraform.contains(LAST_RECORDED));
    }
}
