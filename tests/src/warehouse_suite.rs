//! Tests that every `Warehouse` passes.

mod exports;

use std::sync::Arc;

use forecasting::{
    counts::{Coordinates, Count, Counter, Counts},
    time::{Day, Hour},
};
use serde_json::json;
use shared::{
    Timestamp,
    audit::{AuditEntry, AuditRow},
    event::{EventId, Function},
    registry::Version,
    store::Store,
    warehouse::{DayState, Forecast, Warehouse},
};
use tokio::{sync::Barrier, task::JoinSet};

pub use exports::{
    export_has_each_count_once_and_in_order, export_of_days_without_a_table_is_empty,
    table_version_changes_with_each_replacement,
};

/// Expands to the tests of the suite. The expression `$target` creates a [`Setup`] for each test.
#[macro_export]
macro_rules! warehouse_suite {
    ($target:expr) => {
        $crate::suite_tests!(
            warehouse_suite,
            $target,
            [
                counts_are_read_back,
                rewritten_day_is_replaced,
                count_range_includes_both_ends_and_skips_gaps,
                day_without_counts_is_empty,
                count_days_returns_rows_and_hours,
                table_version_changes_with_each_replacement,
                export_has_each_count_once_and_in_order,
                export_of_days_without_a_table_is_empty,
                hours_are_complete_when_the_clocks_change,
                forecasts_are_read_back,
                rewritten_forecasts_are_replaced,
                forecast_range_includes_both_ends_and_skips_gaps,
                audit_rows_are_read_back,
                audit_row_is_identified_by_function_event_and_decision,
                audit_log_is_ordered_by_recording,
                audit_log_since_includes_the_instant,
                concurrently_recorded_rows_are_all_stored,
            ]
        );
    };
}

/// The warehouse under test. Each test uses the daily tables of a different year and its own event
/// ids.
pub struct Setup {
    warehouse: Arc<dyn Warehouse>,
    store: Arc<dyn Store>,
    name: String,
}

impl Setup {
    /// Creates a target from a name that no event id contains yet, a warehouse, and a store for
    /// exports.
    pub fn new(name: &str, warehouse: Arc<dyn Warehouse>, store: Arc<dyn Store>) -> Self {
        Self {
            warehouse,
            store,
            name: name.to_owned(),
        }
    }

    fn event_id(&self, subject: &str) -> EventId {
        EventId::of(
            Function::DriftCheck,
            format_args!("{}-{subject}", self.name),
        )
    }

    /// Returns the rows of the audit log that this target recorded.
    async fn audit_log(&self) -> Vec<AuditRow> {
        self.own(self.warehouse.audit_log().await.unwrap())
    }

    fn own(&self, rows: Vec<AuditRow>) -> Vec<AuditRow> {
        let own = format!("{}/{}-", Function::DriftCheck, self.name);
        rows.into_iter()
            .filter(|row| row.event_id.to_string().starts_with(&own))
            .collect()
    }
}

/// Counters with and without id and coordinates, and names with special characters, are read back
/// unchanged.
pub async fn counts_are_read_back(target: &Setup) {
    let day = day("2015-07-19");
    let mut counts = Counts::default();
    let coordinates = Coordinates::new(48.846_028, 2.375_429);
    let counters = [
        Counter {
            id: Some("100003096-SC".to_owned()),
            name: "97 avenue Denfert Rochereau SO-NE".to_owned(),
            coordinates,
        },
        Counter {
            id: None,
            name: "Quai d'Orsay, \"E-O\"; côté Seine".to_owned(),
            coordinates: None,
        },
        Counter {
            id: Some("7".to_owned()),
            name: "Pont <Bercy> & 100 % \\ été".to_owned(),
            coordinates: None,
        },
    ];
    for (number, counter) in (0_u32..).zip(counters) {
        let counter = counts.intern(counter);
        for (hour, count) in day.hours().zip([0, 1, 50_000, number]) {
            counts.push(counter, hour, count);
        }
    }
    target
        .warehouse
        .replace_counts(day, &counts, timestamp("2015-07-20T06:00:00Z"))
        .await
        .unwrap();
    assert_eq!(
        rows(&target.warehouse.counts(day, day).await.unwrap()),
        rows(&counts)
    );
}

/// Writing a day again replaces its table: no row is left over and none is duplicated.
pub async fn rewritten_day_is_replaced(target: &Setup) {
    let day = day("2016-07-19");
    let (long, short) = (
        counts_of(&[day], "Quai", 5),
        counts_of(&[day], "Pont", 7).between(hour(day, 3), hour(day, 4)),
    );
    for counts in [&long, &long, &short] {
        target
            .warehouse
            .replace_counts(day, counts, timestamp("2016-07-20T06:00:00Z"))
            .await
            .unwrap();
        assert_eq!(
            rows(&target.warehouse.counts(day, day).await.unwrap()),
            rows(counts)
        );
    }
}

