//! Tests of the handler with the in-memory ports.

mod strategies;

use std::collections::BTreeMap;

use forecasting::{
    checksum::Checksum,
    counts::{Counter, Counts, write_french},
    features::{FeatureSpec, Frame},
    time::{Day, Week},
};
use model::{TrainRecipe, train};
use shared::{
    Timestamp,
    baseline::{TEST_BASELINE, TRAIN_BASELINE},
    clock::SimulatedClock,
    event::{DriftDetected, FineTuneRequested, Input},
    registry::{EmbeddedRegistry, Operator},
    retryability::Retryability,
    store::{Condition, MemoryStore},
    warehouse::EmbeddedWarehouse,
};

use super::*;

fn day(text: &str) -> Day {
    text.parse().unwrap()
}

/// Returns counts of one counter. Each count equals the hour of day: 8 at 8 o'clock.
fn counts(first: Day, last: Day) -> Counts {
    let mut counts = Counts::default();
    let quai = counts.intern(Counter {
        id: None,
        name: "Quai".to_owned(),
        coordinates: None,
    });
    for hour in first.through(last).flat_map(Day::hours) {
        counts.push(quai, hour, u32::try_from(hour.local().hour).unwrap());
    }
    counts
}

/// Returns ports with a champion, a fixed test set of June 2021, and tables from `first` to
/// 2021-08-01. Tables and registry are in the store.
async fn ports(first: &str) -> Ports {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    let ports = Ports {
        warehouse: Arc::new(EmbeddedWarehouse::new(Arc::clone(&store))),
        registry: Arc::new(EmbeddedRegistry::new(Arc::clone(&store))),
        store,
        ..Ports::in_memory(Arc::new(SimulatedClock::new(Timestamp::UNIX_EPOCH)))
    };
    let before = counts(day("2021-04-20"), day("2021-05-31"));
    let test = counts(day("2021-06-01"), day("2021-06-10"));
    for (name, counts) in [(TRAIN_BASELINE, &before), (TEST_BASELINE, &test)] {
        let mut csv = Vec::new();
        write_french(counts, &mut csv).unwrap();
        ports
            .store
            .write(&name.parse().unwrap(), csv.into(), Condition::Always)
            .await
            .unwrap();
    }
    for day in day(first).through(day("2021-08-01")) {
        ports
            .warehouse
            .replace_counts(day, &counts(day, day), Timestamp::UNIX_EPOCH)
            .await
            .unwrap();
    }
    promote(&ports, &before).await;
    ports
}

/// Trains version 1 on these counts, and makes it champion.
async fn promote(ports: &Ports, counts: &Counts) {
    let spec = FeatureSpec::for_counters(counts.counters());
    let recipe = TrainRecipe {
        rounds: 3,
        ..TrainRecipe::default()
    };
    let frame = Frame::from_counts(&spec, &[], counts);
    let model = train(frame, spec, &recipe, &mut |_| {}).unwrap();
    let run = Run::new("champion-test".parse().unwrap(), Timestamp::UNIX_EPOCH);
    model.save(&*ports.store, &run.artifacts).await.unwrap();
    let version = ports.registry.register(&run).await.unwrap();
    ports
        .registry
        .move_alias(Operator::named("tests").champion_change(None, version))
        .await
        .unwrap();
}

/// Handles the drift of a week, published on the next Monday at 7 o'clock and delivered at `hour`.
async fn handle(ports: &Ports, week: &str, hour: i8) -> Outcome {
    handle_subject(ports, week, week, hour).await
}

/// Handles the drift of a week whose event has another subject.
async fn handle_subject(ports: &Ports, week: &str, subject: &str, hour: i8) -> Outcome {
    let recipe = FineTuneRecipe {
        epochs: 2,
        ..FineTuneRecipe::default()
    };
    try_handle(ports, week, subject, hour, recipe)
        .await
        .unwrap()
}

