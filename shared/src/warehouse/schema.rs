//! The datasets, tables and columns of the warehouse, as Terraform creates them in BigQuery.
//!
//! The embedded warehouse has the same columns except `recorded_at`, because its rows are ordered.

use forecasting::time::Day;
use serde::Serialize;
use serde_with::SerializeDisplay;
use strum::IntoStaticStr;

/// The dataset of the counts, with one table per day.
pub const RAW: &str = "bike_traffic_raw";
/// The dataset of the forecasts, with one table per day.
pub const PREDICTIONS: &str = "bike_traffic_predictions";
/// The dataset of the audit log.
pub const MONITORING: &str = "monitoring_audit";
/// All datasets.
pub const DATASETS: [&str; 3] = [RAW, PREDICTIONS, MONITORING];

/// The table of the audit log.
pub const LOGS: &str = "logs";

/// The prefix of daily tables. The day follows, as in `daily_20210719`.
pub const DAILY_PREFIX: &str = "daily_";

/// Returns the name of a day's table.
pub fn daily_table(day: Day) -> String {
    format!("{DAILY_PREFIX}{}", day.compact())
}

/// A column of a table. Its JSON form is a field schema of BigQuery's REST API and of Terraform.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Column {
    /// The name of the column.
    pub name: &'static str,
    /// The type of the values.
    #[serde(rename = "type")]
    pub kind: ColumnType,
    /// The mode: nullable or required.
    pub mode: ColumnMode,
}

/// The type of a column, named as in GoogleSQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr, SerializeDisplay, strum::Display)]
#[strum(serialize_all = "UPPERCASE")]
pub enum ColumnType {
    /// A Boolean.
    Bool,
    /// A 64-bit floating-point number.
    Float64,
    /// A 64-bit integer.
    Int64,
    /// A JSON value of any shape.
    Json,
    /// Text.
    String,
    /// An instant with microsecond precision.
    Timestamp,
}

impl ColumnType {
    /// Returns the name of the type in GoogleSQL.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// The mode of a column, named as in BigQuery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum ColumnMode {
    /// The value may be absent.
    Nullable,
    /// Every row has a value.
    Required,
}

/// The columns of `bike_traffic_raw.daily_YYYYMMDD`.
pub const COUNTS: [Column; 6] = [
    required("comptage_horaire", ColumnType::Int64),
    required("date_et_heure_de_comptage", ColumnType::Timestamp),
    nullable("identifiant_du_compteur", ColumnType::String),
    required("nom_du_compteur", ColumnType::String),
    nullable("coordonnees_geographiques", ColumnType::String),
    required("ingestion_ts", ColumnType::Timestamp),
];

/// The columns of `bike_traffic_predictions.daily_YYYYMMDD`.
///
/// Tables of earlier versions end with `date_et_heure_de_comptage`. New columns follow the existing
/// ones and are nullable, so such tables are read without them.
pub const FORECASTS: [Column; 15] = [
    nullable("comptage_horaire", ColumnType::Int64),
    required("prediction", ColumnType::Float64),
    required("model_type", ColumnType::String),
    required("model_version", ColumnType::Int64),
    required("prediction_ts", ColumnType::Timestamp),
    nullable("identifiant_du_compteur", ColumnType::String),
    required("nom_du_compteur", ColumnType::String),
    required("date_et_heure_de_comptage", ColumnType::Timestamp),
    nullable("model_prediction", ColumnType::Float64),
    nullable("correction", ColumnType::Float64),
    nullable("prediction_low_80", ColumnType::Float64),
    nullable("prediction_high_80", ColumnType::Float64),
    nullable("prediction_low_95", ColumnType::Float64),
    nullable("prediction_high_95", ColumnType::Float64),
    nullable("silent", ColumnType::Bool),
];

