//! Daily tables and the audit log.

use forecasting::{
    counts::{Coordinates, Counter},
    time::{Day, Hour},
};
use serde_json::json;
use shared::{
    audit::{Actor, AuditEntry, AuditRow},
    event::{EventId, Function},
    registry::Version,
    warehouse::Forecast,
};

use super::{PreviousState, timestamp};

fn day(text: &str) -> Day {
    text.parse().unwrap()
}

fn hour(text: &str) -> Hour {
    Hour::starting_at(timestamp(text)).unwrap()
}

#[tokio::test]
async fn audit_log_without_the_newer_columns_is_read_and_extended() {
    let state = PreviousState::copy();
    let warehouse = &state.ports.warehouse;
    let rows = warehouse.audit_log().await.unwrap();
    let decisions: Vec<_> = rows
        .iter()
        .map(|row| (row.function, row.entry.decision.as_str()))
        .collect();
    let expected = [
        (Function::Promote, "trained"),
        (Function::Predict, "forecast"),
        (Function::Ingest, "ingested"),
        (Function::DriftCheck, "no-drift"),
        (Function::DriftCheck, "drift"),
        (Function::FineTune, "challenger-trained"),
        (Function::Evaluate, "evaluated"),
        (Function::Promote, "kept"),
        (Function::Ingest, "ingested"),
        (Function::Promote, "kept"),
    ];
    assert_eq!(decisions, expected);
    let has_no_newer_column = |row: &AuditRow| {
        let newer = (
            row.actor,
            row.entry.strategy_decision,
            row.entry.challenger_mae,
        );
        newer == (None, None, None)
    };
    assert!(rows.iter().all(has_no_newer_column), "{rows:?}");

    let fine_tuned = &rows[5];
    assert_eq!(fine_tuned.timestamp, timestamp("2021-08-02T05:00:00Z"));
    assert_eq!(
        (fine_tuned.event_id.to_string(), fine_tuned.env.as_str()),
        ("drift-check/2021-W30".to_owned(), "local")
    );
    let expected = AuditEntry {
        mae: Some(14.414381517381146),
        rmse: Some(24.511232374208717),
        r2: Some(0.9022192800083606),
        fine_tune_triggered: Some(true),
        fine_tune_success: Some(true),
        champion_version: Some(Version::new(1)),
        challenger_version: Some(Version::new(2)),
        detail: json!({
            "days": 7,
            "recipe": { "epochs": 30, "freeze_layers": null, "learning_rate": 0.01 },
            "rows": 3360,
            "run": "fine-tune-2021-W30",
            "window": { "first": "2021-07-03", "last": "2021-08-01", "last_training": "2021-07-25" },
        }),
        ..AuditEntry::new(
            "challenger-trained",
            "version 2 trained from version 1 on 3360 rows of 7 days",
        )
    };
    assert_eq!(fine_tuned.entry, expected);
    assert_eq!(
        [3, 4, 5].map(|row: usize| rows[row].entry.drift_detected),
        [Some(false), Some(true), None]
    );
    assert_eq!(
        rows[7].entry.model_improvement,
        Some(-0.0035957037231459446)
    );
    assert_eq!(rows[9].timestamp, timestamp("2026-11-26T02:15:26.446126Z"));

    let next = AuditEntry {
        challenger_mae: Some(14.5),
        ..AuditEntry::new("no-drift", "a reason")
    };
    let next = next.into_row(
        timestamp("2026-11-30T05:00:00Z"),
        Function::DriftCheck,
        EventId::of(Function::DriftCheck, "2026-W48"),
        "local",
    );
    warehouse.record(&next).await.unwrap();
    let extended = warehouse.audit_log().await.unwrap();
    assert_eq!(extended[..10], rows, "recording changed the known rows");
    assert_eq!(extended.len(), 11);
    assert_eq!(extended[10].actor, Some(Actor::Function));
    assert_eq!(extended[10].entry.challenger_mae, Some(14.5));
}

#[tokio::test]
async fn forecasts_are_read() {
    let state = PreviousState::copy();
    let first = day("2021-07-19");
    let forecasts = state.ports.warehouse.forecasts(first, first).await.unwrap();
    assert_eq!(forecasts.len(), 50);
    let expected = Forecast {
        actual: Some(11),
        prediction: 21.68999671936035,
        model_type: "xgboost".to_owned(),
        model_version: Version::new(1),
        predicted_at: timestamp("2021-07-19T04:00:00Z"),
        counter_id: Some("100000001-101000001".to_owned()),
        counter_name: "27 quai des Deux-Tilleuls E-O".to_owned(),
        hour: hour("2021-07-18T22:00:00Z"),
        model_prediction: None,
        correction: None,
        prediction_low_80: None,
        prediction_high_80: None,
        prediction_low_95: None,
        prediction_high_95: None,
        silent: None,
    };
    assert_eq!(forecasts[0], expected);
    assert_eq!(forecasts[0].uncorrected(), 21.68999671936035);
    assert_eq!(
        (forecasts[49].actual, forecasts[49].hour),
        (Some(10), hour("2021-07-19T00:00:00Z"))
    );

    let last = day("2021-08-23");
    let forecasts = state.ports.warehouse.forecasts(last, last).await.unwrap();
    let values: Vec<_> = forecasts
        .iter()
        .map(|forecast| (forecast.actual, forecast.prediction))
        .collect();
    let expected = [
        16.711000442504883,
        22.288042068481445,
        4.749540328979492,
        2.4392271041870117,
        22.748994827270508,
    ];
    assert_eq!(values, expected.map(|prediction| (None, prediction)));
}

#[tokio::test]
async fn counts_are_read() {
    let state = PreviousState::copy();
    let first = day("2021-07-19");
    let counts = state.ports.warehouse.counts(first, first).await.unwrap();
    assert_eq!((counts.len(), counts.counters().len()), (50, 20));
    let row = counts.rows()[1];
    assert_eq!((row.hour, row.count), (hour("2021-07-18T22:00:00Z"), 45));
    let expected = Counter {
        id: Some("100000001-102000001".to_owned()),
        name: "27 quai des Deux-Tilleuls O-E".to_owned(),
        coordinates: Coordinates::new(48.883209, 2.291375),
    };
    assert_eq!(*counts.counter(row.counter), expected);
}
