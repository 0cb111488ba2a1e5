//! Tests of the handler with the in-memory ports.

mod repetition;

use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use forecasting::{
    metrics::Scores,
    policy::{Comparison, ScorePair},
    time::Week,
};
use shared::{
    Timestamp,
    address::ObjectPath,
    clock::SimulatedClock,
    registry::{Alias, EmbeddedRegistry, Operator, Run},
    retryability::Retryability,
    store::{Condition, Generation, MemoryStore, Object, StoreError, write_json},
};
use tokio::sync::Barrier;

use super::*;

fn week() -> Week {
    "2021-W30".parse().unwrap()
}

fn version(number: u32) -> Version {
    Version::new(number)
}

/// Returns ports with three registered versions; the first is champion. The registry is in the
/// store.
async fn ports() -> Ports {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    let ports = Ports {
        registry: Arc::new(EmbeddedRegistry::new(Arc::clone(&store))),
        store,
        ..Ports::in_memory(Arc::new(SimulatedClock::new(Timestamp::UNIX_EPOCH)))
    };
    for number in 1..=3 {
        let run = Run::new(
            format!("run-{number}").parse().unwrap(),
            Timestamp::UNIX_EPOCH,
        );
        ports.registry.register(&run).await.unwrap();
    }
    ports
        .registry
        .move_alias(Operator::named("tests").champion_change(None, version(1)))
        .await
        .unwrap();
    ports
}

/// Stores an evaluation of versions 1 and 2, and returns the event that names it.
async fn evaluated(ports: &Ports, champion_mae: f64, challenger_mae: f64) -> ChallengerEvaluated {
    evaluated_in(ports, week(), version(2), [champion_mae, challenger_mae]).await
}

/// Stores the evaluation of a week, which compares version 1 with a challenger. `maes` are their
/// errors.
async fn evaluated_in(
    ports: &Ports,
    week: Week,
    challenger: Version,
    [champion_mae, challenger_mae]: [f64; 2],
) -> ChallengerEvaluated {
    let scores = |mae: f64| Scores {
        mae,
        rmse: 2.0 * mae,
        r2: 0.9,
        rows: 100,
        bias: None,
        share: None,
    };
    let fixed_test = ScorePair {
        champion: scores(champion_mae),
        challenger: scores(challenger_mae),
        seasonal_naive: None,
    };
    let comparison = Comparison {
        fixed_test,
        fixed_test_living: None,
        fixed_test_breakdown: None,
        fresh: None,
    };
    let verdicts = Policy::default().judge_challenger(&comparison);
    let evaluation = Evaluation {
        week,
        champion: version(1),
        challenger,
        champion_changes: Some(ports.registry.champion_state().await.unwrap().changes),
        comparison,
        fresh_coverage: None,
        fixed_test_set: None,
        fixed_test_uses: None,
        started_at: None,
        program: None,
        verdicts,
    };
    let path = Evaluation::path(week);
    write_json(&*ports.store, &path, &evaluation, Condition::Always)
        .await
        .unwrap();
    ChallengerEvaluated {
        event_id: EventId::of(Function::Evaluate, week),
        week,
        champion: version(1),
        challenger,
        evaluation: path,
    }
}

async fn handle(ports: &Ports, event: &ChallengerEvaluated) -> Result<Outcome, Error> {
    let now = Timestamp::UNIX_EPOCH;
    let context = Context {
        event_id: event.event_id.clone(),
        published_at: now,
        first_started_at: now,
        now,
        fence: runtime::Fence::default(),
    };
    Promote::new(Policy::default(), ports)
        .handle(event.clone(), &context)
        .await
}

/// Returns the MAE of the champion and that of the challenger in the audit row.
fn maes(outcome: &Outcome) -> (Option<f64>, Option<f64>) {
    (outcome.entry().mae, outcome.entry().challenger_mae)
}

