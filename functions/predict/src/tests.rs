//! Tests of the handler with the in-memory ports.

mod lateness;
mod pages;
mod published;
mod python;
mod records;

use std::collections::BTreeMap;

use axum::{
    body::{Body, to_bytes},
    http::{Request, StatusCode},
};
use forecasting::{
    checksum::Checksum,
    counts::{Counter, Counts},
    features::{FeatureSpec, Frame},
};
use model::TrainRecipe;
use serde_json::Value;
use shared::{
    clock::SimulatedClock,
    registry::{EmbeddedRegistry, Operator, Run},
    store::MemoryStore,
    warehouse::EmbeddedWarehouse,
};
use tower::ServiceExt;

use super::*;

fn day(text: &str) -> Day {
    text.parse().unwrap()
}

/// Returns counts of one counter for sixty days up to 2021-07-19. Each count equals the hour of
/// day: 8 at 8 o'clock.
fn counts() -> Counts {
    counts_of(day("2021-05-21").through(day("2021-07-19")), 1)
}

/// Returns counts of one counter that equal the hour of day, times a factor.
fn counts_of(days: impl Iterator<Item = Day>, factor: u32) -> Counts {
    let mut counts = Counts::default();
    let quai = counts.intern(Counter {
        id: Some("7".to_owned()),
        name: "Quai E-O".to_owned(),
        coordinates: None,
    });
    for hour in days.flat_map(Day::hours) {
        let count = u32::try_from(hour.local().hour).unwrap();
        counts.push(quai, hour, factor * count);
    }
    counts
}

/// Returns ports without tables. Tables and registry are in the store.
fn empty_ports() -> Ports {
    let clock = SimulatedClock::new("2021-07-20T04:00:00Z".parse().unwrap());
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    Ports {
        warehouse: Arc::new(EmbeddedWarehouse::new(Arc::clone(&store))),
        registry: Arc::new(EmbeddedRegistry::new(Arc::clone(&store))),
        store,
        ..Ports::in_memory(Arc::new(clock))
    }
}

/// Replaces the tables of all days of counts.
async fn replace_counts(ports: &Ports, counts: &Counts) {
    let (first, last) = counts.period().unwrap();
    for day in first.day().through(last.day()) {
        ports
            .warehouse
            .replace_counts(day, &counts.days(day, day), Timestamp::UNIX_EPOCH)
            .await
            .unwrap();
    }
}

/// Returns ports with the tables of [`counts`].
async fn ports(with_champion: bool) -> Ports {
    let ports = empty_ports();
    let counts = counts();
    replace_counts(&ports, &counts).await;
    if with_champion {
        promote(&ports, &counts).await;
    }
    ports
}

async fn promote(ports: &Ports, counts: &Counts) {
    promote_run(ports, counts, "champion-test", None).await;
}

/// Makes another version champion.
async fn promote_again(ports: &Ports) {
    let champion = Some(Version::new(1));
    promote_run(ports, &counts(), "champion-again", champion).await;
}

async fn promote_run(ports: &Ports, counts: &Counts, name: &str, champion: Option<Version>) {
    let spec = FeatureSpec::for_counters(counts.counters());
    let recipe = TrainRecipe {
        rounds: 30,
        learning_rate: 0.3,
        min_child_weight: 1.0,
        // Each tree can use the hour of day, which alone explains the counts.
        colsample_bytree: 1.0,
        ..TrainRecipe::default()
    };
    let model = model::train(
        Frame::from_counts(&spec, &[], counts),
        spec,
        &recipe,
        &mut |_| {},
    )
    .unwrap();
    let run = Run::new(name.parse().unwrap(), Timestamp::UNIX_EPOCH);
    model.save(&*ports.store, &run.artifacts).await.unwrap();
    register(ports, &run, champion).await;
}

