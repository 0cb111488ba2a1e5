//! Repeated retrainings, after a kill or after concurrent changes of other users.

use std::{fs, sync::Arc};

use cli::commands::retrain::{Request, RetrainReport, retrain};
use forecasting::time::Day;
use serde_json::Value;
use shared::{
    address::ObjectPath,
    clock::SimulatedClock,
    registry::{Operator, Promotion, Run, Version, promote},
    store::{Condition, read_json, write_json},
};

use super::{STEPS, aliases, request, run};
use crate::test_system::{TestSystem, assert_same, snapshot};

async fn restart(system: &TestSystem, rounds: u32) -> anyhow::Result<RetrainReport> {
    retrain(
        &system.ports,
        &system.state,
        &Request {
            restart: true,
            ..request(rounds)
        },
        &|_| {},
    )
    .await
}

/// Returns the decisions after the first training and their reasons, in the order of the audit log.
async fn decisions(system: &TestSystem) -> Vec<(String, String)> {
    let log = system.ports.warehouse.audit_log().await.unwrap();
    log.into_iter()
        .skip(1)
        .map(|row| (row.entry.decision, row.entry.reason))
        .collect()
}

/// Removes steps from the journal, as if the process had been killed before it recorded them.
fn forget(report: &RetrainReport, steps: &[&str]) {
    let journal = report.folder.join("journal.json");
    let mut contents: Value = serde_json::from_slice(&fs::read(&journal).unwrap()).unwrap();
    for step in steps {
        assert!(
            contents["done"][*step].take() != Value::Null,
            "the step {step} must be done"
        );
    }
    fs::write(&journal, contents.to_string()).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn completed_retraining_is_not_repeated_and_reported_as_done_before() {
    let system = TestSystem::with_champion(3).await;
    let first = run(&system, 60).await.unwrap();
    assert!(!first.to_string().contains("already done"), "{first}");
    let before = snapshot(system.state.folder());
    let second = run(&system, 60).await.unwrap();
    assert!(
        second.to_string().contains("is already done") && second.to_string().contains("--restart"),
        "{second}"
    );
    assert_eq!(
        second,
        RetrainReport {
            done_before: true,
            ..first
        }
    );
    assert_same(&before, &snapshot(system.state.folder()));
    let error = run(&system, 61).await.unwrap_err().to_string();
    assert!(error.contains("--restart"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn repeated_range_with_missing_tables_is_accepted() {
    let system = TestSystem::with_champion(3).await;
    // Some days later, so that the last days have no tables either.
    let later = system.last_day.plus(4).at(9);
    let ports = system
        .state
        .open(Arc::new(SimulatedClock::new(later)))
        .unwrap();
    let (from, to) = (
        "2015-01-01".parse::<Day>().unwrap(),
        system.last_day.plus(2),
    );
    let retrain_days = async |from: Day, to: Day| {
        let request = Request {
            from: Some(from),
            to: Some(to),
            ..request(60)
        };
        retrain(&ports, &system.state, &request, &|_| {}).await
    };
    let plan = retrain_days(from, to).await.unwrap().plan;
    assert_eq!(
        (plan.asked, plan.last),
        ((Some(from), Some(to)), system.last_day)
    );
    retrain_days(from, to).await.unwrap();
    // The error about other days suggests this range.
    retrain_days(plan.first, plan.last).await.unwrap();
    for (from, to) in [(from, to.plus(-1)), (from.plus(1), to)] {
        let error = retrain_days(from, to).await.unwrap_err().to_string();
        assert!(
            error.contains("other settings or days") && error.contains("--restart"),
            "{error}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrently_promoted_champion_is_compared_before_promotion() {
    let system = TestSystem::with_champion(3).await;
    let report = run(&system, 60).await.unwrap();
    // As if the process had been stopped after the comparison, and another version promoted since.
    forget(&report, &["promote", "publish", "record"]);
    let registry = &*system.ports.registry;
    let third = Run {
        artifacts: registry
            .version(Version::new(1))
            .await
            .unwrap()
            .run
            .artifacts,
        ..Run::new("by-hand".parse().unwrap(), system.ports.clock.now())
    };
    let third = registry.register(&third).await.unwrap();
    let _ = promote(
        registry,
        &Promotion::by_operator(&Operator::named("tests"), Some(Version::new(2)), third),
    )
    .await
    .unwrap();

    let error = format!("{:#}", run(&system, 60).await.unwrap_err());
    assert!(
        error.contains("the champion changed to version 3"),
        "{error}"
    );
    assert_eq!(aliases(&system).await[0], Some(third));
    let report = run(&system, 60).await.unwrap();
    assert_eq!(
        (report.comparison.champion, aliases(&system).await[0]),
        (third, Some(Version::new(2)))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn step_killed_before_its_journal_entry_is_idempotent() {
    let system = TestSystem::with_champion(3).await;
    let first = run(&system, 60).await.unwrap();
    let before = snapshot(system.state.folder());
    for step in ["record", "publish", "promote"] {
        let from = STEPS.iter().position(|known| *known == step).unwrap();
        forget(&first, &STEPS[from..]);
        assert_eq!(run(&system, 60).await.unwrap(), first, "{step}");
        assert_same(&before, &snapshot(system.state.folder()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn unpublished_data_of_the_champion_are_published() {
    let system = TestSystem::with_champion(3).await;
    let before = system.published_baseline().await;
    let first = run(&system, 60).await.unwrap();
    let (published, promoted) = (
        system.published_baseline().await,
        [Some(Version::new(2)), Some(Version::new(1))],
    );
    let recorded = decisions(&system).await;

    // As if the process had been killed between the promotion and the publication.
    forget(&first, &["publish", "record"]);
    system.publish_baseline(&before).await;
    run(&system, 60).await.unwrap();
    assert_eq!(
        (system.published_baseline().await, aliases(&system).await),
        (published.clone(), promoted)
    );

    // A restart on the same data results in the current champion and keeps its audit row.
    system.publish_baseline(&before).await;
    let report = restart(&system, 60).await.unwrap();
    assert!(
        report.is_better && report.comparison.is_same_version(Version::new(2)),
        "{report}"
    );
    assert_eq!(
        (system.published_baseline().await, aliases(&system).await),
        (published.clone(), promoted)
    );
    assert_eq!(decisions(&system).await, recorded);

    // Another quarter has no audit row of the promotion yet, so the retraining writes one.
    system.publish_baseline(&before).await;
    let request = Request {
        quarter: Some("2019-Q1".parse().unwrap()),
        ..request(60)
    };
    retrain(&system.ports, &system.state, &request, &|_| {})
        .await
        .unwrap();
    assert_eq!(
        (system.published_baseline().await, aliases(&system).await),
        (published, promoted)
    );
    let decisions = decisions(&system).await;
    let [_, (decision, reason)] = &decisions[..] else {
        panic!("expected two audit rows: {decisions:?}")
    };
    assert!(
        decision == "retrained" && reason.contains("is already champion"),
        "{decision}: {reason}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn data_of_a_manually_promoted_worse_model_are_not_published() {
    let system = TestSystem::with_champion(60).await;
    let before = system.published_baseline().await;
    let report = run(&system, 2).await.unwrap();
    let _ = promote(
        &*system.ports.registry,
        &Promotion::by_operator(
            &Operator::named("tests"),
            Some(Version::new(1)),
            Version::new(2),
        ),
    )
    .await
    .unwrap();
    let error = format!("{:#}", restart(&system, 2).await.unwrap_err());
    assert!(
        !report.is_better && error.contains("cannot replace the baseline"),
        "{error}"
    );
    assert_eq!(system.published_baseline().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrently_published_baseline_is_kept_and_the_error_names_the_remedy() {
    let system = TestSystem::with_champion(3).await;
    let first = run(&system, 60).await.unwrap();
    let published = system.published_baseline().await;
    forget(&first, &["publish", "record"]);
    let unrelated = system.publish_unrelated_data().await;
    let error = format!("{:#}", run(&system, 60).await.unwrap_err());
    assert!(
        error.contains("bike-traffic publish-baseline") && error.contains("--restart"),
        "{error}"
    );
    assert_eq!(system.published_baseline().await, unrelated);
    // The state after `bike-traffic publish-baseline`.
    system.publish_baseline(&published).await;
    assert_eq!(run(&system, 60).await.unwrap(), first);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_retraining_of_a_quarter_has_an_audit_row() {
    let system = TestSystem::with_champion(60).await;
    run(&system, 2).await.unwrap();
    restart(&system, 3).await.unwrap();
    let decisions = decisions(&system).await;
    let [(first, first_reason), (second, second_reason)] = &decisions[..] else {
        panic!("expected two audit rows: {decisions:?}")
    };
    assert_eq!((first.as_str(), second.as_str()), ("kept", "kept"));
    assert!(
        first_reason.contains("of version 2 is") && second_reason.contains("of version 3 is"),
        "{second_reason}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn champion_with_other_features_is_compared_by_recorded_scores() {
    let system = TestSystem::with_champion(3).await;
    let (store, registry) = (&*system.ports.store, &*system.ports.registry);
    let folder = registry
        .version(Version::new(1))
        .await
        .unwrap()
        .run
        .artifacts;
    let card: ObjectPath = format!("{folder}/card.json").parse().unwrap();
    let mut contents: Value = read_json(store, &card).await.unwrap().0;
    contents["features"]["pipeline_version"] = 0.into();
    write_json(store, &card, &contents, Condition::Always)
        .await
        .unwrap();

    let report = run(&system, 60).await.unwrap();
    assert!(
        report.is_better && report.comparison.counters.is_empty(),
        "{report}"
    );
    assert_eq!(
        report.comparison.before.mae,
        contents["test_scores"]["mae"].as_f64().unwrap()
    );
    assert_eq!(
        aliases(&system).await,
        [Some(Version::new(2)), Some(Version::new(1))]
    );
    assert_ne!(
        system.published_baseline().await.train,
        report.plan.baseline.train
    );
    let (_, reason) = decisions(&system).await.pop().unwrap();
    assert!(
        reason.ends_with("which uses different features"),
        "{reason}"
    );

    // Scores on another test set must not be used.
    contents["fixed_test"]["name"] = "test-2020-01-01-00000000".into();
    write_json(store, &card, &contents, Condition::Always)
        .await
        .unwrap();
    registry
        .move_alias(
            Operator::named("tests").champion_change(Some(Version::new(2)), Version::new(1)),
        )
        .await
        .unwrap();
    forget(&report, &["compare", "promote", "publish", "record"]);
    let error = format!("{:#}", run(&system, 60).await.unwrap_err());
    assert!(
        error.contains("has no recorded scores on test-") && error.contains("retrain the model"),
        "{error}"
    );
}