async fn aliases(ports: &Ports) -> [Option<Version>; 2] {
    [
        ports.registry.alias(Alias::Champion).await.unwrap(),
        ports.registry.alias(Alias::Previous).await.unwrap(),
    ]
}

#[tokio::test]
async fn better_challenger_is_promoted() {
    let ports = ports().await;
    let event = evaluated(&ports, 10.0, 9.0).await;
    let outcome = handle(&ports, &event).await.unwrap();
    assert_eq!(outcome.entry().decision.as_str(), "promoted");
    let notification = outcome.notification().unwrap();
    assert_eq!(notification.title, "2021-W30: promoted");
    assert_eq!(notification.reason, outcome.entry().reason);
    assert_eq!(maes(&outcome), (Some(9.0), Some(9.0)));
    assert_eq!(aliases(&ports).await, [Some(version(2)), Some(version(1))]);
    assert!(
        outcome.events()[0]
            .data
            .contains(r#""champion":2,"challenger":2,"promoted":true"#)
    );
}

#[tokio::test]
async fn insufficiently_better_challenger_is_not_promoted() {
    let ports = ports().await;
    let event = evaluated(&ports, 10.0, 9.6).await;
    let outcome = handle(&ports, &event).await.unwrap();
    assert_eq!(
        (outcome.entry().decision.clone(), aliases(&ports).await),
        ("kept".to_owned(), [Some(version(1)), None])
    );
    assert_eq!(maes(&outcome), (Some(10.0), Some(9.6)));
    assert!(
        outcome.entry().reason.contains("(below 9.50)"),
        "{}",
        outcome.entry().reason
    );
}

#[tokio::test]
async fn stale_evaluation_does_not_promote() {
    let ports = ports().await;
    let event = evaluated(&ports, 10.0, 5.0).await;
    ports
        .registry
        .move_alias(Operator::named("tests").champion_change(Some(version(1)), version(3)))
        .await
        .unwrap();
    let outcome = handle(&ports, &event).await.unwrap();
    assert_eq!(
        (outcome.entry().decision.clone(), aliases(&ports).await),
        ("kept".to_owned(), [Some(version(3)), None])
    );
    assert!(
        outcome.entry().reason.starts_with("stale"),
        "{}",
        outcome.entry().reason
    );
}

/// A store whose first two reads return only after both have read.
struct FirstReadsMeet {
    inner: Arc<dyn Store>,
    reads: AtomicUsize,
    barrier: Barrier,
}

#[async_trait]
impl Store for FirstReadsMeet {
    async fn read(&self, path: &ObjectPath) -> Result<Object, StoreError> {
        let object = self.inner.read(path).await;
        if self.reads.fetch_add(1, Ordering::SeqCst) < 2 {
            self.barrier.wait().await;
        }
        object
    }

    async fn generation(&self, path: &ObjectPath) -> Result<Option<Generation>, StoreError> {
        self.inner.generation(path).await
    }

    async fn write(
        &self,
        path: &ObjectPath,
        bytes: Bytes,
        condition: Condition,
    ) -> Result<Generation, StoreError> {
        self.inner.write(path, bytes, condition).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<ObjectPath>, StoreError> {
        self.inner.list(prefix).await
    }

    fn address_of(&self, path: &ObjectPath) -> String {
        self.inner.address_of(path)
    }
}

/// A comparison on other rows, or with an impossible error, promotes nothing.
#[tokio::test]
async fn evaluation_with_impossible_scores_is_a_permanent_error() {
    for (field, value) in [("mae", json!(-5.0)), ("rows", json!(5)), ("rows", json!(0))] {
        let ports = ports().await;
        let event = evaluated(&ports, 10.0, 9.0).await;
        let (mut stored, _) = read_json::<serde_json::Value>(&*ports.store, &event.evaluation)
            .await
            .unwrap();
        stored["comparison"]["fixed_test"]["challenger"][field] = value;
        write_json(&*ports.store, &event.evaluation, &stored, Condition::Always)
            .await
            .unwrap();
        let error = handle(&ports, &event).await.unwrap_err();
        assert_eq!(error.retryability(), Retryability::Permanent, "{error}");
        let text = error.to_string();
        assert!(
            text.starts_with("cannot use the evaluation evaluations/2021-W30.json"),
            "{text}"
        );
        assert_eq!(aliases(&ports).await, [Some(version(1)), None]);
    }
}

/// Both promotions find version 1 as champion before either moves the alias. Both challengers would
/// be promoted if the alias moved without comparing the champion, or if the registry wrote without
/// comparing the generation.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_of_two_concurrent_promotions_is_stale() {
    let ports = ports().await;
    let second = evaluated(&ports, 10.0, 9.0).await;
    let next_week = "2021-W31".parse().unwrap();
    let third = evaluated_in(&ports, next_week, version(3), [10.0, 8.0]).await;
    let meeting: Arc<dyn Store> = Arc::new(FirstReadsMeet {
        inner: Arc::clone(&ports.store),
        reads: AtomicUsize::new(0),
        barrier: Barrier::new(2),
    });
    let ports = Ports {
        registry: Arc::new(EmbeddedRegistry::new(meeting)),
        ..ports
    };
    let spawn = |event: ChallengerEvaluated| {
        let ports = ports.clone();
        tokio::spawn(async move { handle(&ports, &event).await.unwrap() })
    };
    let (second, third) = tokio::join!(spawn(second), spawn(third));
    let (second, third) = (second.unwrap(), third.unwrap());

    let (winner, promoted, kept) = if second.entry().decision == "promoted" {
        (version(2), second, third)
    } else {
        (version(3), third, second)
    };
    assert_eq!(
        (
            promoted.entry().decision.as_str(),
            kept.entry().decision.as_str()
        ),
        ("promoted", "kept")
    );
    assert!(
        kept.entry().reason.starts_with("stale"),
        "{}",
        kept.entry().reason
    );
    assert_eq!(kept.entry().champion_version, Some(winner));
    assert_eq!(aliases(&ports).await, [Some(winner), Some(version(1))]);
}

#[tokio::test]
async fn decision_is_shown_beside_the_challenger() {
    for (challenger_mae, decision) in [(9.0, "promoted"), (9.6, "kept")] {
        let ports = ports().await;
        let event = evaluated(&ports, 10.0, challenger_mae).await;
        let outcome = handle(&ports, &event).await.unwrap();
        let decisions = async |number| {
            let found = ports.registry.version(version(number)).await;
            found.unwrap().decision
        };
        let shown = decisions(2).await.unwrap();
        assert_eq!(
            (shown.decision.as_str(), &shown.reason),
            (decision, &outcome.entry().reason)
        );
        assert_eq!(decisions(1).await, None);
    }
}

#[tokio::test]
async fn missing_or_mismatched_evaluation_is_a_permanent_error() {
    let ports = ports().await;
    let event = evaluated(&ports, 10.0, 9.0).await;
    let other = ChallengerEvaluated {
        challenger: version(3),
        ..event.clone()
    };
    let missing = ChallengerEvaluated {
        evaluation: "evaluations/none.json".parse().unwrap(),
        ..event
    };
    for event in [other, missing] {
        let error = handle(&ports, &event).await.unwrap_err();
        assert_eq!(error.retryability(), Retryability::Permanent, "{error}");
    }
    assert_eq!(aliases(&ports).await, [Some(version(1)), None]);
}

#[tokio::test]
async fn function_is_ready_while_the_registry_has_a_champion() {
    let ready = async |ports: &Ports| Promote::new(Policy::default(), ports).ready().await;
    ready(&ports().await).await.unwrap();
    let empty = Ports::in_memory(Arc::new(SimulatedClock::new(Timestamp::UNIX_EPOCH)));
    let error = ready(&empty).await.unwrap_err();
    assert!(error.to_string().contains("no champion"), "{error}");
}