/// Handles the drift of a week with another recipe.
async fn try_handle(
    ports: &Ports,
    week: &str,
    subject: &str,
    hour: i8,
    recipe: FineTuneRecipe,
) -> Result<Outcome, Error> {
    let week: Week = week.parse().unwrap();
    let monday = week.last_day().plus(1);
    let event = DriftDetected {
        event_id: EventId::of(Function::DriftCheck, subject),
        week,
        champion: Version::new(1),
        report: format!("reports/drift-check/{week}.json").parse().unwrap(),
        major: false,
    };
    let context = Context {
        event_id: event.event_id.clone(),
        published_at: monday.at(7),
        first_started_at: monday.at(hour),
        now: monday.at(hour),
        fence: runtime::Fence::default(),
    };
    FineTune::new(Policy::default(), recipe, ports)
        .handle(FineTuneInput::DriftDetected(event), &context)
        .await
}

async fn challenger(ports: &Ports) -> Option<Version> {
    ports.registry.alias(Alias::Challenger).await.unwrap()
}

/// The fresh holdout of 2021-W29 starts on 2021-07-19, so the training has the days from the first
/// table to 2021-07-18. The policy requires seven.
#[tokio::test]
async fn six_days_of_data_are_too_little() {
    let ports = ports("2021-07-13").await;
    let outcome = handle(&ports, "2021-W29", 7).await;
    let entry = outcome.entry();
    assert_eq!(
        (entry.decision.as_str(), entry.fine_tune_success),
        ("too-little-data", Some(false))
    );
    assert!(entry.reason.contains("6 days"), "{}", entry.reason);
    // The window has 23 days of training, from 2021-06-26 to 2021-07-18.
    assert!(
        entry.reason.ends_with(
            "6 of 23 days, 144 of 552 hours, 1 counter; missing 2021-06-26 to 2021-07-12"
        ),
        "{}",
        entry.reason
    );
    assert!(outcome.events().is_empty());
    let notification = outcome.notification().unwrap();
    assert_eq!(notification.title, "2021-W29: too-little-data");
    assert_eq!(ports.registry.versions().await.unwrap().len(), 1);
    assert_eq!(challenger(&ports).await, None);
    let models = ports.store.list("models/").await.unwrap();
    let champion = ports.registry.version(Version::new(1)).await.unwrap();
    let folder = format!("{}/", champion.run.artifacts);
    assert!(
        models.iter().all(|path| path.as_str().starts_with(&folder)),
        "{models:?}"
    );
}

