//! Tests of the handler with the in-memory ports.

use forecasting::{
    metrics::Scores,
    policy::{Comparison, ScorePair},
    time::Week,
};
use shared::{
    Timestamp,
    clock::SimulatedClock,
    registry::{Alias, Operator, Run},
    retryability::Retryability,
    store::{Condition, write_json},
};

use super::*;

fn week() -> Week {
    "2021-W30".parse().unwrap()
}

fn version(number: u32) -> Version {
    Version::new(number)
}

/// Returns ports with three registered versions; the first is champion.
async fn ports() -> Ports {
    let ports = Ports::in_memory(Arc::new(SimulatedClock::new(Timestamp::UNIX_EPOCH)));
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
    let scores = |mae: f64| Scores {
        mae,
        rmse: 2.0 * mae,
        r2: 0.9,
        rows: 100,
    };
    let fixed_test = ScorePair {
        champion: scores(champion_mae),
        challenger: scores(challenger_mae),
    };
    let comparison = Comparison {
        fixed_test,
        fresh: None,
    };
    let verdicts = Policy::default().judge_challenger(&comparison);
    let evaluation = Evaluation {
        week: week(),
        champion: version(1),
        challenger: version(2),
        comparison,
        verdicts,
    };
    let path = Evaluation::path(week());
    write_json(&*ports.store, &path, &evaluation, Condition::Always)
        .await
        .unwrap();
    ChallengerEvaluated {
        event_id: EventId::of(Function::Evaluate, week()),
        week: week(),
        champion: version(1),
        challenger: version(2),
        evaluation: path,
    }
}

async fn handle(ports: &Ports, event: &ChallengerEvaluated) -> Result<Outcome, Error> {
    let now = Timestamp::UNIX_EPOCH;
    let context = Context {
        event_id: event.event_id.clone(),
        published_at: now,
        now,
    };
    Promote::new(Policy::default(), ports)
        .handle(event.clone(), &context)
        .await
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
    assert!(
        outcome.entry().reason.contains("not below 9.50"),
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

#[tokio::test]
async fn promotion_interrupted_after_the_swap_is_completed_by_the_next_run() {
    let ports = ports().await;
    let event = evaluated(&ports, 10.0, 9.0).await;
    ports
        .registry
        .move_alias(Operator::named("tests").champion_change(Some(version(1)), version(2)))
        .await
        .unwrap();
    let outcome = handle(&ports, &event).await.unwrap();
    assert_eq!(outcome.entry().decision.as_str(), "promoted");
    assert_eq!(aliases(&ports).await, [Some(version(2)), Some(version(1))]);
}

#[tokio::test]
async fn concurrent_promotions_move_the_alias_once() {
    let ports = ports().await;
    let event = evaluated(&ports, 10.0, 9.0).await;
    let rival = ports
        .registry
        .move_alias(Operator::named("tests").champion_change(Some(version(1)), version(3)));
    let (outcome, rival) = tokio::join!(handle(&ports, &event), rival);
    let champion = aliases(&ports).await[0];
    let expected = if rival.is_ok() {
        (version(3), "kept")
    } else {
        (version(2), "promoted")
    };
    assert_eq!(
        (champion, outcome.unwrap().entry().decision.clone()),
        (Some(expected.0), expected.1.to_owned())
    );
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
