//! Tests of the audit log.

use std::sync::Arc;

use serde_json::json;
use shared::{
    audit::{AuditEntry, AuditRow, StrategyDecision},
    event::{EventId, Function},
    registry::Version,
};
use tokio::{sync::Barrier, task::JoinSet};

use super::{Setup, timestamp};

/// Rows with all fields, with none, and with special characters are read back unchanged.
pub async fn audit_rows_are_read_back(target: &Setup) {
    let decided_at = timestamp("2021-08-02T05:00:00.123456Z");
    let full = AuditEntry {
        drift_detected: Some(true),
        mae: Some(0.1 + 0.2),
        rmse: Some(30.1),
        r2: Some(-1e-3),
        fine_tune_triggered: Some(false),
        fine_tune_success: Some(true),
        model_improvement: Some(0.0),
        error_message: Some("line one\nline \"two\", with 'quotes'; tab\tand \\n".to_owned()),
        champion_version: Some(Version::new(1)),
        challenger_version: Some(Version::new(12)),
        detail: json!({ "columns": [{ "name": "comptage_horaire", "score": 0.25 }], "note": "dérive, \"été\"\n" }),
        strategy_decision: Some(StrategyDecision::ChampionPromoted),
        challenger_mae: Some(0.1 + 0.7),
        ..AuditEntry::new(
            "promoted",
            "MAE 13,2 au lieu de 15,4 – «mieux», \"enfin\"\r\nsigné: naïf, Zoë",
        )
    };
    let mut expected = Vec::new();
    for (subject, entry) in [
        ("full", full),
        ("bare", AuditEntry::new("kept", "no drift")),
    ] {
        let row = entry.into_row(
            decided_at,
            Function::Promote,
            target.event_id(subject),
            "dev",
        );
        target.warehouse.record(&row).await.unwrap();
        expected.push(row);
    }
    assert_eq!(target.audit_log().await, expected);
}

/// A row with the same function, event and decision replaces the previous row.
pub async fn audit_row_is_identified_by_function_event_and_decision(target: &Setup) {
    let row = |function, subject: &str, decision, reason: &str| {
        let entry = AuditEntry::new(decision, reason);
        entry.into_row(
            timestamp("2021-08-02T05:00:00Z"),
            function,
            target.event_id(subject),
            "dev",
        )
    };
    let rows = [
        row(Function::Promote, "2021-W30", "kept", "first"),
        row(Function::Promote, "2021-W30", "promoted", "first"),
        row(Function::Evaluate, "2021-W30", "kept", "first"),
        row(Function::Promote, "2021-W31", "kept", "first"),
    ];
    for row in rows.iter().chain(&rows) {
        target.warehouse.record(row).await.unwrap();
    }
    assert_eq!(target.audit_log().await, rows);
    let again = row(Function::Promote, "2021-W30", "kept", "second");
    target.warehouse.record(&again).await.unwrap();
    let mut reasons: Vec<_> = target
        .audit_log()
        .await
        .into_iter()
        .map(|row| row.entry.reason)
        .collect();
    reasons.sort();
    assert_eq!(reasons, ["first", "first", "first", "second"]);
}

/// The audit log is ordered by recording, not by event id.
pub async fn audit_log_is_ordered_by_recording(target: &Setup) {
    let subjects = ["9", "1", "5", "3"];
    for subject in subjects {
        target
            .warehouse
            .record(&audit_row(target.event_id(subject)))
            .await
            .unwrap();
    }
    let found: Vec<_> = target
        .audit_log()
        .await
        .into_iter()
        .map(|row| row.event_id)
        .collect();
    assert_eq!(found, subjects.map(|subject| target.event_id(subject)));
}

/// The log since an instant has the decisions from that instant on, in order of recording.
pub async fn audit_log_since_includes_the_instant(target: &Setup) {
    for (subject, decided_at) in [
        ("3", "2021-08-03T05:00:00Z"),
        ("1", "2021-08-01T05:00:00Z"),
        ("2", "2021-08-02T05:00:00Z"),
    ] {
        let row = AuditRow {
            timestamp: timestamp(decided_at),
            ..audit_row(target.event_id(subject))
        };
        target.warehouse.record(&row).await.unwrap();
    }
    for (since, expected) in [
        ("2021-08-01T05:00:00.000001Z", &["3", "2"][..]),
        ("2021-08-03T05:00:00Z", &["3"][..]),
    ] {
        let log = target.own(
            target
                .warehouse
                .audit_log_since(timestamp(since))
                .await
                .unwrap(),
        );
        let found: Vec<_> = log.into_iter().map(|row| row.event_id).collect();
        assert_eq!(
            found,
            expected
                .iter()
                .map(|subject| target.event_id(subject))
                .collect::<Vec<_>>(),
            "{since}"
        );
    }
}

/// Concurrently recorded rows are all stored.
pub async fn concurrently_recorded_rows_are_all_stored(target: &Setup) {
    let (start, mut tasks) = (Arc::new(Barrier::new(20)), JoinSet::new());
    for number in 0..20 {
        let (warehouse, start) = (Arc::clone(&target.warehouse), Arc::clone(&start));
        let row = audit_row(target.event_id(&format!("{number:02}")));
        tasks.spawn(async move {
            start.wait().await;
            warehouse.record(&row).await.unwrap();
        });
    }
    tasks.join_all().await;
    let mut found: Vec<_> = target
        .audit_log()
        .await
        .into_iter()
        .map(|row| row.event_id)
        .collect();
    found.sort();
    let expected: Vec<_> = (0..20)
        .map(|number| target.event_id(&format!("{number:02}")))
        .collect();
    assert_eq!(found, expected);
}

fn audit_row(event_id: EventId) -> AuditRow {
    let decided_at = timestamp("2021-08-02T05:00:00Z");
    AuditEntry::new("checked", "no drift").into_row(
        decided_at,
        Function::DriftCheck,
        event_id,
        "dev",
    )
}
