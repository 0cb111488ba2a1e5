//! The columns of the embedded tables of forecasts and of the audit log, as BigQuery has them.

use forecasting::counts::{RejectReason, parse_hour};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Forecast;
use crate::{
    audit::AuditRow,
    event::{EventId, Function},
    registry::Version,
};

const TIMESTAMP_FORMAT: &str = "%Y-%m-%d %H:%M:%S%.6f UTC";

type TableError = Box<dyn std::error::Error + Send + Sync>;

pub(crate) fn write_forecasts(forecasts: &[Forecast]) -> Result<Vec<u8>, TableError> {
    write(forecasts.iter().map(ForecastRecord::from))
}

pub(crate) fn read_forecasts(table: &[u8]) -> Result<Vec<Forecast>, TableError> {
    read::<ForecastRecord, _>(table)
}

pub(crate) fn write_audit_log(rows: &[AuditRow]) -> Result<Vec<u8>, TableError> {
    write(rows.iter().map(AuditRecord::from))
}

pub(crate) fn read_audit_log(table: &[u8]) -> Result<Vec<AuditRow>, TableError> {
    read::<AuditRecord, _>(table)
}

fn write(records: impl Iterator<Item = impl Serialize>) -> Result<Vec<u8>, TableError> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for record in records {
        writer.serialize(record)?;
    }
    Ok(writer.into_inner()?)
}

fn read<Record, Row>(table: &[u8]) -> Result<Vec<Row>, TableError>
where
    Record: for<'de> Deserialize<'de>,
    Row: TryFrom<Record, Error = TableError>,
{
    csv::Reader::from_reader(table)
        .deserialize::<Record>()
        .map(|record| Row::try_from(record?))
        .collect()
}

/// `bike_traffic_predictions.daily_YYYYMMDD`.
#[derive(Serialize, Deserialize)]
pub struct ForecastRecord {
    comptage_horaire: Option<u32>,
    prediction: f64,
    model_type: String,
    model_version: Version,
    prediction_ts: String,
    identifiant_du_compteur: Option<String>,
    nom_du_compteur: String,
    date_et_heure_de_comptage: String,
}

impl From<&Forecast> for ForecastRecord {
    fn from(forecast: &Forecast) -> Self {
        Self {
            comptage_horaire: forecast.actual,
            prediction: forecast.prediction,
            model_type: forecast.model_type.clone(),
            model_version: forecast.model_version,
            prediction_ts: write_timestamp(forecast.predicted_at),
            identifiant_du_compteur: forecast.counter_id.clone(),
            nom_du_compteur: forecast.counter_name.clone(),
            date_et_heure_de_comptage: forecast
                .hour
                .timestamp()
                .strftime("%Y-%m-%d %H:%M:%S UTC")
                .to_string(),
        }
    }
}

impl TryFrom<ForecastRecord> for Forecast {
    type Error = TableError;

    fn try_from(record: ForecastRecord) -> Result<Self, TableError> {
        Ok(Self {
            counter_id: record.identifiant_du_compteur,
            counter_name: record.nom_du_compteur,
            hour: parse_hour(&record.date_et_heure_de_comptage)
                .map_err(|reason: RejectReason| Box::new(reason))?,
            prediction: record.prediction,
            actual: record.comptage_horaire,
            model_type: record.model_type,
            model_version: record.model_version,
            predicted_at: read_timestamp(&record.prediction_ts)?,
        })
    }
}

/// `monitoring_audit.logs`.
#[derive(Serialize, Deserialize)]
struct AuditRecord {
    timestamp: String,
    drift_detected: Option<bool>,
    mae: Option<f64>,
    rmse: Option<f64>,
    r2: Option<f64>,
    fine_tune_triggered: Option<bool>,
    fine_tune_success: Option<bool>,
    model_improvement: Option<f64>,
    env: String,
    error_message: Option<String>,
    event_id: EventId,
    function: Function,
    decision: String,
    reason: String,
    champion_version: Option<Version>,
    challenger_version: Option<Version>,
    detail: String,
}

impl From<&AuditRow> for AuditRecord {
    fn from(row: &AuditRow) -> Self {
        Self {
            timestamp: write_timestamp(row.timestamp),
            drift_detected: row.drift_detected,
            mae: row.mae,
            rmse: row.rmse,
            r2: row.r2,
            fine_tune_triggered: row.fine_tune_triggered,
            fine_tune_success: row.fine_tune_success,
            model_improvement: row.model_improvement,
            env: row.env.clone(),
            error_message: row.error_message.clone(),
            event_id: row.event_id.clone(),
            function: row.function,
            decision: row.decision.clone(),
            reason: row.reason.clone(),
            champion_version: row.champion_version,
            challenger_version: row.challenger_version,
            detail: row.detail.to_string(),
        }
    }
}

impl TryFrom<AuditRecord> for AuditRow {
    type Error = TableError;

    fn try_from(record: AuditRecord) -> Result<Self, TableError> {
        Ok(Self {
            timestamp: read_timestamp(&record.timestamp)?,
            function: record.function,
            event_id: record.event_id,
            decision: record.decision,
            reason: record.reason,
            drift_detected: record.drift_detected,
            mae: record.mae,
            rmse: record.rmse,
            r2: record.r2,
            fine_tune_triggered: record.fine_tune_triggered,
            fine_tune_success: record.fine_tune_success,
            model_improvement: record.model_improvement,
            env: record.env,
            error_message: record.error_message,
            champion_version: record.champion_version,
            challenger_version: record.challenger_version,
            detail: serde_json::from_str(&record.detail)?,
        })
    }
}

/// Formats an instant as BigQuery reads it from JSON: RFC 3339 in UTC.
pub fn write_timestamp(timestamp: Timestamp) -> String {
    timestamp.strftime(TIMESTAMP_FORMAT).to_string()
}

fn read_timestamp(text: &str) -> Result<Timestamp, TableError> {
    Ok(
        jiff::civil::DateTime::strptime("%Y-%m-%d %H:%M:%S%.f UTC", text)?
            .to_zoned_datetime(jiff::tz::TimeZone::UTC)?
            .timestamp(),
    )
}