/// Registers a saved model, and makes it champion in place of another version.
async fn register(ports: &Ports, run: &Run, champion: Option<Version>) {
    let version = ports.registry.register(run).await.unwrap();
    ports
        .registry
        .move_alias(Operator::named("tests").champion_change(champion, version))
        .await
        .unwrap();
}

async fn ingested(ports: &Ports, text: &str) -> Result<Outcome, Error> {
    let now = ports.clock.now();
    delivered(ports, text, now, now).await
}

/// Delivers the event of a day that was published at one time, at another.
async fn delivered(
    ports: &Ports,
    text: &str,
    published_at: Timestamp,
    now: Timestamp,
) -> Result<Outcome, Error> {
    let event_id = EventId::of(Function::Ingest, text);
    let event = DayIngested {
        event_id: event_id.clone(),
        day: day(text),
        rows: 24,
    };
    Predict::new(ports)
        .handle(
            event,
            &Context {
                event_id,
                published_at,
                first_started_at: published_at,
                now,
                fence: runtime::Fence::default(),
            },
        )
        .await
}

async fn post_records(ports: &Ports, body: &str) -> (StatusCode, Value) {
    post_records_as(ports, Some("application/json"), body).await
}

async fn post_records_as(
    ports: &Ports,
    content_type: Option<&str>,
    body: &str,
) -> (StatusCode, Value) {
    let mut request = Request::post("/v1/predict");
    if let Some(content_type) = content_type {
        request = request.header("content-type", content_type);
    }
    let request = request.body(Body::from(body.to_owned()));
    let response = Arc::new(Predict::new(ports))
        .routes()
        .oneshot(request.unwrap())
        .await
        .unwrap();
    let status = response.status();
    let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    (status, serde_json::from_slice(&body).unwrap())
}

#[tokio::test]
async fn ingested_day_forecasts_every_hour_of_the_next() {
    let ports = ports(true).await;
    assert!(ingested(&ports, "2021-07-19").await.is_ok());
    let forecasts = ports
        .warehouse
        .forecasts(day("2021-07-20"), day("2021-07-20"))
        .await
        .unwrap();
    assert_eq!(forecasts.len(), 24);
    for forecast in forecasts {
        let expected = f64::from(forecast.hour.local().hour);
        assert!(
            (forecast.prediction - expected).abs() < 2.0,
            "{expected} {}",
            forecast.prediction
        );
        assert_eq!(
            (forecast.actual, forecast.counter_id.as_deref()),
            (None, Some("7"))
        );
    }
}

#[tokio::test]
async fn forecasts_of_the_ingested_day_are_settled() {
    let ports = ports(true).await;
    assert!(ingested(&ports, "2021-07-18").await.is_ok());
    assert!(ingested(&ports, "2021-07-19").await.is_ok());
    let forecasts = ports
        .warehouse
        .forecasts(day("2021-07-19"), day("2021-07-19"))
        .await
        .unwrap();
    let actuals: Vec<_> = forecasts
        .iter()
        .map(|forecast| forecast.actual.unwrap())
        .collect();
    assert_eq!(actuals, (0..24).collect::<Vec<_>>());
}

#[tokio::test]
async fn forecasts_are_settled_if_the_days_arrive_out_of_order() {
    let ports = ports(true).await;
    // The second event of the first day repeats an interrupted delivery: there are forecasts.
    for text in ["2021-07-18", "2021-07-17", "2021-07-17"] {
        assert!(ingested(&ports, text).await.is_ok());
        let forecasts = ports
            .warehouse
            .forecasts(day("2021-07-18"), day("2021-07-18"))
            .await
            .unwrap();
        let unsettled = forecasts
            .iter()
            .filter(|forecast| forecast.actual.is_none());
        assert_eq!(unsettled.count(), 0, "after the event of {text}");
    }
}

