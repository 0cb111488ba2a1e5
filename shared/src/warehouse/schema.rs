//! The datasets, their tables and columns, as BigQuery has them and terraform makes them.
//!
//! The embedded warehouse has the same, but for `recorded_at`: its rows have an order of their own.

use forecasting::time::Day;
use serde::{Serialize, Serializer};

/// The dataset of the counts, with a table for each day.
pub const RAW: &str = "bike_traffic_raw";
/// The dataset of the forecasts, with a table for each day.
pub const PREDICTIONS: &str = "bike_traffic_predictions";
/// The dataset of the audit log.
pub const MONITORING: &str = "monitoring_audit";
/// All datasets.
pub const DATASETS: [&str; 3] = [RAW, PREDICTIONS, MONITORING];

/// The table of the audit log.
pub const LOGS: &str = "logs";

/// What the names of daily tables begin with; a day follows, as in `daily_20210719`.
pub const DAILY_PREFIX: &str = "daily_";

/// Returns the name of the table of a day.
pub fn daily_table(day: Day) -> String {
    format!("{DAILY_PREFIX}{}", day.compact())
}

/// A column of a table. As JSON it is what BigQuery's REST interface and terraform call a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Column {
    /// The name.
    pub name: &'static str,
    /// The type of its values.
    #[serde(rename = "type")]
    pub kind: ColumnType,
    /// Whether every row has a value.
    pub mode: ColumnMode,
}

/// A type, named as in GoogleSQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnType {
    /// True or false.
    Bool,
    /// A floating point number.
    Float64,
    /// A whole number.
    Int64,
    /// JSON of any shape.
    Json,
    /// Text.
    String,
    /// An instant, to the microsecond.
    Timestamp,
}

impl ColumnType {
    /// Returns the name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bool => "BOOL",
            Self::Float64 => "FLOAT64",
            Self::Int64 => "INT64",
            Self::Json => "JSON",
            Self::String => "STRING",
            Self::Timestamp => "TIMESTAMP",
        }
    }
}

impl Serialize for ColumnType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// Whether every row has a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum ColumnMode {
    /// It may be missing.
    Nullable,
    /// It is always there.
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
pub const FORECASTS: [Column; 8] = [
    nullable("comptage_horaire", ColumnType::Int64),
    required("prediction", ColumnType::Float64),
    required("model_type", ColumnType::String),
    required("model_version", ColumnType::Int64),
    required("prediction_ts", ColumnType::Timestamp),
    nullable("identifiant_du_compteur", ColumnType::String),
    required("nom_du_compteur", ColumnType::String),
    required("date_et_heure_de_comptage", ColumnType::Timestamp),
];

/// The columns of `monitoring_audit.logs`.
pub const AUDIT_LOG: [Column; 18] = [
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
];

/// When a row was recorded, by BigQuery's clock: rows of BigQuery have no order, and of one event's rows the last counts.
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
    fn the_embedded_tables_have_the_same_columns() {
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
        };
        assert_eq!(
            header(tables::write_forecasts(&[forecast]).unwrap()),
            names(&FORECASTS)
        );

        let event_id = EventId::of(Function::DriftCheck, "2021-W30");
        let row =
            AuditEntry::new("kept", "no drift").into_row(now, Function::Promote, event_id, "dev");
        let (recorded_at, others) = AUDIT_LOG.split_last().unwrap();
        assert_eq!(
            (
                header(tables::write_audit_log(&[row]).unwrap()),
                *recorded_at
            ),
            (names(others), RECORDED_AT)
        );
    }

    #[test]
    fn a_column_is_written_as_bigquery_reads_it() {
        assert_eq!(
            serde_json::to_value([RECORDED_AT, FORECASTS[0]]).unwrap(),
            json!([
                { "name": "recorded_at", "type": "TIMESTAMP", "mode": "REQUIRED" },
                { "name": "comptage_horaire", "type": "INT64", "mode": "NULLABLE" },
            ])
        );
    }
}
