//! Tests of the handler with the in-memory ports.

mod accuracy;
mod contents;
mod coverage;

use std::collections::BTreeMap;

use forecasting::{
    checksum::Checksum,
    counts::{Coordinates, Counter, Counts, write_french},
    time::{Day, Hour, Week},
};
use shared::{
    Timestamp,
    baseline::{TEST_BASELINE, TRAIN_BASELINE},
    clock::SimulatedClock,
    event::Event,
    registry::{EmbeddedRegistry, Operator, Run, Version},
    retryability::Retryability,
    store::MemoryStore,
    warehouse::{EmbeddedWarehouse, Forecast},
    week_report::path as report_path,
};

use super::*;

fn day(text: &str) -> Day {
    text.parse().unwrap()
}

/// The coordinates of the counters, unless a test has none.
fn paris() -> Option<Coordinates> {
    Coordinates::new(48.8, 2.3)
}

/// Returns counts of three counters. The first counts `level` bicycles per hour of day: `8 * level`
/// at 8 o'clock.
fn counts(coordinates: Option<Coordinates>, first: Day, last: Day, level: u32) -> Counts {
    let mut counts = Counts::default();
    for (number, name) in (1..).zip(["Quai", "Pont", "Rue"]) {
        let counter = counts.intern(Counter {
            id: None,
            name: name.to_owned(),
            coordinates,
        });
        let of_hour = |hour: Hour| u32::try_from(hour.local().hour).unwrap();
        first
            .through(last)
            .flat_map(Day::hours)
            .for_each(|hour| counts.push(counter, hour, number * level * of_hour(hour)));
    }
    counts
}

/// Returns ports with a fixed test set of 40 days and two live weeks from 2021-07-19. The second
/// week is `level` times as busy. Tables and registry are in the store.
async fn ports(level: u32) -> Ports {
    ports_with(paris(), level, |_| true).await
}

/// Returns the ports of [`ports`] with other coordinates and with tables of some days only.
async fn ports_with(
    coordinates: Option<Coordinates>,
    level: u32,
    has_table: impl Fn(Day) -> bool,
) -> Ports {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    let ports = Ports {
        warehouse: Arc::new(EmbeddedWarehouse::new(Arc::clone(&store))),
        registry: Arc::new(EmbeddedRegistry::new(Arc::clone(&store))),
        store,
        ..Ports::in_memory(Arc::new(SimulatedClock::new(Timestamp::UNIX_EPOCH)))
    };
    let (test, live) = (day("2021-06-09"), day("2021-07-19"));
    for (name, first, last) in [
        (TRAIN_BASELINE, test.plus(-60), test.plus(-1)),
        (TEST_BASELINE, test, live.plus(-1)),
    ] {
        let mut csv = Vec::new();
        write_french(&counts(coordinates, first, last, 1), &mut csv).unwrap();
        ports
            .store
            .write(&name.parse().unwrap(), csv.into(), Condition::Always)
            .await
            .unwrap();
    }
    for day in live.plus(-30).through(live.plus(13)) {
        let level = if day >= live.plus(7) { level } else { 1 };
        if has_table(day) {
            fill(&ports, day, &counts(coordinates, day, day, level)).await;
        }
    }
    ports
}

async fn fill(ports: &Ports, day: Day, counts: &Counts) {
    ports
        .warehouse
        .replace_counts(day, counts, Timestamp::UNIX_EPOCH)
        .await
        .unwrap();
}

async fn promote(ports: &Ports, test_mae: f64) {
    let metrics = [("test_mae".to_owned(), test_mae)].into();
    let run = Run {
        metrics,
        ..Run::new("champion-test".parse().unwrap(), Timestamp::UNIX_EPOCH)
    };
    let version = ports.registry.register(&run).await.unwrap();
    ports
        .registry
        .move_alias(Operator::named("tests").champion_change(None, version))
        .await
        .unwrap();
}

