//! The tables of the embedded warehouse.

use std::sync::Arc;

use serde_json::json;
use shared::{
    audit::{AuditEntry, AuditRow, StrategyDecision},
    event::{EventId, Function},
    registry::Version,
    warehouse::{EmbeddedWarehouse, Forecast, Warehouse},
};

use super::{assert_snapshot, counts, day, hour, store, stored, timestamp};

/// Returns a row with a value in every column.
fn full_row() -> AuditRow {
    let entry = AuditEntry {
        drift_detected: Some(true),
        mae: Some(15.4375),
        rmse: Some(31.0),
        r2: Some(0.75),
        fine_tune_triggered: Some(true),
        fine_tune_success: Some(false),
        model_improvement: Some(-0.0625),
        error_message: Some("cannot train: 23 rows".to_owned()),
        champion_version: Some(Version::new(1)),
        challenger_version: Some(Version::new(2)),
        detail: json!({ "days": 7, "run": "fine-tune-2021-W30" }),
        strategy_decision: Some(StrategyDecision::ChampionKept),
        challenger_mae: Some(16.25),
        ..AuditEntry::new("failed", "a reason, with \"quotes\" and 60 %")
    };
    entry.into_row(
        timestamp("2021-08-02T05:00:00.123456Z"),
        Function::FineTune,
        EventId::of(Function::DriftCheck, "2021-W30"),
        "dev",
    )
}

#[tokio::test]
async fn audit_log() {
    let store = store();
    let warehouse = EmbeddedWarehouse::new(Arc::clone(&store));
    let short = AuditEntry::new("rolled-back", "by hand").into_row(
        timestamp("2021-08-02T06:00:00Z"),
        Function::Promote,
        EventId::of(Function::Promote, "rollback-2021-08-02T06-00-00Z"),
        "dev",
    );
    for row in [full_row(), short.by_operator()] {
        warehouse.record(&row).await.unwrap();
    }
    assert_snapshot(
        "audit_log",
        &stored(&store, "monitoring_audit/logs.csv").await,
    );
}

#[tokio::test]
async fn forecasts() {
    let store = store();
    let warehouse = EmbeddedWarehouse::new(Arc::clone(&store));
    let forecast = Forecast {
        actual: Some(12),
        prediction: 15.4375,
        model_type: "xgboost".to_owned(),
        model_version: Version::new(3),
        predicted_at: timestamp("2021-07-19T04:00:00Z"),
        counter_id: Some("100003096-SC".to_owned()),
        counter_name: "Quai d'Orsay, \"E-O\"; côté Seine".to_owned(),
        hour: hour("2021-07-18T22:00:00Z"),
        model_prediction: Some(12.35),
        correction: Some(1.25),
        prediction_low_80: Some(9.5),
        prediction_high_80: Some(22.25),
        prediction_low_95: Some(6.0),
        prediction_high_95: Some(31.125),
        silent: Some(false),
    };
    let silent = Forecast {
        prediction: 0.0,
        model_prediction: Some(0.0),
        prediction_low_80: None,
        prediction_high_80: None,
        prediction_low_95: None,
        prediction_high_95: None,
        silent: Some(true),
        ..forecast.clone()
    };
    let of_earlier_version = Forecast {
        actual: None,
        prediction: 0.0,
        counter_id: None,
        counter_name: "Pont".to_owned(),
        model_prediction: None,
        correction: None,
        silent: None,
        ..silent.clone()
    };
    warehouse
        .replace_forecasts(day("2021-07-19"), &[forecast, silent, of_earlier_version])
        .await
        .unwrap();
    let path = "bike_traffic_predictions/daily_20210719.csv";
    assert_snapshot("forecasts", &stored(&store, path).await);
}

#[tokio::test]
async fn daily_counts() {
    let store = store();
    let warehouse = EmbeddedWarehouse::new(Arc::clone(&store));
    let ingested_at = timestamp("2021-07-20T04:00:00Z");
    warehouse
        .replace_counts(day("2021-07-19"), &counts(), ingested_at)
        .await
        .unwrap();
    let path = "bike_traffic_raw/daily_20210719.csv";
    assert_snapshot("daily_counts", &stored(&store, path).await);
}
