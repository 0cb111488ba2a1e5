//! Tests of the handler with the in-memory ports. The champion forecasts 4 bicycles for every hour,
//! and the challenger 1.

use std::collections::BTreeMap;

use forecasting::{counts::write_french, metrics::ComparedRow, policy::PromotionRule};
use shared::{
    baseline::{TEST_BASELINE, TRAIN_BASELINE},
    clock::SimulatedClock,
    registry::{EmbeddedRegistry, Run},
    store::{MemoryStore, read_json},
    warehouse::EmbeddedWarehouse,
};

use super::*;

fn now() -> Timestamp {
    "2021-08-03T05:00:00Z".parse().unwrap()
}

fn week() -> Week {
    "2021-W30".parse().unwrap()
}

/// Returns two days of the fixed test set, with one count for even hours and one for odd hours.
fn test_counts([even, odd]: [u32; 2]) -> Counts {
    counts(day("2021-07-01"), day("2021-07-02"), |hour| {
        if hour.local().hour % 2 == 0 {
            even
        } else {
            odd
        }
    })
}

/// Returns ports with a fixed test set, the models as versions 1 and 2, and `fresh` bicycles in
/// each hour from 2021-07-20 to 2021-08-02. Tables and registry are in the store.
async fn ports(test: &Counts, fresh: u32) -> Ports {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    let ports = Ports {
        warehouse: Arc::new(EmbeddedWarehouse::new(Arc::clone(&store))),
        registry: Arc::new(EmbeddedRegistry::new(Arc::clone(&store))),
        store,
        ..Ports::in_memory(Arc::new(SimulatedClock::new(Timestamp::UNIX_EPOCH)))
    };
    let before = counts(day("2021-05-20"), day("2021-06-20"), |_| 10);
    for (name, counts) in [(TRAIN_BASELINE, &before), (TEST_BASELINE, test)] {
        let mut csv = Vec::new();
        write_french(counts, &mut csv).unwrap();
        ports
            .store
            .write(&name.parse().unwrap(), csv.into(), Condition::Always)
            .await
            .unwrap();
    }
    for day in day("2021-07-20").through(day("2021-08-02")) {
        ports
            .warehouse
            .replace_counts(day, &counts(day, day, |_| fresh), Timestamp::UNIX_EPOCH)
            .await
            .unwrap();
    }
    let fixed_test = fixed_test::load(&ports.store, now()).await.unwrap();
    for (name, level) in [("champion-test", 4), ("challenger-test", 1)] {
        let (model, _) = constant_model(level).scored_on(&fixed_test).unwrap();
        let run = Run::new(name.parse().unwrap(), Timestamp::UNIX_EPOCH);
        model.save(&*ports.store, &run.artifacts).await.unwrap();
        ports.registry.register(&run).await.unwrap();
    }
    ports
}

async fn handle(ports: &Ports, policy: &str) -> Outcome {
    handle_subject(ports, policy, &week().to_string()).await
}

/// Handles a challenger whose event has another subject than its week.
async fn handle_subject(ports: &Ports, policy: &str, subject: &str) -> Outcome {
    let event = ChallengerTrained {
        event_id: EventId::of(Function::FineTune, subject),
        week: week(),
        champion: Version::new(1),
        challenger: Version::new(2),
    };
    let context = Context {
        event_id: event.event_id.clone(),
        published_at: now(),
        first_started_at: now(),
        now: now(),
        fence: runtime::Fence::default(),
    };
    Evaluate::new(policy.parse().unwrap(), ports)
        .handle(event, &context)
        .await
        .unwrap()
}

async fn stored(ports: &Ports) -> Evaluation {
    let path = Evaluation::path(week());
    read_json(&*ports.store, &path).await.unwrap().0
}

/// The fixed test set ends at 12 o'clock on the first of the three days.
#[tokio::test]
async fn fresh_holdout_is_the_end_of_the_week_without_the_fixed_test_set() {
    let first = day("2021-07-30");
    let noon = Hour::containing(first.at(12));
    let test = counts(day("2021-07-25"), first, |_| 5).between(Hour::from_number(0), noon);
    let ports = ports(&test, 4).await;
    let policy: Policy = r#"{"fresh_holdout_days":3}"#.parse().unwrap();
    let (fresh, coverage) = Evaluate::new(policy, &ports)
        .fresh_holdout(week(), now())
        .await
        .unwrap();
    let rows: Vec<_> = fresh.frame().rows().iter().collect();
    assert_eq!(
        rows.first().map(|row| row.hour.day()),
        Some(day("2021-07-20")),
        "the correction learns from the days before"
    );
    let compared: Vec<_> = (0..rows.len())
        .map(|row| compared_row(&fresh, row))
        .collect();
    let scored = fresh.select(&compared);
    let hours: Vec<_> = scored.iter().map(|row| row.hour).collect();
    let expected: Vec<_> = (1..=11 + 24 + 24).map(|hours| noon.plus(hours)).collect();
    assert_eq!(hours, expected);
    assert_eq!(
        expected.last().map(|hour| hour.day()),
        Some(day("2021-08-01"))
    );
    assert_eq!(
        coverage.to_string(),
        "3 of 3 days, 59 of 59 hours, 1 counter"
    );
    // The counts of the tables are the targets, and those of the week before their lags.
    for row in scored {
        assert_eq!((row.count, row.seasonal_naive), (4.0, Some(4.0)));
    }
}