/// Stores forecasts for a week, each `error` bicycles above the count.
async fn forecast(ports: &Ports, week: Week, error: f64) {
    forecast_days(ports, (week.first_day(), week.last_day()), error).await;
}

async fn forecast_days(ports: &Ports, (first, last): (Day, Day), error: f64) {
    for day in first.through(last) {
        let counts = ports.warehouse.counts(day, day).await.unwrap();
        let forecast = |row: &forecasting::counts::Count| Forecast {
            counter_id: None,
            counter_name: counts.counter(row.counter).name.clone(),
            hour: row.hour,
            prediction: f64::from(row.count) + error,
            actual: None,
            model_type: "xgboost".to_owned(),
            model_version: Version::new(1),
            predicted_at: Timestamp::UNIX_EPOCH,
            model_prediction: None,
            correction: None,
            prediction_low_80: None,
            prediction_high_80: None,
            prediction_low_95: None,
            prediction_high_95: None,
            silent: None,
        };
        let forecasts: Vec<_> = counts.rows().iter().map(forecast).collect();
        ports
            .warehouse
            .replace_forecasts(day, &forecasts)
            .await
            .unwrap();
    }
}

async fn check(ports: &Ports, published_at: &str) -> Result<Outcome, Error> {
    let request = DriftCheckRequested::default();
    check_with(ports, Policy::default(), request, published_at).await
}

async fn check_with(
    ports: &Ports,
    policy: Policy,
    event: DriftCheckRequested,
    published_at: &str,
) -> Result<Outcome, Error> {
    let published_at: Timestamp = published_at.parse().unwrap();
    let context = Context {
        event_id: event.event_id(published_at),
        published_at,
        first_started_at: published_at,
        now: published_at,
        fence: runtime::Fence::default(),
    };
    DriftCheck::new(policy, ports).handle(event, &context).await
}

const AFTER_FIRST_WEEK: &str = "2021-07-26T05:00:00Z";
const AFTER_SECOND_WEEK: &str = "2021-08-02T05:00:00Z";

#[tokio::test]
async fn week_without_drift_publishes_nothing() {
    let ports = ports(1).await;
    promote(&ports, 10.0).await;
    let outcome = check(&ports, AFTER_FIRST_WEEK).await.unwrap();
    assert_eq!(
        (
            outcome.entry().decision.as_str(),
            outcome.entry().drift_detected
        ),
        ("no-drift", Some(false))
    );
    assert!(outcome.events().is_empty());
    let notification = outcome.notification().unwrap();
    assert_eq!(notification.title, "2021-W29: no-drift");
    assert_eq!(notification.reason, outcome.entry().reason);
    assert!(ports.store.read(&report_path("2021-W29")).await.is_ok());
}

#[tokio::test]
async fn drifted_week_publishes_drift_detected() {
    let ports = ports(3).await;
    promote(&ports, 10.0).await;
    let outcome = check(&ports, AFTER_SECOND_WEEK).await.unwrap();
    assert_eq!(
        (
            outcome.entry().decision.as_str(),
            outcome.entry().fine_tune_triggered
        ),
        ("drift", Some(true))
    );
    // The verdict of the week follows from `promote`.
    assert!(outcome.notification().is_none());
    assert_eq!(
        outcome.events()[0].data,
        r#"{"type":"drift-detected","event_id":"drift-check/2021-W30","week":"2021-W30","champion":1,"report":"reports/drift-check/2021-W30.json","major":false}"#
    );
}

