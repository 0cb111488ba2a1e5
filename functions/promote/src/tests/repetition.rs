//! Tests of repeated events, interrupted promotions, and several events about one challenger.

use std::collections::BTreeMap;

use forecasting::checksum::Checksum;

use super::*;

/// Handles an event twice. Asserts the decision, and that the second run returns the same outcome
/// and changes no object.
async fn assert_idempotent(ports: &Ports, event: &ChallengerEvaluated, decision: &str) {
    let objects = async || {
        let mut objects = BTreeMap::new();
        for path in ports.store.list("").await.unwrap() {
            let object = ports.store.read(&path).await.unwrap();
            objects.insert(path, Checksum::of(&object.bytes));
        }
        objects
    };
    let first = handle(ports, event).await.unwrap();
    let before = objects().await;
    let second = handle(ports, event).await.unwrap();
    assert_eq!(first.entry().decision.as_str(), decision);
    assert_eq!(
        (second.entry(), second.events()),
        (first.entry(), first.events())
    );
    assert_eq!(objects().await, before);
}

/// The audit row of the first try could not be written, and an operator rolled back meanwhile.
#[tokio::test]
async fn rollback_between_two_tries_of_a_promotion_wins() {
    let ports = ports().await;
    let event = evaluated(&ports, 10.0, 9.0).await;
    let first = handle(&ports, &event).await.unwrap();
    assert_eq!(first.entry().decision, "promoted");
    let seen = ports.registry.champion_state().await.unwrap();
    let rollback = Promotion::rollback(&Operator::named("tests"), &seen, version(1));
    let _ = promote(&*ports.registry, &rollback).await.unwrap();
    let before = ports.registry.champion_state().await.unwrap();
    let second = handle(&ports, &event).await.unwrap();
    let (promoted, overtaken) = (first.entry(), second.entry());
    assert_eq!(overtaken.decision, "promoted");
    let expected = format!("{}; rolled back since to version 1", promoted.reason);
    assert_eq!(overtaken.reason, expected);
    assert_eq!(overtaken.champion_version, Some(version(1)));
    assert_eq!(ports.registry.champion_state().await.unwrap(), before);
    assert_eq!(aliases(&ports).await, [Some(version(1)), Some(version(2))]);
}

/// The audit row of the first try could not be written, and another event was decided meanwhile.
#[tokio::test]
async fn promotion_before_a_later_one_is_promoted() {
    let ports = ports().await;
    let event = evaluated(&ports, 10.0, 9.0).await;
    let first = handle(&ports, &event).await.unwrap();
    let change = Promotion::by_operator(&Operator::named("tests"), Some(version(2)), version(3));
    let _ = promote(&*ports.registry, &change).await.unwrap();
    let second = handle(&ports, &event).await.unwrap();
    assert_eq!(second.entry().decision, "promoted");
    let expected = format!("{}; version 3 became champion since", first.entry().reason);
    assert_eq!(second.entry().reason, expected);
    assert_eq!(aliases(&ports).await, [Some(version(3)), Some(version(2))]);
}

/// An earlier program version stored only the event of the last promotion.
#[tokio::test]
async fn promotion_that_an_earlier_program_version_recorded_is_recognised() {
    let ports = ports().await;
    let event = evaluated(&ports, 10.0, 9.0).await;
    let first = handle(&ports, &event).await.unwrap();
    assert_eq!(first.entry().decision, "promoted");
    let path: ObjectPath = "registry/bike-traffic-champion.json".parse().unwrap();
    let stored = read_json::<serde_json::Value>(&*ports.store, &path);
    let (mut contents, _) = stored.await.unwrap();
    let removed = contents.as_object_mut().unwrap().remove("event_promotions");
    assert!(removed.is_some());
    write_json(&*ports.store, &path, &contents, Condition::Always)
        .await
        .unwrap();
    let seen = ports.registry.champion_state().await.unwrap();
    let rollback = Promotion::rollback(&Operator::named("tests"), &seen, version(1));
    let _ = promote(&*ports.registry, &rollback).await.unwrap();
    let second = handle(&ports, &event).await.unwrap();
    assert_eq!(second.entry().decision, "promoted");
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
async fn second_delivery_changes_nothing() {
    for (challenger_mae, decision) in [(9.0, "promoted"), (9.6, "kept")] {
        let ports = ports().await;
        let event = evaluated(&ports, 10.0, challenger_mae).await;
        assert_idempotent(&ports, &event, decision).await;
    }
}

#[tokio::test]
async fn second_delivery_of_a_stale_evaluation_changes_nothing() {
    let ports = ports().await;
    let event = evaluated(&ports, 10.0, 5.0).await;
    let other = Operator::named("tests").champion_change(Some(version(1)), version(3));
    ports.registry.move_alias(other).await.unwrap();
    assert_idempotent(&ports, &event, "kept").await;
}

/// A second event about a challenger that is champion, for example one that a person published.
#[tokio::test]
async fn second_event_about_a_promoted_challenger_is_kept() {
    let ports = ports().await;
    let first = evaluated(&ports, 10.0, 9.0).await;
    let promoted = handle(&ports, &first).await.unwrap();
    assert_eq!(promoted.entry().decision, "promoted");
    let before = ports.registry.champion_state().await.unwrap();
    let second = ChallengerEvaluated {
        event_id: "evaluate/2021-W30@2021-08-10T06-00-00Z".parse().unwrap(),
        ..first.clone()
    };

    let kept = handle(&ports, &second).await.unwrap();
    assert_eq!(
        (kept.entry().decision.as_str(), kept.entry().reason.as_str()),
        ("kept", "version 2 is the champion already")
    );
    assert_eq!(kept.entry().champion_version, Some(version(2)));
    assert!(
        kept.events()[0]
            .data
            .contains(r#""champion":2,"challenger":2,"promoted":false"#)
    );
    assert_eq!(kept.notification(), None);
    let shown = ports.registry.version(version(2)).await.unwrap().decision;
    assert_eq!(shown.unwrap().decision, "promoted");

    // The first event has moved the alias, so its repetition still says so.
    let repeated = handle(&ports, &first).await.unwrap();
    assert_eq!(repeated.entry(), promoted.entry());
    assert_eq!(ports.registry.champion_state().await.unwrap(), before);
}

#[tokio::test]
async fn event_about_a_challenger_that_an_operator_made_champion_is_kept() {
    let ports = ports().await;
    let event = evaluated(&ports, 10.0, 9.0).await;
    let seen = ports.registry.champion_state().await.unwrap();
    let rollback = Promotion::rollback(&Operator::named("tests"), &seen, version(2));
    let _ = promote(&*ports.registry, &rollback).await.unwrap();
    let outcome = handle(&ports, &event).await.unwrap();
    assert_eq!(outcome.entry().decision, "kept");
    assert_eq!(outcome.entry().reason, "version 2 is the champion already");
    assert_eq!(aliases(&ports).await, [Some(version(2)), Some(version(1))]);
}