/// Returns a row of the fresh holdout without forecasts.
fn compared_row(fresh: &FreshHoldout, row: usize) -> ComparedRow {
    let frame = fresh.frame();
    ComparedRow {
        counter: 0,
        hour: frame.rows()[row].hour,
        count: f64::from(frame.targets()[row]),
        champion: 0.0,
        challenger: 0.0,
        seasonal_naive: Some(f64::from(frame.seasonal_naive()[row])),
        is_living: true,
    }
}

/// On the fixed test set, the champion's errors are 4 and 2, and the challenger's 7 and 1. On the
/// fresh holdout, the champion's are 2 and the challenger's 1 before the daily correction.
#[tokio::test]
async fn evaluation_is_stored_and_published() {
    let ports = ports(&test_counts([8, 2]), 2).await;
    let outcome = handle(&ports, "{}").await;
    let evaluation = stored(&ports).await;
    let fixed_test = evaluation.comparison.fixed_test;
    assert_eq!(fixed_test.champion.rows, 48);
    assert_near(fixed_test.champion.mae, 3.0);
    assert_near(fixed_test.challenger.mae, 4.0);
    let fresh = evaluation.comparison.fresh.unwrap();
    assert_eq!(fresh.scores.champion.rows, 7 * 24);
    let alone = fresh.model_alone.unwrap();
    assert_near(alone.champion.mae, 2.0);
    assert_near(alone.challenger.mae, 1.0);
    // Computed by `tests/fixtures/make_fixtures.py` for a first day of 2021-07-20.
    assert_near(fresh.scores.champion.mae, 1.318_658_898_189_031_5);
    assert_near(fresh.scores.challenger.mae, 0.665_901_303_766_145_5);
    let name = fixed_test::load(&ports.store, now())
        .await
        .unwrap()
        .data
        .name;
    assert_eq!(evaluation.fixed_test_set, Some(name));
    assert_eq!(evaluation.fixed_test_uses, Some(1));
    assert_eq!(evaluation.started_at, Some(now()));
    assert_eq!(evaluation.program, Some(Program::current()));

    assert_eq!(outcome.entry().decision.as_str(), "evaluated");
    assert_eq!(outcome.entry().mae, Some(fixed_test.challenger.mae));
    let detail = &outcome.entry().detail["comparison"]["fresh"];
    assert!(detail["scores"].is_object() && detail.get("breakdown").is_none());
    assert_eq!(
        outcome.events()[0].data,
        r#"{"type":"challenger-evaluated","event_id":"evaluate/2021-W30","week":"2021-W30","champion":1,"challenger":2,"evaluation":"evaluations/2021-W30.json"}"#
    );
}

