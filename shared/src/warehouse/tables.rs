//! Rows of the tables as text: CSV cells of the embedded warehouse, and values of BigQuery.
//!
//! A row is a serde struct, and [`schema`](super::schema) lists the columns of its table. The
//! functions here convert between the two, so the columns are listed only once.

use forecasting::{counts::parse_hour, time::Hour};
use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Map, Number, Value};

use super::{
    Forecast, forecast_table,
    schema::{AUDIT_LOG, Column, ColumnMode, ColumnType, RECORDED_AT},
};
use crate::audit::AuditRow;

const TIMESTAMP_FORMAT: &str = "%Y-%m-%d %H:%M:%S%.6f UTC";
const HOUR_FORMAT: &str = "%Y-%m-%d %H:%M:%S UTC";

/// The error returned when a row does not match the columns of its table.
#[derive(Debug, thiserror::Error)]
pub enum RowError {
    /// A required value is missing.
    #[error("the column {column} is empty")]
    Empty {
        /// The name of the column.
        column: &'static str,
    },
    /// A value is not of the column's type.
    #[error("invalid value `{text}` in the column {column}")]
    Invalid {
        /// The name of the column.
        column: &'static str,
        /// The value.
        text: String,
    },
    /// The values cannot be converted to or from a row.
    #[error("cannot convert a row")]
    Row(#[from] serde_json::Error),
}

/// The notation of instants in cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instants {
    /// `2021-07-19 07:00:00.000000 UTC`.
    Text,
    /// Microseconds since the Unix epoch.
    Microseconds,
}

impl Instants {
    fn write(self, instant: Timestamp) -> String {
        match self {
            Self::Text => write_timestamp(instant),
            Self::Microseconds => instant.as_microsecond().to_string(),
        }
    }
}

/// Converts a row into cells, in the order of `columns`. Absent values have no text.
///
/// # Errors
/// Returns an error if `row` is not a struct, or a timestamp is not an instant.
pub fn to_cells<T: Serialize>(
    columns: &[Column],
    row: &T,
    instants: Instants,
) -> Result<Vec<Option<String>>, RowError> {
    let mut fields: Map<String, Value> = serde_json::from_value(serde_json::to_value(row)?)?;
    let cell = |column: &Column| {
        let value = fields.remove(column.name).unwrap_or_default();
        Ok(match (column.kind, value) {
            (ColumnType::Json, value) => Some(value.to_string()),
            (_, Value::Null) => None,
            (ColumnType::Timestamp, Value::String(text)) => {
                Some(instants.write(read_timestamp(&text).ok_or_else(|| invalid(column, &text))?))
            }
            (_, Value::String(text)) => Some(text),
            (_, other) => Some(other.to_string()),
        })
    };
    columns.iter().map(cell).collect()
}

/// Converts cells into a row. Reads both notations of [`Instants`].
///
/// # Errors
/// Returns an error if a required cell has no text, or a text is not a value of its column.
pub fn from_cells<'a, T: DeserializeOwned>(
    cells: impl IntoIterator<Item = (&'a Column, Option<String>)>,
) -> Result<T, RowError> {
    let mut fields = Map::new();
    for (column, text) in cells {
        let value = match text {
            Some(text) => value(column, &text).ok_or_else(|| invalid(column, &text))?,
            None if column.mode == ColumnMode::Required => {
                return Err(RowError::Empty {
                    column: column.name,
                });
            }
            None => Value::Null,
        };
        fields.insert(column.name.to_owned(), value);
    }
    Ok(serde_json::from_value(Value::Object(fields))?)
}

fn value(column: &Column, text: &str) -> Option<Value> {
    match column.kind {
        ColumnType::Bool => text.parse().ok().map(Value::Bool),
        ColumnType::Float64 | ColumnType::Int64 => text.parse::<Number>().ok().map(Value::Number),
        ColumnType::Json => serde_json::from_str(text).ok(),
        ColumnType::String => Some(Value::String(text.to_owned())),
        ColumnType::Timestamp => Some(Value::String(read_timestamp(text)?.to_string())),
    }
}

fn invalid(column: &Column, text: &str) -> RowError {
    RowError::Invalid {
        column: column.name,
        text: text.to_owned(),
    }
}

