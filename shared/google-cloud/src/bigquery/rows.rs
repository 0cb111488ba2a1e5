//! Rows of the daily tables, as they are loaded and as they are read.

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
use shared::{
    registry::Version,
    warehouse::{
        DayState, Forecast, TableVersion, schema,
        tables::{ForecastRecord, write_timestamp},
    },
};

use super::days::DailyTable;

/// What is selected of counts, in the order in which [`read_count`] reads it.
///
/// Instants are read as numbers, since servers differ in how they write a TIMESTAMP.
pub(super) const COUNT_COLUMNS: &str = "comptage_horaire, UNIX_SECONDS(date_et_heure_de_comptage), \
    identifiant_du_compteur, nom_du_compteur, coordonnees_geographiques, _TABLE_SUFFIX";

/// What is selected of forecasts, in the order in which [`read_forecast`] reads it.
pub(super) const FORECAST_COLUMNS: &str = "comptage_horaire, prediction, model_type, model_version, \
    UNIX_MICROS(prediction_ts), identifiant_du_compteur, nom_du_compteur, UNIX_SECONDS(date_et_heure_de_comptage)";

/// What is selected of each day's table, in the order in which [`read_day_state`] reads it.
pub(super) const DAY_STATE_COLUMNS: &str =
    "_TABLE_SUFFIX, COUNT(*), COUNT(DISTINCT date_et_heure_de_comptage)";

/// What is selected of the dataset's list of tables, in the order in which [`read_table`] reads it.
pub(super) const TABLE_COLUMNS: &str =
    "table_id, last_modified_time, UNIX_MILLIS(CURRENT_TIMESTAMP())";

/// Rows to be loaded.
pub(super) struct Rows {
    /// The rows as newline-delimited JSON.
    pub(super) lines: Vec<u8>,
    /// A digest of all that the rows say but when they were written, which each delivery of the same event says anew.
    pub(super) digest: Vec<u8>,
}

impl Rows {
    /// Writes counts.
    pub(super) fn of_counts(
        counts: &Counts,
        ingested_at: Timestamp,
    ) -> Result<Self, serde_json::Error> {
        Self::written(|time| write_counts(counts, time.unwrap_or(ingested_at)))
    }

    /// Writes forecasts.
    pub(super) fn of_forecasts(forecasts: &[Forecast]) -> Result<Self, serde_json::Error> {
        Self::written(|time| {
            write(forecasts.iter().map(|forecast| {
                let predicted_at = time.unwrap_or(forecast.predicted_at);
                ForecastRecord::from(&Forecast {
                    predicted_at,
                    ..forecast.clone()
                })
            }))
        })
    }

    /// Has the rows written as they are, and as if they had been written at an instant that is always the same.
    fn written(
        write: impl Fn(Option<Timestamp>) -> Result<Vec<u8>, serde_json::Error>,
    ) -> Result<Self, serde_json::Error> {
        let digest = Sha256::digest(write(Some(Timestamp::UNIX_EPOCH))?).to_vec();
        Ok(Self {
            lines: write(None)?,
            digest,
        })
    }
}

fn write_counts(counts: &Counts, ingested_at: Timestamp) -> Result<Vec<u8>, serde_json::Error> {
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
    write(records)
}

/// A count, and the day in whose table it is.
pub(super) struct CountOfDay {
    pub(super) day: Day,
    counter: Counter,
    hour: Hour,
    count: u32,
}

impl CountOfDay {
    /// Adds it to counts.
    pub(super) fn push_to(self, counts: &mut Counts) {
        let counter = counts.intern(self.counter);
        counts.push(counter, self.hour, self.count);
    }
}

/// Reads a row of [`COUNT_COLUMNS`].
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