/// A range includes its first and last day and skips days without a table.
pub async fn count_range_includes_both_ends_and_skips_gaps(target: &Setup) {
    let days = ["2017-07-01", "2017-07-02", "2017-07-05", "2017-07-06"].map(day);
    for (count, day) in (1..).zip(days) {
        let counts = counts_of(&[day], "Quai", count);
        target
            .warehouse
            .replace_counts(day, &counts, timestamp("2017-07-07T06:00:00Z"))
            .await
            .unwrap();
    }
    let cases: [(&str, &str, &[&str]); 5] = [
        (
            "2017-07-01",
            "2017-07-06",
            &["2017-07-01", "2017-07-02", "2017-07-05", "2017-07-06"],
        ),
        ("2017-07-02", "2017-07-05", &["2017-07-02", "2017-07-05"]),
        ("2017-06-01", "2017-07-01", &["2017-07-01"]),
        ("2017-07-03", "2017-07-04", &[]),
        ("2017-07-06", "2017-07-01", &[]),
    ];
    for (first, last, expected) in cases {
        let counts = target
            .warehouse
            .counts(day(first), day(last))
            .await
            .unwrap();
        let found: Vec<_> = counts.rows_per_day().into_iter().collect();
        let expected: Vec<_> = expected.iter().map(|text| (day(text), 24)).collect();
        assert_eq!(found, expected, "{first} to {last}");
    }
}

/// A day without counts can be written and read.
pub async fn day_without_counts_is_empty(target: &Setup) {
    let day = day("2018-07-19");
    let ingested_at = timestamp("2018-07-20T06:00:00Z");
    target
        .warehouse
        .replace_counts(day, &counts_of(&[day], "Quai", 5), ingested_at)
        .await
        .unwrap();
    target
        .warehouse
        .replace_counts(day, &Counts::default(), ingested_at)
        .await
        .unwrap();
    assert!(target.warehouse.counts(day, day).await.unwrap().is_empty());
    target.warehouse.replace_forecasts(day, &[]).await.unwrap();
    assert_eq!(target.warehouse.forecasts(day, day).await.unwrap(), []);
}

/// The state of a day has the number of counts and of hours with a count. Empty tables are omitted.
pub async fn count_days_returns_rows_and_hours(target: &Setup) {
    let [first, empty, last] = ["2014-03-29", "2014-03-30", "2014-04-02"].map(day);
    let ingested_at = timestamp("2014-04-03T06:00:00Z");
    assert!(
        target
            .warehouse
            .count_days(first, last)
            .await
            .unwrap()
            .is_empty()
    );
    // Two counters; the second has counts in two hours only.
    let mut counts = counts_of(&[first], "Quai", 5);
    counts.extend(&counts_of(&[first], "Pont", 0).between(hour(first, 3), hour(first, 4)));
    target
        .warehouse
        .replace_counts(first, &counts, ingested_at)
        .await
        .unwrap();
    target
        .warehouse
        .replace_counts(empty, &Counts::default(), ingested_at)
        .await
        .unwrap();
    let seven_hours = counts_of(&[last], "Quai", 5).between(hour(last, 0), hour(last, 6));
    target
        .warehouse
        .replace_counts(last, &seven_hours, ingested_at)
        .await
        .unwrap();
    let (complete, incomplete) = (
        DayState {
            rows: 26,
            hours: 24,
        },
        DayState { rows: 7, hours: 7 },
    );
    let cases = [
        (first, last, vec![(first, complete), (last, incomplete)]),
        (first.plus(1), last, vec![(last, incomplete)]),
        (first.plus(-400), last.plus(-1), vec![(first, complete)]),
        (last, first, vec![]),
    ];
    for (first, last, expected) in cases {
        let found = target.warehouse.count_days(first, last).await.unwrap();
        assert_eq!(
            found.into_iter().collect::<Vec<_>>(),
            expected,
            "{first} to {last}"
        );
    }
}

/// A day has 23 or 25 hours when the clocks change: the repeated hour is two hours.
pub async fn hours_are_complete_when_the_clocks_change(target: &Setup) {
    for (text, hours) in [("2019-03-31", 23), ("2019-10-27", 25), ("2019-10-28", 24)] {
        let day = day(text);
        let counts = counts_of(&[day], "Quai", 5);
        let forecasts: Vec<_> = day.hours().map(|hour| forecast(hour, "Quai")).collect();
        target
            .warehouse
            .replace_counts(day, &counts, timestamp("2019-10-29T06:00:00Z"))
            .await
            .unwrap();
        target
            .warehouse
            .replace_forecasts(day, &forecasts)
            .await
            .unwrap();
        let read = target.warehouse.counts(day, day).await.unwrap();
        assert_eq!((read.len(), rows(&read)), (hours, rows(&counts)), "{text}");
        assert_eq!(
            sorted(target.warehouse.forecasts(day, day).await.unwrap()),
            forecasts,
            "{text}"
        );
    }
}