type TableError = Box<dyn std::error::Error + Send + Sync>;

pub(super) fn write_forecasts(forecasts: &[Forecast]) -> Result<Vec<u8>, TableError> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for forecast in forecasts {
        writer.serialize(forecast)?;
    }
    Ok(writer.into_inner()?)
}

pub(super) fn read_forecasts(table: &[u8]) -> Result<Vec<Forecast>, TableError> {
    match forecast_table::read(table) {
        Some(forecasts) => Ok(forecasts),
        None => read_any_forecasts(table),
    }
}

/// Reads forecasts in any form of CSV, with their columns in any order.
pub(super) fn read_any_forecasts(table: &[u8]) -> Result<Vec<Forecast>, TableError> {
    let rows = csv::Reader::from_reader(table).into_deserialize();
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn write_audit_log(rows: &[AuditRow]) -> Result<Vec<u8>, TableError> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let columns: Vec<Column> = audit_columns().copied().collect();
    writer.write_record(columns.iter().map(|column| column.name))?;
    for row in rows {
        let cells = to_cells(&columns, row, Instants::Text)?;
        writer.write_record(cells.iter().map(|cell| cell.as_deref().unwrap_or_default()))?;
    }
    Ok(writer.into_inner()?)
}

pub(super) fn read_audit_log(table: &[u8]) -> Result<Vec<AuditRow>, TableError> {
    let mut reader = csv::Reader::from_reader(table);
    // A table written by an earlier version lacks the columns added since.
    let header = reader.headers()?.clone();
    let columns: Vec<_> = header
        .iter()
        .map(|name| audit_columns().find(|column| column.name == name))
        .collect();
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record?;
        let cells = columns.iter().zip(&record).filter_map(|(column, text)| {
            let column = (*column)?;
            // Empty texts exist only in required columns; elsewhere an empty cell is an absent
            // value.
            let is_text = !text.is_empty() || is_required_text(column);
            Some((column, is_text.then(|| text.to_owned())))
        });
        rows.push(from_cells(cells)?);
    }
    Ok(rows)
}

/// Returns the columns of the embedded audit log. It has no `recorded_at`, because its rows are
/// ordered.
fn audit_columns() -> impl Iterator<Item = &'static Column> {
    AUDIT_LOG.iter().filter(|column| **column != RECORDED_AT)
}

fn is_required_text(column: &Column) -> bool {
    (column.kind, column.mode) == (ColumnType::String, ColumnMode::Required)
}

/// Formats an instant as BigQuery reads it from JSON: `2021-07-19 07:00:00.000000 UTC`.
pub fn write_timestamp(timestamp: Timestamp) -> String {
    timestamp.strftime(TIMESTAMP_FORMAT).to_string()
}

/// Parses an instant: the two notations of [`Instants`], or RFC 3339.
pub(super) fn read_timestamp(text: &str) -> Option<Timestamp> {
    if let Ok(microseconds) = text.parse() {
        return Timestamp::from_microsecond(microseconds).ok();
    }
    if let Ok(civil) = DateTime::strptime("%Y-%m-%d %H:%M:%S%.f UTC", text) {
        return civil
            .to_zoned_datetime(TimeZone::UTC)
            .ok()
            .map(|zoned| zoned.timestamp());
    }
    text.parse().ok()
}

/// The serde format of instants, as in [`write_timestamp`].
pub(super) mod instant {
    use serde::{Deserializer, Serializer, de::Error};

    use super::*;

    pub(crate) fn serialize<S: Serializer>(
        instant: &Timestamp,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&write_timestamp(*instant))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Timestamp, D::Error> {
        let text = String::deserialize(deserializer)?;
        read_timestamp(&text).ok_or_else(|| D::Error::custom(format!("invalid instant `{text}`")))
    }
}

/// The serde format of hours: `2021-07-19 07:00:00 UTC`.
pub(super) mod hour {
    use serde::{Deserializer, Serializer, de::Error};

    use super::*;

    pub(crate) fn serialize<S: Serializer>(hour: &Hour, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&hour.timestamp().strftime(HOUR_FORMAT))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Hour, D::Error> {
        parse_hour(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}