/// The columns of `monitoring_audit.logs`.
pub const AUDIT_LOG: [Column; 21] = [
    required("timestamp", ColumnType::Timestamp),
    nullable("drift_detected", ColumnType::Bool),
    nullable("mae", ColumnType::Float64),
    nullable("rmse", ColumnType::Float64),
    nullable("r2", ColumnType::Float64),
    nullable("fine_tune_triggered", ColumnType::Bool),
    nullable("fine_tune_success", ColumnType::Bool),
    nullable("model_improvement", ColumnType::Float64),
    required("env", ColumnType::String),
    nullable("error_message", ColumnType::String),
    required("event_id", ColumnType::String),
    required("function", ColumnType::String),
    required("decision", ColumnType::String),
    required("reason", ColumnType::String),
    nullable("champion_version", ColumnType::Int64),
    nullable("challenger_version", ColumnType::Int64),
    required("detail", ColumnType::Json),
    RECORDED_AT,
    // BigQuery appends columns that are added to a table.
    nullable("actor", ColumnType::String),
    nullable("strategy_decision", ColumnType::String),
    nullable("challenger_mae", ColumnType::Float64),
];

/// The time of recording, by BigQuery's clock. BigQuery's rows are unordered, and the latest row of
/// a key is the valid one.
pub const RECORDED_AT: Column = required("recorded_at", ColumnType::Timestamp);

const fn required(name: &'static str, kind: ColumnType) -> Column {
    Column {
        name,
        kind,
        mode: ColumnMode::Required,
    }
}

const fn nullable(name: &'static str, kind: ColumnType) -> Column {
    Column {
        name,
        kind,
        mode: ColumnMode::Nullable,
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::json;

    use super::*;
    use crate::{
        audit::AuditEntry,
        event::{EventId, Function},
        registry::Version,
        warehouse::{Forecast, tables},
    };
    use forecasting::{
        counts::{self, Counts},
        time::Hour,
    };

    fn names(columns: &[Column]) -> String {
        columns
            .iter()
            .map(|column| column.name)
            .collect::<Vec<_>>()
            .join(",")
    }

    fn header(table: Vec<u8>) -> String {
        String::from_utf8(table)
            .unwrap()
            .lines()
            .next()
            .unwrap()
            .to_owned()
    }

    #[test]
    fn embedded_tables_have_the_columns_of_the_schema() {
        let now = Timestamp::UNIX_EPOCH;
        let mut counts = Vec::new();
        counts::write_table(&Counts::default(), now, &mut counts).unwrap();
        assert_eq!(header(counts), names(&COUNTS));

        let forecast = Forecast {
            counter_id: None,
            counter_name: "Quai".to_owned(),
            hour: Hour::containing(now),
            prediction: 15.4,
            actual: None,
            model_type: "xgboost".to_owned(),
            model_version: Version::new(3),
            predicted_at: now,
            model_prediction: Some(14.0),
            correction: Some(1.1),
            prediction_low_80: None,
            prediction_high_80: None,
            prediction_low_95: None,
            prediction_high_95: None,
            silent: Some(false),
        };
        assert_eq!(
            header(tables::write_forecasts(&[forecast]).unwrap()),
            names(&FORECASTS)
        );

        let event_id = EventId::of(Function::DriftCheck, "2021-W30");
        let row =
            AuditEntry::new("kept", "no drift").into_row(now, Function::Promote, event_id, "dev");
        let embedded = AUDIT_LOG.map(|column| column.name).join(",");
        assert_eq!(
            header(tables::write_audit_log(&[row]).unwrap()),
            embedded.replace("recorded_at,", "")
        );
    }

    #[test]
    fn column_is_serialized_as_a_bigquery_field() {
        assert_eq!(
            serde_json::to_value([RECORDED_AT, FORECASTS[0]]).unwrap(),
            json!([
                { "name": "recorded_at", "type": "TIMESTAMP", "mode": "REQUIRED" },
                { "name": "comptage_horaire", "type": "INT64", "mode": "NULLABLE" },
            ])
        );
    }
}