#[tokio::test]
async fn week_judged_again_has_its_own_evaluation() {
    let ports = ports(&test_counts([8, 2]), 4).await;
    let _ = handle(&ports, "{}").await;
    let before = stored(&ports).await;
    let again = "2021-W30@2021-08-02T05-00-01Z";
    let outcome = handle_subject(&ports, r#"{"promotion":"guarded"}"#, again).await;
    assert_eq!(stored(&ports).await, before);
    assert_eq!(
        outcome.events()[0].data,
        r#"{"type":"challenger-evaluated","event_id":"evaluate/2021-W30@2021-08-02T05-00-01Z","week":"2021-W30","champion":1,"challenger":2,"evaluation":"evaluations/2021-W30@2021-08-02T05-00-01Z.json"}"#
    );
    let path = Evaluation::path(again);
    let (evaluation, _) = read_json::<Evaluation>(&*ports.store, &path).await.unwrap();
    assert_eq!(evaluation.verdicts.acting, PromotionRule::Guarded);
    assert_eq!(evaluation.fixed_test_uses, Some(2));
    let reason = &outcome.entry().reason;
    assert!(
        reason.ends_with("; evaluation 2 on this fixed test set"),
        "{reason}"
    );
}

/// An evaluation of an earlier version does not name its test set, but the card of its challenger
/// does. Evaluations of later weeks and those that cannot be parsed do not count.
#[tokio::test]
async fn evaluations_on_the_same_fixed_test_set_are_counted() {
    let ports = ports(&test_counts([8, 2]), 2).await;
    let _ = handle(&ports, "{}").await;
    let evaluation = stored(&ports).await;
    let store = async |subject: &str, evaluation: &Evaluation| {
        let path = Evaluation::path(subject);
        write_json(&*ports.store, &path, evaluation, Condition::Always)
            .await
            .unwrap();
    };
    let earlier = Evaluation {
        fixed_test_set: None,
        fixed_test_uses: None,
        ..evaluation.clone()
    };
    store("2021-W27", &earlier).await;
    let unknown = Evaluation {
        challenger: Version::new(9),
        ..earlier.clone()
    };
    store("2021-W28", &unknown).await;
    let other = Evaluation {
        fixed_test_set: Some(test_set(b"spring").name),
        fixed_test_uses: Some(7),
        ..evaluation.clone()
    };
    store("2021-W29", &other).await;
    let invalid = Evaluation::path("2021-W26");
    ports
        .store
        .write(&invalid, "{}".into(), Condition::Always)
        .await
        .unwrap();
    store("2021-W31", &evaluation).await;
    let _ = handle(&ports, "{}").await;
    assert_eq!(stored(&ports).await.fixed_test_uses, Some(2));

    let numbered = Evaluation {
        fixed_test_uses: Some(5),
        ..evaluation
    };
    store("2021-W26", &numbered).await;
    let _ = handle(&ports, "{}").await;
    assert_eq!(stored(&ports).await.fixed_test_uses, Some(7));
}

/// The fresh holdout is 2021-W30, without counts on Wednesday and in the first hour of Thursday.
#[tokio::test]
async fn gaps_of_the_fresh_holdout_are_named() {
    let ports = ports(&test_counts([8, 2]), 4).await;
    let wednesday = day("2021-07-28");
    let thursday = wednesday.plus(1);
    let after_one = counts(thursday, thursday, |_| 4).between(
        thursday.first_hour().plus(1),
        thursday.first_hour().plus(23),
    );
    for (day, counts) in [(wednesday, &Counts::default()), (thursday, &after_one)] {
        ports
            .warehouse
            .replace_counts(day, counts, Timestamp::UNIX_EPOCH)
            .await
            .unwrap();
    }
    let outcome = handle(&ports, "{}").await;
    let covered = "6 of 7 days, 143 of 168 hours, 1 counter; missing 2021-07-28";
    let reason = &outcome.entry().reason;
    assert!(
        reason.ends_with(&format!("; fresh holdout: {covered}")),
        "{reason}"
    );
    assert_eq!(outcome.entry().detail["coverage"]["days"], json!(6));
    let coverage = stored(&ports).await.fresh_coverage.unwrap();
    assert_eq!(coverage.to_string(), covered);
}

#[tokio::test]
async fn guarded_policy_decides_on_the_fresh_holdout() {
    let rows = [
        // counts of the fixed test set, count of the fresh holdout, (fixed-test, guarded) promote
        ([4, 1], 1, (false, true)),
        ([1, 1], 4, (true, false)),
        ([3, 3], 1, (false, false)),
    ];
    for (test, fresh, expected) in rows {
        let ports = ports(&test_counts(test), fresh).await;
        let outcome = handle(&ports, r#"{"promotion":"guarded"}"#).await;
        let verdicts = stored(&ports).await.verdicts;
        assert_eq!(
            (verdicts.fixed_test.promote, verdicts.guarded.promote),
            expected,
            "{verdicts:?}"
        );
        assert_eq!(verdicts.acting(), &verdicts.guarded);
        let reason = &outcome.entry().reason;
        assert!(reason.contains(&verdicts.guarded.reason), "{reason}");
    }
}

#[tokio::test]
async fn second_delivery_changes_nothing() {
    let ports = ports(&test_counts([8, 2]), 4).await;
    let objects = async || {
        let mut objects = BTreeMap::new();
        for path in ports.store.list("").await.unwrap() {
            let object = ports.store.read(&path).await.unwrap();
            objects.insert(path, Checksum::of(&object.bytes));
        }
        objects
    };
    let first = handle(&ports, "{}").await;
    let before = objects().await;
    let second = handle(&ports, "{}").await;
    assert_eq!(
        (second.entry(), second.events()),
        (first.entry(), first.events())
    );
    assert_eq!(objects().await, before);
}