/// Forecasts with and without actual count and id are read back unchanged, bit for bit.
pub async fn forecasts_are_read_back(target: &Setup) {
    let day = day("2020-07-19");
    let of = |hours: i32, name: &str| forecast(hour(day, hours), name);
    let forecasts = vec![
        of(0, "97 avenue Denfert Rochereau SO-NE"),
        Forecast {
            actual: Some(0),
            prediction: 0.1 + 0.2,
            ..of(1, "Quai d'Orsay, \"E-O\"; côté Seine")
        },
        Forecast {
            actual: Some(50_000),
            counter_id: None,
            prediction: 1e-12,
            ..of(2, "Pont")
        },
        Forecast {
            predicted_at: timestamp("2020-07-18T06:00:00.123456Z"),
            ..of(3, "Pont")
        },
        Forecast {
            model_type: "naïve, weekly".to_owned(),
            model_version: Version::new(u32::MAX),
            ..of(4, "Pont")
        },
    ];
    target
        .warehouse
        .replace_forecasts(day, &forecasts)
        .await
        .unwrap();
    assert_eq!(
        sorted(target.warehouse.forecasts(day, day).await.unwrap()),
        forecasts
    );
}

/// Writing forecasts again replaces them. `predict` adds the actual counts this way.
pub async fn rewritten_forecasts_are_replaced(target: &Setup) {
    let day = day("2021-07-19");
    let without: Vec<_> = day.hours().map(|hour| forecast(hour, "Quai")).collect();
    let with: Vec<_> = without
        .iter()
        .map(|row| Forecast {
            actual: Some(7),
            ..row.clone()
        })
        .collect();
    for forecasts in [&without[..], &with[..], &with[..5]] {
        target
            .warehouse
            .replace_forecasts(day, forecasts)
            .await
            .unwrap();
        assert_eq!(
            sorted(target.warehouse.forecasts(day, day).await.unwrap()),
            forecasts
        );
    }
}

/// A range includes its first and last day and skips days without a table.
pub async fn forecast_range_includes_both_ends_and_skips_gaps(target: &Setup) {
    for text in ["2022-07-01", "2022-07-03"] {
        let rows = [forecast(day(text).first_hour(), "Quai")];
        target
            .warehouse
            .replace_forecasts(day(text), &rows)
            .await
            .unwrap();
    }
    let cases: [(&str, &str, &[&str]); 3] = [
        ("2022-07-01", "2022-07-03", &["2022-07-01", "2022-07-03"]),
        ("2022-07-02", "2022-07-09", &["2022-07-03"]),
        ("2022-07-02", "2022-07-02", &[]),
    ];
    for (first, last, expected) in cases {
        let forecasts = target
            .warehouse
            .forecasts(day(first), day(last))
            .await
            .unwrap();
        let days: Vec<_> = sorted(forecasts)
            .iter()
            .map(|row| row.hour.day().to_string())
            .collect();
        assert_eq!(days, expected, "{first} to {last}");
    }
}

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

fn day(text: &str) -> Day {
    text.parse().unwrap()
}

fn hour(day: Day, hours: i32) -> Hour {
    day.first_hour().plus(hours)
}

fn timestamp(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Returns `count` for every hour of the days.
fn counts_of(days: &[Day], name: &str, count: u32) -> Counts {
    let mut counts = Counts::default();
    let counter = counts.intern(Counter {
        id: None,
        name: name.to_owned(),
        coordinates: None,
    });
    for hour in days.iter().flat_map(|day| day.hours()) {
        counts.push(counter, hour, count);
    }
    counts
}

/// Returns each count with its counter, in an order that does not depend on the adapter.
fn rows(counts: &Counts) -> Vec<(Hour, String, u32)> {
    let row = |row: &Count| {
        (
            row.hour,
            format!("{:?}", counts.counter(row.counter)),
            row.count,
        )
    };
    let mut rows: Vec<_> = counts.rows().iter().map(row).collect();
    rows.sort();
    rows
}

fn forecast(hour: Hour, name: &str) -> Forecast {
    Forecast {
        counter_id: Some("100003096-SC".to_owned()),
        counter_name: name.to_owned(),
        hour,
        prediction: 15.4,
        actual: None,
        model_type: "xgboost".to_owned(),
        model_version: Version::new(3),
        predicted_at: hour.plus(-20).timestamp(),
    }
}

fn sorted(mut forecasts: Vec<Forecast>) -> Vec<Forecast> {
    forecasts.sort_by_key(|forecast| forecast.hour);
    forecasts
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
