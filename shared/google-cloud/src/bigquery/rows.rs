//! Rows of the daily tables, in the formats for loading and reading.

use std::{str::FromStr, vec};

use forecasting::{
    counts::{Coordinates, Counter, Counts},
    time::{Day, Hour},
};
use gcp_bigquery_client::model::table_row::TableRow;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use shared::warehouse::{
    DayState, Forecast, TableVersion,
    schema::{self, Column, ColumnType},
    tables::{RowError, from_cells, write_timestamp},
};

/// The state of a day's table.
#[derive(Clone, Copy, Debug)]
pub(super) struct DailyTable {
    /// The time of the last replacement, in milliseconds since 1970.
    pub(super) version: TableVersion,
    /// The time since the last replacement, by the clock of the service.
    pub(super) unchanged_ms: i64,
}

/// The select list of counts, in the column order of [`read_count`].
///
/// Instants are selected as numbers, because servers format a TIMESTAMP differently.
pub(super) const COUNT_COLUMNS: &str = "comptage_horaire, UNIX_SECONDS(date_et_heure_de_comptage), \
    identifiant_du_compteur, nom_du_compteur, coordonnees_geographiques, _TABLE_SUFFIX";

/// The select list of day states, in the column order of [`read_day_state`].
pub(super) const DAY_STATE_COLUMNS: &str = "_TABLE_SUFFIX, COUNT(*), \
    COUNT(DISTINCT date_et_heure_de_comptage), COUNT(DISTINCT nom_du_compteur)";

/// The select list of the dataset's tables, in the column order of [`read_table`].
pub(super) const TABLE_COLUMNS: &str =
    "table_id, last_modified_time, UNIX_MILLIS(CURRENT_TIMESTAMP())";

/// Rows for a load job.
pub(super) struct Rows {
    /// The rows as newline-delimited JSON.
    pub(super) lines: Vec<u8>,
    /// The SHA-256 digest of the rows without their ingestion or prediction time, which differs
    /// between deliveries of the same event.
    pub(super) digest: Vec<u8>,
}

impl Rows {
    /// Serializes counts.
    pub(super) fn of_counts(
        counts: &Counts,
        ingested_at: Timestamp,
    ) -> Result<Self, serde_json::Error> {
        Self::serialize(|time| count_lines(counts, time.unwrap_or(ingested_at)))
    }

    /// Serializes forecasts.
    pub(super) fn of_forecasts(forecasts: &[Forecast]) -> Result<Self, serde_json::Error> {
        Self::serialize(|time| {
            to_lines(forecasts.iter().map(|forecast| {
                let predicted_at = time.unwrap_or(forecast.predicted_at);
                Forecast {
                    predicted_at,
                    ..forecast.clone()
                }
            }))
        })
    }

    /// Serializes the rows, and computes their digest with a constant time in place of the actual
    /// one.
    fn serialize(
        to_lines: impl Fn(Option<Timestamp>) -> Result<Vec<u8>, serde_json::Error>,
    ) -> Result<Self, serde_json::Error> {
        let digest = Sha256::digest(to_lines(Some(Timestamp::UNIX_EPOCH))?).to_vec();
        Ok(Self {
            lines: to_lines(None)?,
            digest,
        })
    }
}

fn count_lines(counts: &Counts, ingested_at: Timestamp) -> Result<Vec<u8>, serde_json::Error> {
    let ingestion_ts = write_timestamp(ingested_at);
    let records = counts.rows().iter().map(|row| {
        let counter = counts.counter(row.counter);
        CountRecord {
            comptage_horaire: row.count,
            date_et_heure_de_comptage: write_timestamp(row.hour.timestamp()),
            identifiant_du_compteur: counter.id.as_deref(),
            nom_du_compteur: &counter.name,
            coordonnees_geographiques: counter
                .coordinates
                .map(|coordinates| coordinates.to_string()),
            ingestion_ts: &ingestion_ts,
        }
    });
    to_lines(records)
}

/// A count, with the day of its table.
pub(super) struct CountOfDay {
    pub(super) day: Day,
    counter: Counter,
    hour: Hour,
    count: u32,
}

impl CountOfDay {
    /// Appends the count to `counts`.
    pub(super) fn push_to(self, counts: &mut Counts) {
        let counter = counts.intern(self.counter);
        counts.push(counter, self.hour, self.count);
    }
}

/// Parses a row of [`COUNT_COLUMNS`].
pub(super) fn read_count(row: TableRow) -> Result<CountOfDay, RowError> {
    let mut row = Row::new(row);
    Ok(CountOfDay {
        count: row.required("comptage_horaire", number)?,
        hour: row.required("date_et_heure_de_comptage", hour)?,
        counter: Counter {
            id: row.optional("identifiant_du_compteur", text)?,
            name: row.required("nom_du_compteur", text)?,
            coordinates: row.optional("coordonnees_geographiques", Coordinates::parse)?,
        },
        day: row.required("_TABLE_SUFFIX", suffix)?,
    })
}