#[tokio::test]
async fn repeated_ingestion_does_not_change_forecasts_of_a_past_day() {
    let ports = ports(true).await;
    for text in ["2021-07-17", "2021-07-18"] {
        assert!(ingested(&ports, text).await.is_ok());
    }
    let before = ports
        .warehouse
        .forecasts(day("2021-07-18"), day("2021-07-19"))
        .await
        .unwrap();
    assert_eq!(before.len(), 48);
    let mut more = Counts::default();
    let quai = more.intern(Counter {
        id: Some("7".to_owned()),
        name: "Quai E-O".to_owned(),
        coordinates: None,
    });
    day("2021-07-17")
        .hours()
        .for_each(|hour| more.push(quai, hour, 900));
    ports
        .warehouse
        .replace_counts(day("2021-07-17"), &more, Timestamp::UNIX_EPOCH)
        .await
        .unwrap();
    let later = "2021-07-20T04:00:01Z".parse().unwrap();
    let outcome = delivered(&ports, "2021-07-17", later, later).await.unwrap();
    assert_eq!(outcome.entry().decision.as_str(), "settled");
    assert_eq!(
        ports
            .warehouse
            .forecasts(day("2021-07-18"), day("2021-07-19"))
            .await
            .unwrap(),
        before
    );

    // The forecasts of the next day are replaced, because that day is not over.
    assert!(ingested(&ports, "2021-07-19").await.is_ok());
    let outcome = ingested(&ports, "2021-07-19").await.unwrap();
    assert_eq!(outcome.entry().decision.as_str(), "forecast");
}

/// The first event makes the forecasts that the others settle.
#[tokio::test]
async fn second_delivery_changes_nothing() {
    let ports = ports(true).await;
    assert!(ingested(&ports, "2021-07-18").await.is_ok());
    let objects = async || {
        let mut objects = BTreeMap::new();
        for path in ports.store.list("").await.unwrap() {
            let object = ports.store.read(&path).await.unwrap();
            objects.insert(path, Checksum::of(&object.bytes));
        }
        objects
    };
    let first = ingested(&ports, "2021-07-19").await.unwrap();
    let before = objects().await;
    let second = ingested(&ports, "2021-07-19").await.unwrap();
    assert_eq!(first.entry().detail["settled_forecasts"], json!(24));
    assert_eq!(
        (second.entry(), second.events()),
        (first.entry(), first.events())
    );
    assert_eq!(objects().await, before);
}

/// The first delivery was interrupted before its audit row, and the day of its forecasts is over.
#[tokio::test]
async fn later_delivery_repeats_the_decision_and_changes_no_forecast() {
    let ports = ports(true).await;
    let published_at = ports.clock.now();
    let first = delivered(&ports, "2021-07-19", published_at, published_at)
        .await
        .unwrap();
    assert_eq!(first.entry().decision, "forecast");
    let target = day("2021-07-20");
    let before = ports.warehouse.forecasts(target, target).await.unwrap();

    // Another champion would make other forecasts.
    promote_again(&ports).await;
    let later = "2021-07-22T04:00:00Z".parse().unwrap();
    let second = delivered(&ports, "2021-07-19", published_at, later)
        .await
        .unwrap();
    assert_eq!(
        (second.entry(), second.events()),
        (first.entry(), first.events())
    );
    let after = ports.warehouse.forecasts(target, target).await.unwrap();
    assert_eq!(after, before);

    // An event that was published after the forecasts did not make them.
    let published_at = "2021-07-22T03:00:00Z".parse().unwrap();
    let other = delivered(&ports, "2021-07-19", published_at, later)
        .await
        .unwrap();
    assert_eq!(other.entry().decision, "settled");
    let after = ports.warehouse.forecasts(target, target).await.unwrap();
    assert_eq!(after, before);
}

#[tokio::test]
async fn missing_champion_and_missing_counts_are_reported() {
    let error = ingested(&ports(false).await, "2021-07-19")
        .await
        .unwrap_err();
    assert!(error.to_string().contains("bike-traffic train"), "{error}");
    let error = ingested(&ports(true).await, "2021-07-25")
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("2021-07-25 has no counts"),
        "{error}"
    );
}