/// Reads a row of [`FORECAST_COLUMNS`].
pub(super) fn read_forecast(row: TableRow) -> Result<Forecast, RowError> {
    let mut row = Row::new(row);
    Ok(Forecast {
        actual: row.optional("comptage_horaire", number)?,
        prediction: row.required("prediction", number)?,
        model_type: row.required("model_type", text)?,
        model_version: row.required("model_version", version)?,
        predicted_at: row.required("prediction_ts", microseconds)?,
        counter_id: row.optional("identifiant_du_compteur", text)?,
        counter_name: row.required("nom_du_compteur", text)?,
        hour: row.required("date_et_heure_de_comptage", hour)?,
    })
}

/// Reads a row of [`TABLE_COLUMNS`].
pub(super) fn read_table(row: TableRow) -> Result<(Day, DailyTable), RowError> {
    let mut row = Row::new(row);
    let day = row.required("table_id", |name| {
        suffix(name.strip_prefix(schema::DAILY_PREFIX)?)
    })?;
    let changed_at: i64 = row.required("last_modified_time", number)?;
    let now: i64 = row.required("CURRENT_TIMESTAMP()", number)?;
    Ok((
        day,
        DailyTable {
            version: TableVersion::from_number(changed_at),
            unchanged_ms: now.saturating_sub(changed_at),
        },
    ))
}

/// Reads a row of [`DAY_STATE_COLUMNS`].
pub(super) fn read_day_state(row: TableRow) -> Result<(Day, DayState), RowError> {
    let mut row = Row::new(row);
    let day = row.required("_TABLE_SUFFIX", suffix)?;
    Ok((
        day,
        DayState {
            rows: row.required("COUNT(*)", number)?,
            hours: row.required("COUNT(DISTINCT)", number)?,
        },
    ))
}

/// `bike_traffic_raw.daily_YYYYMMDD`.
#[derive(Serialize)]
struct CountRecord<'a> {
    comptage_horaire: u32,
    date_et_heure_de_comptage: String,
    identifiant_du_compteur: Option<&'a str>,
    nom_du_compteur: &'a str,
    coordonnees_geographiques: Option<String>,
    ingestion_ts: &'a str,
}

fn write(records: impl Iterator<Item = impl Serialize>) -> Result<Vec<u8>, serde_json::Error> {
    let mut lines = Vec::new();
    for record in records {
        serde_json::to_writer(&mut lines, &record)?;
        lines.push(b'\n');
    }
    Ok(lines)
}

/// A row of a result, read cell by cell in the order of the query's columns.
pub(super) struct Row {
    cells: vec::IntoIter<Option<Value>>,
}

impl Row {
    /// Begins at the first cell.
    pub(super) fn new(row: TableRow) -> Self {
        let cells: Vec<_> = row
            .columns
            .unwrap_or_default()
            .into_iter()
            .map(|cell| cell.value)
            .collect();
        Self {
            cells: cells.into_iter(),
        }
    }

    /// Reads the next cell, which may be empty.
    pub(super) fn optional<T>(
        &mut self,
        column: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, RowError> {
        let text = match self.cells.next().flatten() {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::String(text)) => text,
            Some(other) => other.to_string(),
        };
        parse(&text)
            .map(Some)
            .ok_or(RowError::Unreadable { column, text })
    }

    /// Reads the next cell, which is never empty.
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

pub(super) fn version(text: &str) -> Option<Version> {
    number(text).map(Version::new)
}

pub(super) fn microseconds(text: &str) -> Option<Timestamp> {
    Timestamp::from_microsecond(number(text)?).ok()
}

fn suffix(text: &str) -> Option<Day> {
    Day::from_compact(text).ok()
}

fn hour(text: &str) -> Option<Hour> {
    Hour::starting_at(Timestamp::from_second(number(text)?).ok()?)
}

/// A row that does not hold what its columns promise.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum RowError {
    /// A value is missing.
    #[error("the column {column} is empty")]
    Empty { column: &'static str },
    /// A value is none of the column's.
    #[error("the column {column} holds `{text}`")]
    Unreadable { column: &'static str, text: String },
}