/// Parses a row of [`forecast_columns`].
pub(super) fn read_forecast(row: TableRow) -> Result<Forecast, RowError> {
    from_cells(schema::FORECASTS.iter().zip(cells(row)))
}

/// Parses a row of [`TABLE_COLUMNS`]. Returns `None` for a table that is not of a day, such as
/// `daily_backup01`.
pub(super) fn read_table(row: TableRow) -> Result<Option<(Day, DailyTable)>, RowError> {
    let mut row = Row::new(row);
    let name = row.required("table_id", text)?;
    let Some(day) = name.strip_prefix(schema::DAILY_PREFIX).and_then(suffix) else {
        return Ok(None);
    };
    let changed_at: i64 = row.required("last_modified_time", number)?;
    let now: i64 = row.required("CURRENT_TIMESTAMP()", number)?;
    Ok(Some((
        day,
        DailyTable {
            version: TableVersion::from_number(changed_at),
            unchanged_ms: now.saturating_sub(changed_at),
        },
    )))
}

/// Parses a row of [`DAY_STATE_COLUMNS`].
pub(super) fn read_day_state(row: TableRow) -> Result<(Day, DayState), RowError> {
    let mut row = Row::new(row);
    let day = row.required("_TABLE_SUFFIX", suffix)?;
    Ok((
        day,
        DayState {
            rows: row.required("COUNT(*)", number)?,
            hours: row.required("COUNT(DISTINCT date_et_heure_de_comptage)", number)?,
            counters: row.required("COUNT(DISTINCT nom_du_compteur)", number)?,
        },
    ))
}

/// A row of the tables `bike_traffic_raw.daily_YYYYMMDD`.
#[derive(Serialize)]
struct CountRecord<'a> {
    comptage_horaire: u32,
    date_et_heure_de_comptage: String,
    identifiant_du_compteur: Option<&'a str>,
    nom_du_compteur: &'a str,
    coordonnees_geographiques: Option<String>,
    ingestion_ts: &'a str,
}

fn to_lines(records: impl Iterator<Item = impl Serialize>) -> Result<Vec<u8>, serde_json::Error> {
    let mut lines = Vec::new();
    for record in records {
        serde_json::to_writer(&mut lines, &record)?;
        lines.push(b'\n');
    }
    Ok(lines)
}

/// Returns the select expression of a column; instants are numbers, as servers format a TIMESTAMP
/// differently.
pub(super) fn selected(column: &Column) -> String {
    let name = column.name;
    match column.kind {
        ColumnType::Timestamp => format!("UNIX_MICROS(`{name}`)"),
        ColumnType::Json => format!("TO_JSON_STRING(`{name}`)"),
        _ => format!("`{name}`"),
    }
}

/// Returns the select list of forecasts.
pub(super) fn forecast_columns() -> String {
    schema::FORECASTS.each_ref().map(selected).join(", ")
}

/// Returns the cells of a row as text; NULL has none.
pub(super) fn cells(row: TableRow) -> impl Iterator<Item = Option<String>> {
    let columns = row.columns.unwrap_or_default().into_iter();
    columns.map(|cell| match cell.value {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) => Some(text),
        Some(other) => Some(other.to_string()),
    })
}

/// A result row, parsed cell by cell in column order.
pub(super) struct Row {
    cells: vec::IntoIter<Option<String>>,
}

impl Row {
    /// Returns a parser at the first cell of a row.
    pub(super) fn new(row: TableRow) -> Self {
        Self {
            cells: cells(row).collect::<Vec<_>>().into_iter(),
        }
    }

    /// Parses the next cell, which may be NULL.
    pub(super) fn optional<T>(
        &mut self,
        column: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, RowError> {
        let Some(text) = self.cells.next().flatten() else {
            return Ok(None);
        };
        parse(&text)
            .map(Some)
            .ok_or(RowError::Invalid { column, text })
    }

    /// Parses the next cell, which must not be NULL.
    pub(super) fn required<T>(
        &mut self,
        column: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, RowError> {
        self.optional(column, parse)?
            .ok_or(RowError::Empty { column })
    }
}

pub(super) fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

pub(super) fn number<T: FromStr>(text: &str) -> Option<T> {
    text.parse().ok()
}

fn suffix(text: &str) -> Option<Day> {
    Day::from_compact(text).ok()
}

fn hour(text: &str) -> Option<Hour> {
    Hour::starting_at(Timestamp::from_second(number(text)?).ok()?)
}