/// All counters report zeros, or one count, for weeks: the message is no dead letter, because a
/// replay could not help either.
#[tokio::test]
async fn days_in_outages_are_too_little() {
    for count in [0, 17] {
        let ports = ports("2021-06-26").await;
        for day in day("2021-06-26").through(day("2021-08-01")) {
            let mut counts = Counts::default();
            let quai = counts.intern(Counter {
                id: None,
                name: "Quai".to_owned(),
                coordinates: None,
            });
            for hour in day.hours() {
                counts.push(quai, hour, count);
            }
            let replaced = ports
                .warehouse
                .replace_counts(day, &counts, Timestamp::UNIX_EPOCH);
            replaced.await.unwrap();
        }
        let outcome = handle(&ports, "2021-W29", 7).await;
        let entry = outcome.entry();
        assert_eq!(entry.decision, "too-little-data");
        assert!(
            entry
                .reason
                .contains("0 of 552 counts from 2021-06-26 to 2021-07-18 are outside outages"),
            "{}",
            entry.reason
        );
        assert!(outcome.events().is_empty());
        assert_eq!(ports.registry.versions().await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn seven_days_of_data_train_a_challenger() {
    let ports = ports("2021-07-12").await;
    let outcome = handle(&ports, "2021-W29", 7).await;
    let entry = outcome.entry();
    assert_eq!(
        (entry.decision.as_str(), entry.challenger_version),
        ("challenger-trained", Some(Version::new(2)))
    );
    assert_eq!(entry.detail["rows"], json!(7 * 24));
    assert_eq!(entry.detail["coverage"]["days"], json!(7));
    assert_eq!(entry.detail["strategy"], json!("append"));
    let run = ports.registry.version(Version::new(2)).await.unwrap().run;
    // The start is that of the event, at 7 o'clock in Paris.
    assert_eq!(run.tags["started_at"], "2021-07-26T05:00:00Z");
    let program = shared::program::Program::current();
    assert_eq!(run.tags["program_version"], program.version);
    assert_eq!(run.tags.get("git_commit"), program.commit.as_ref());
    assert!(
        entry.reason.contains(
            "append chosen without a comparison: no counts precede the selection days 2021-07-12 to 2021-07-18"
        ),
        "{}",
        entry.reason
    );
    assert!(
        entry.reason.ends_with(
            "7 of 23 days, 168 of 552 hours, 1 counter; missing 2021-06-26 to 2021-07-11"
        ),
        "{}",
        entry.reason
    );
    assert_eq!(challenger(&ports).await, Some(Version::new(2)));
    assert_eq!(
        outcome.events()[0].data,
        r#"{"type":"challenger-trained","event_id":"fine-tune/2021-W29","week":"2021-W29","champion":1,"challenger":2}"#
    );
}

#[tokio::test]
async fn redelivery_of_an_earlier_week_does_not_move_the_alias_back() {
    let ports = ports("2021-07-12").await;
    for (week, number) in [("2021-W29", 2), ("2021-W30", 3)] {
        let outcome = handle(&ports, week, 7).await;
        let version = Some(Version::new(number));
        assert_eq!(outcome.entry().challenger_version, version);
        assert_eq!(challenger(&ports).await, version);
    }
    let outcome = handle(&ports, "2021-W29", 7).await;
    assert_eq!(
        outcome.entry().challenger_version,
        Some(Version::new(2)),
        "the week was registered twice"
    );
    assert_eq!(challenger(&ports).await, Some(Version::new(3)));
}

#[tokio::test]
async fn week_judged_again_is_another_run() {
    let ports = ports("2021-07-12").await;
    let first = handle(&ports, "2021-W29", 7).await;
    let again = "2021-W29@2021-07-26T05-00-01Z";
    let second = handle_subject(&ports, "2021-W29", again, 9).await;
    let versions = [&first, &second].map(|outcome| outcome.entry().challenger_version);
    assert_eq!(versions, [Some(Version::new(2)), Some(Version::new(3))]);
    let run = ports.registry.version(Version::new(3)).await.unwrap().run;
    let name = run.name.to_string();
    assert!(
        name.starts_with("fine-tune-2021-W29-again-2021-07-26T05-00-01Z-"),
        "{name}"
    );
    assert!(
        second.events()[0]
            .data
            .contains(r#""event_id":"fine-tune/2021-W29@2021-07-26T05-00-01Z""#),
        "{}",
        second.events()[0].data
    );
}

/// A day of the window was ingested again between the two deliveries.
#[tokio::test]
async fn changed_counts_train_a_version_of_their_own() {
    let ports = ports("2021-07-12").await;
    let run_of = async |version: u32| {
        let version = ports.registry.version(Version::new(version)).await;
        version.unwrap().run
    };
    let _ = handle(&ports, "2021-W29", 7).await;
    let first = run_of(2).await;
    let booster = first.artifacts.join("model.ubj");
    let before = ports.store.read(&booster).await.unwrap().bytes;
    let changed = day("2021-07-15");
    let counts = counts(changed, changed);
    let mut tripled = Counts::default();
    let quai = tripled.intern(counts.counters()[0].clone());
    for row in counts.rows() {
        tripled.push(quai, row.hour, 3 * row.count);
    }
    ports
        .warehouse
        .replace_counts(changed, &tripled, Timestamp::UNIX_EPOCH)
        .await
        .unwrap();
    let outcome = handle(&ports, "2021-W29", 7).await;
    assert_eq!(outcome.entry().challenger_version, Some(Version::new(3)));
    assert_ne!(run_of(3).await.artifacts, first.artifacts);
    assert_eq!(run_of(2).await, first);
    assert_eq!(ports.store.read(&booster).await.unwrap().bytes, before);
}

/// The second delivery is two hours later. It writes the same model, run and outcome.
#[tokio::test]
async fn second_delivery_changes_nothing() {
    let ports = ports("2021-07-12").await;
    let objects = async || {
        let mut objects = BTreeMap::new();
        for path in ports.store.list("").await.unwrap() {
            let object = ports.store.read(&path).await.unwrap();
            objects.insert(path, Checksum::of(&object.bytes));
        }
        objects
    };
    let first = handle(&ports, "2021-W29", 7).await;
    let before = objects().await;
    let second = handle(&ports, "2021-W29", 9).await;
    assert_eq!(
        (second.entry(), second.events()),
        (first.entry(), first.events())
    );
    assert_eq!(objects().await, before);
}

mod requests;