#[tokio::test]
async fn high_live_error_is_detected_without_drift() {
    for (error, decision, major) in [
        (10.5, "no-drift", false),
        (11.5, "live-error-too-high", false),
        (13.5, "major-drift", true),
    ] {
        let ports = ports(1).await;
        promote(&ports, 10.0).await;
        forecast(&ports, "2021-W29".parse().unwrap(), error).await;
        let outcome = check(&ports, AFTER_FIRST_WEEK).await.unwrap();
        assert_eq!(outcome.entry().decision.as_str(), decision);
        assert!((outcome.entry().mae.unwrap() - error).abs() < 1e-9);
        assert_eq!(
            outcome
                .events()
                .iter()
                .any(|event| event.data.contains(r#""major":true"#)),
            major
        );
    }
}

#[tokio::test]
async fn missing_champion_and_missing_counts_are_reported() {
    let ports = ports(1).await;
    let error = check(&ports, AFTER_FIRST_WEEK).await.unwrap_err();
    assert!(error.to_string().contains("no champion"), "{error}");
    promote(&ports, 10.0).await;
    // A Wednesday.
    let error = check(&ports, "2021-12-22T05:00:00Z").await.unwrap_err();
    assert_eq!(error.retryability(), Retryability::Permanent);
    assert!(error.to_string().contains("2021-W50"), "{error}");
}

#[tokio::test]
async fn week_judged_again_has_its_own_report_and_event() {
    let ports = ports(3).await;
    promote(&ports, 10.0).await;
    let _ = check(&ports, AFTER_SECOND_WEEK).await.unwrap();
    let read = async |subject: &str| ports.store.read(&report_path(subject)).await.unwrap().bytes;
    let before = read("2021-W30").await;
    forecast(&ports, "2021-W30".parse().unwrap(), 11.5).await;
    let request = DriftCheckRequested {
        week: Some("2021-W30".parse().unwrap()),
        again: Some("2021-08-02T05:00:01Z".parse().unwrap()),
    };
    let outcome = check_with(&ports, Policy::default(), request, AFTER_SECOND_WEEK)
        .await
        .unwrap();
    assert_eq!(
        outcome.events()[0].data,
        r#"{"type":"drift-detected","event_id":"drift-check/2021-W30@2021-08-02T05-00-01Z","week":"2021-W30","champion":1,"report":"reports/drift-check/2021-W30@2021-08-02T05-00-01Z.json","major":false}"#
    );
    assert_eq!(read("2021-W30").await, before);
    assert_ne!(read("2021-W30@2021-08-02T05-00-01Z").await, before);
}

/// The time of the judgement that is repeated is in the past.
#[tokio::test]
async fn judgement_of_the_future_is_not_repeated() {
    let ports = ports(1).await;
    promote(&ports, 10.0).await;
    let request = DriftCheckRequested {
        week: Some("2021-W30".parse().unwrap()),
        again: Some("2031-08-02T05:00:00Z".parse().unwrap()),
    };
    let error = check_with(&ports, Policy::default(), request, AFTER_SECOND_WEEK)
        .await
        .unwrap_err();
    assert_eq!(error.retryability(), Retryability::Permanent);
    let text = error.to_string();
    assert!(
        text.starts_with("cannot judge 2021-W30 again: ") && text.contains("2031-08-02"),
        "{text}"
    );
    let command = "`bike-traffic drift-check --week 2021-W30 --request --again`";
    assert!(text.contains(command), "{text}");
    assert!(ports.store.list("reports/").await.unwrap().is_empty());
}

#[tokio::test]
async fn second_delivery_changes_nothing() {
    let ports = ports(3).await;
    promote(&ports, 10.0).await;
    forecast(&ports, "2021-W30".parse().unwrap(), 11.5).await;
    let objects = async || {
        let mut objects = BTreeMap::new();
        for path in ports.store.list("").await.unwrap() {
            let object = ports.store.read(&path).await.unwrap();
            objects.insert(path, Checksum::of(&object.bytes));
        }
        objects
    };
    let first = check(&ports, AFTER_SECOND_WEEK).await.unwrap();
    let before = objects().await;
    let second = check(&ports, AFTER_SECOND_WEEK).await.unwrap();
    assert_eq!(
        (second.entry(), second.events()),
        (first.entry(), first.events())
    );
    assert_eq!(objects().await, before);
}
