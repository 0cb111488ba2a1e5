//! The audit log as a table to which rows are added.
//!
//! A row is added by `INSERT`, which never conflicts with another statement that changes the table; `MERGE` does, and
//! functions record while others do. The log is therefore read through its key: of the rows with the same function,
//! event id and decision the one recorded last counts, in the place of the first. So a statement that is repeated since
//! its answer was lost does no harm.

use gcp_bigquery_client::model::{query_parameter::QueryParameter, table_row::TableRow};
use jiff::Timestamp;
use shared::{
    audit::AuditRow,
    warehouse::schema::{AUDIT_LOG, Column, ColumnType, RECORDED_AT},
};

use super::{
    query::parameter,
    rows::{Row, RowError, microseconds, number, text, version},
    service::Table,
};

/// Returns the statement that adds a row, whose values are [`parameters`] of the columns' names.
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
pub(super) fn parameters(row: &AuditRow) -> Vec<QueryParameter> {
    let values = values(row);
    let with_value = AUDIT_LOG
        .iter()
        .zip(values)
        .filter(|(column, _)| **column != RECORDED_AT);
    with_value
        .map(|(column, value)| parameter(column.name, sent_as(column.kind), value))
        .collect()
}

/// Returns the query for the log in the order of recording, whose rows [`read`] reads, and its parameters. Without what was
/// decided before `since`.
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
    // Rows of one instant come in the order of their keys, so that the log is the same each time that it is read.
    let sql = format!(
        "SELECT {columns}, MIN(recorded_at) OVER ({KEY}) AS first_recorded_at FROM `{table}` {condition} \
         QUALIFY ROW_NUMBER() OVER ({KEY} ORDER BY recorded_at DESC, `timestamp` DESC) = 1 \
         ORDER BY first_recorded_at, `function`, event_id, decision",
        columns = columns.join(", "),
    );
    (sql, parameters.into_iter().collect())
}

/// Reads a row of [`selection`].
pub(super) fn read(row: TableRow) -> Result<AuditRow, RowError> {
    let mut row = Row::new(row);
    Ok(AuditRow {
        timestamp: row.required("timestamp", microseconds)?,
        drift_detected: row.optional("drift_detected", number)?,
        mae: row.optional("mae", number)?,
        rmse: row.optional("rmse", number)?,
        r2: row.optional("r2", number)?,
        fine_tune_triggered: row.optional("fine_tune_triggered", number)?,
        fine_tune_success: row.optional("fine_tune_success", number)?,
        model_improvement: row.optional("model_improvement", number)?,
        env: row.required("env", text)?,
        error_message: row.optional("error_message", text)?,
        event_id: row.required("event_id", |text| text.to_owned().try_into().ok())?,
        function: row.required("function", number)?,
        decision: row.required("decision", text)?,
        reason: row.required("reason", text)?,
        champion_version: row.optional("champion_version", version)?,
        challenger_version: row.optional("challenger_version", version)?,
        detail: row.required("detail", |text| serde_json::from_str(text).ok())?,
    })
}

const KEY: &str = "PARTITION BY `function`, event_id, decision";

/// Returns the values in the order of the columns; the service's clock gives the last.
fn values(row: &AuditRow) -> [Option<String>; AUDIT_LOG.len()] {
    [
        Some(row.timestamp.as_microsecond().to_string()),
        row.drift_detected.map(|value| value.to_string()),
        row.mae.map(|value| value.to_string()),
        row.rmse.map(|value| value.to_string()),
        row.r2.map(|value| value.to_string()),
        row.fine_tune_triggered.map(|value| value.to_string()),
        row.fine_tune_success.map(|value| value.to_string()),
        row.model_improvement.map(|value| value.to_string()),
        Some(row.env.clone()),
        row.error_message.clone(),
        Some(row.event_id.to_string()),
        Some(row.function.to_string()),
        Some(row.decision.clone()),
        Some(row.reason.clone()),
        row.champion_version.map(|version| version.to_string()),
        row.challenger_version.map(|version| version.to_string()),
        Some(row.detail.to_string()),
        None,
    ]
}

/// Returns the type in which a value is sent: instants as microseconds and JSON as text.
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
        // By default a number that is not exactly a float is refused, and the row with it.
        ColumnType::Json => format!("PARSE_JSON(@{name}, wide_number_mode => 'round')"),
        _ => format!("@{name}"),
    }
}

fn selected(column: &Column) -> String {
    let name = column.name;
    match column.kind {
        ColumnType::Timestamp => format!("UNIX_MICROS(`{name}`)"),
        ColumnType::Json => format!("TO_JSON_STRING(`{name}`)"),
        _ => format!("`{name}`"),
    }
}
