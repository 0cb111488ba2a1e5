//! Retrainings that are called again, after others have done something in between or after they were killed.

use std::{fs, sync::Arc};

use cli::commands::retrain::{Request, RetrainReport, retrain};
use forecasting::time::Day;
use serde_json::Value;
use shared::{
    address::ObjectPath,
    clock::SimulatedClock,
    registry::{Alias, Run, Version, change_champion},
    store::{Condition, read_json, write_json},
};

use super::{STEPS, aliases, request, run};
use crate::test_system::{TestSystem, assert_same, snapshot};

async fn run_restarted(system: &TestSystem, rounds: u32) -> anyhow::Result<RetrainReport> {
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

/// Returns the decisions of the audit log after that of the first training, with their reasons.
async fn decisions(system: &TestSystem) -> Vec<(String, String)> {
    let log = system.ports.warehouse.audit_log().await.unwrap();
    log.into_iter()
        .skip(1)
        .map(|row| (row.decision, row.reason))
        .collect()
}

/// Makes the journal forget steps, as if the process had been killed between what they did and their entries.
fn forget(report: &RetrainReport, steps: &[&str]) {
    let journal = report.folder.join("journal.json");
    let mut contents: Value = serde_json::from_slice(&fs::read(&journal).unwrap()).unwrap();
    for step in steps {
        assert!(
            contents["done"][*step].take() != Value::Null,
            "{step} was not done"
        );
    }
    fs::write(&journal, contents.to_string()).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_done_is_not_done_again_and_the_report_says_so() {
    let system = TestSystem::with_champion(3).await;
    let first = run(&system, 60).await.unwrap();
    assert!(!first.to_string().contains("done before"), "{first}");
    let before = snapshot(system.state.folder());
    let second = run(&system, 60).await.unwrap();
    assert!(
        second.to_string().contains("was done before") && second.to_string().contains("--restart"),
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
async fn the_same_days_may_be_asked_for_again_though_not_all_have_tables() {
    let system = TestSystem::with_champion(3).await;
    // Days later, so that the last days have no tables either.
    let later = system.last_day.plus(4).at(9);
    let ports = system
        .state
        .open(Arc::new(SimulatedClock::new(later)))
        .unwrap();
    let (from, to) = (
        "2015-01-01".parse::<Day>().unwrap(),
        system.last_day.plus(2),
    );
    let ask = async |from: Day, to: Day| {
        let request = Request {
            from: Some(from),
            to: Some(to),
            ..request(60)
        };
        retrain(&ports, &system.state, &request, &|_| {}).await
    };
    let plan = ask(from, to).await.unwrap().plan;
    assert_eq!(
        (plan.asked, plan.last),
        ((Some(from), Some(to)), system.last_day)
    );
    ask(from, to).await.unwrap();
    // As the message about other days names them.
    ask(plan.first, plan.last).await.unwrap();
    for (from, to) in [(from, to.plus(-1)), (from.plus(1), to)] {
        let error = ask(from, to).await.unwrap_err().to_string();
        assert!(
            error.contains("other settings or days") && error.contains("--restart"),
            "{error}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_champion_that_came_in_between_is_compared_with_first() {
    let system = TestSystem::with_champion(3).await;
    let report = run(&system, 60).await.unwrap();
    // As if it had been stopped after the comparison, and another version promoted since.
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
    change_champion(registry, Version::new(2), third)
        .await
        .unwrap();

    let error = format!("{:#}", run(&system, 60).await.unwrap_err());
    assert!(
        error.contains("version 3 is champion since the comparison"),
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
async fn killed_between_what_a_step_does_and_its_entry_it_ends_in_the_same_state() {
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
async fn a_champion_whose_data_were_not_published_is_followed_by_its_data() {
    let system = TestSystem::with_champion(3).await;
    let before = system.in_use().await;
    let first = run(&system, 60).await.unwrap();
    let (published, promoted) = (
        system.in_use().await,
        [Some(Version::new(2)), Some(Version::new(1))],
    );
    let recorded = decisions(&system).await;

    // Killed after the promotion, while the same baseline was written once more.
    forget(&first, &["publish", "record"]);
    system.put_into_use(&before).await;
    run(&system, 60).await.unwrap();
    assert_eq!(
        (system.in_use().await, aliases(&system).await),
        (published.clone(), promoted)
    );

    // Claim anew, the same data give the version that is champion; the row by which it became so stays.
    system.put_into_use(&before).await;
    let report = run_restarted(&system, 60).await.unwrap();
    assert!(
        report.is_better && report.comparison.is_with_itself(Version::new(2)),
        "{report}"
    );
    assert_eq!(
        (system.in_use().await, aliases(&system).await),
        (published.clone(), promoted)
    );
    assert_eq!(decisions(&system).await, recorded);

    // As if that row had not been written either: another quarter has none.
    system.put_into_use(&before).await;
    let request = Request {
        quarter: Some("2019-Q1".parse().unwrap()),
        ..request(60)
    };
    retrain(&system.ports, &system.state, &request, &|_| {})
        .await
        .unwrap();
    assert_eq!(
        (system.in_use().await, aliases(&system).await),
        (published, promoted)
    );
    let decisions = decisions(&system).await;
    let [_, (decision, reason)] = &decisions[..] else {
        panic!("there are two rows: {decisions:?}")
    };
    assert!(
        decision == "retrained" && reason.contains("is champion already"),
        "{decision}: {reason}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worse_model_that_is_champion_by_hand_does_not_bring_its_data_along() {
    let system = TestSystem::with_champion(60).await;
    let before = system.in_use().await;
    let report = run(&system, 2).await.unwrap();
    change_champion(&*system.ports.registry, Version::new(1), Version::new(2))
        .await
        .unwrap();
    let error = format!("{:#}", run_restarted(&system, 2).await.unwrap_err());
    assert!(
        !report.is_better && error.contains("the baseline stays"),
        "{error}"
    );
    assert_eq!(system.in_use().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_published_after_the_promotion_stays_and_it_is_said_what_to_do() {
    let system = TestSystem::with_champion(3).await;
    let first = run(&system, 60).await.unwrap();
    let published = system.in_use().await;
    forget(&first, &["publish", "record"]);
    let others = system.put_others_into_use().await;
    let error = format!("{:#}", run(&system, 60).await.unwrap_err());
    assert!(
        error.contains("bike-traffic publish-baseline") && error.contains("--restart"),
        "{error}"
    );
    assert_eq!(system.in_use().await, others);
    // As that command leaves it.
    system.put_into_use(&published).await;
    assert_eq!(run(&system, 60).await.unwrap(), first);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_retraining_of_a_quarter_has_a_row_with_its_reason() {
    let system = TestSystem::with_champion(60).await;
    run(&system, 2).await.unwrap();
    run_restarted(&system, 3).await.unwrap();
    let decisions = decisions(&system).await;
    let [(first, first_reason), (second, second_reason)] = &decisions[..] else {
        panic!("there are two rows: {decisions:?}")
    };
    assert_eq!((first.as_str(), second.as_str()), ("kept", "kept"));
    assert!(
        first_reason.contains("of version 2 is") && second_reason.contains("of version 3 is"),
        "{second_reason}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_champion_that_reads_other_features_is_compared_with_by_what_was_recorded_of_it() {
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
    assert_ne!(system.in_use().await.train, report.plan.baseline.train);
    let (_, reason) = decisions(&system).await.pop().unwrap();
    assert!(reason.ends_with("which reads other features"), "{reason}");

    // What was recorded on another test set says nothing.
    contents["fixed_test"]["name"] = "test-2020-01-01-00000000".into();
    write_json(store, &card, &contents, Condition::Always)
        .await
        .unwrap();
    registry
        .move_alias(Alias::Champion, Some(Version::new(2)), Version::new(1))
        .await
        .unwrap();
    forget(&report, &["compare", "promote", "publish", "record"]);
    let error = format!("{:#}", run(&system, 60).await.unwrap_err());
    assert!(
        error.contains("was never scored on test-") && error.contains("retrain the model"),
        "{error}"
    );
}
