//! Publication of a champion's data as the baseline.

use std::fs::File;

use cli::commands::{
    publish_baseline::publish_baseline,
    train::{Allowances, PromotionOutcome, TrainPlan, train},
};
use forecasting::counts;
use shared::{
    baseline::{self, Baseline},
    registry::{Operator, Promotion, Version, promote},
};

use crate::test_system::{TestSystem, recipe};

/// Trains on the unpublished days after the test set, and returns the outcome of the promotion.
async fn train_on_later_days(system: &TestSystem, rounds: u32) -> Option<PromotionOutcome> {
    let after = system.test.period().unwrap().1.plus(1).day();
    let counts = system
        .ports
        .warehouse
        .counts(after, system.last_day)
        .await
        .unwrap();
    let path = system.folder.path().join("later.csv");
    counts::write_french(&counts, File::create(&path).unwrap()).unwrap();
    let plan = TrainPlan {
        train_path: path.to_string_lossy().into_owned(),
        test_path: system.test_path.clone(),
        data_source: "custom",
        recipe: recipe(rounds),
        environment: "local".to_owned(),
        allow: Allowances::default(),
    };
    train(&system.ports, &system.state, &plan)
        .await
        .unwrap()
        .champion
}

#[tokio::test]
async fn data_of_a_better_champion_are_published_once() {
    let system = TestSystem::with_champion(1).await;
    let before = system.published_baseline().await;
    let promotion = train_on_later_days(&system, 60).await;
    assert!(
        matches!(promotion, Some(PromotionOutcome::Better { .. })),
        "{promotion:?}"
    );
    assert_eq!(system.published_baseline().await, before);

    let publication = publish_baseline(&system.ports, "test").await.unwrap();
    let (previous, previous_mae) = publication.previous.unwrap();
    assert_eq!(
        (publication.champion, previous),
        (Version::new(2), Version::new(1))
    );
    assert!(publication.mae < previous_mae, "{publication}");
    let after = system.published_baseline().await;
    assert_eq!(
        (&after.train, &publication.from),
        (&publication.to, &before.train)
    );
    assert_ne!(after.train, before.train);
    assert_eq!(
        publish_baseline(&system.ports, "test").await.unwrap().to,
        after.train
    );
    assert_eq!(
        baseline::history(&*system.ports.store, &after.train)
            .await
            .unwrap()
            .len(),
        2
    );
    let log = system.ports.warehouse.audit_log().await.unwrap();
    let decisions: Vec<_> = log
        .iter()
        .map(|row| (row.entry.decision.as_str(), row.entry.champion_version))
        .collect();
    let [first, second] = [1, 2].map(|version| Some(Version::new(version)));
    assert_eq!(
        decisions,
        [
            ("trained", first),
            ("trained", second),
            ("published", second)
        ]
    );
    assert!(
        log[2].entry.reason.contains(&after.train.to_string()),
        "{}",
        log[2].entry.reason
    );
}

/// The process ended after it had published the data, before it wrote the audit row.
#[tokio::test]
async fn interrupted_publication_is_recorded_once_by_the_next_call() {
    let system = TestSystem::with_champion(1).await;
    let before = system.published_baseline().await;
    train_on_later_days(&system, 60).await;
    let second = system
        .ports
        .registry
        .version(Version::new(2))
        .await
        .unwrap();
    let mut inputs = second.run.inputs.into_iter().map(|input| input.name);
    let train = inputs.find(|name| *name != before.test).unwrap();
    let published = Baseline {
        train,
        ..before.clone()
    };
    system.publish_baseline(&published).await;

    for from in [&before.train, &published.train] {
        let publication = publish_baseline(&system.ports, "test").await.unwrap();
        assert_eq!(
            (&publication.from, &publication.to),
            (from, &published.train)
        );
    }
    let mut log = system.ports.warehouse.audit_log().await.unwrap();
    log.retain(|row| row.entry.decision == "published");
    let [row] = &log[..] else {
        panic!("expected one row: {log:?}")
    };
    let detail = &row.entry.detail;
    assert_eq!(
        detail["from"].as_str(),
        Some(before.train.to_string().as_str())
    );
    assert_eq!(detail["previous"], 1);
    assert!(row.entry.model_improvement.unwrap() > 0.0, "{row:?}");
}

#[tokio::test]
async fn first_baseline_is_not_recorded_as_a_publication() {
    let system = TestSystem::with_champion(1).await;
    let publication = publish_baseline(&system.ports, "test").await.unwrap();
    assert_eq!(publication.from, publication.to);
    let log = system.ports.warehouse.audit_log().await.unwrap();
    assert!(log.iter().all(|row| row.entry.decision == "trained"));
}

#[tokio::test]
async fn data_of_a_worse_champion_are_not_published() {
    let system = TestSystem::with_champion(60).await;
    let before = system.published_baseline().await;
    train_on_later_days(&system, 1).await;
    // No command promotes a worse version, so the test moves the alias itself.
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
    let error = publish_baseline(&system.ports, "test")
        .await
        .unwrap_err()
        .to_string();
    assert!(error.starts_with("cannot replace the baseline"), "{error}");
    assert_eq!(system.published_baseline().await, before);
}

#[tokio::test]
async fn data_are_not_published_over_a_baseline_without_a_version() {
    let system = TestSystem::with_champion(1).await;
    train_on_later_days(&system, 60).await;
    let unrelated = system.publish_unrelated_data().await;
    let error = publish_baseline(&system.ports, "test")
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("cannot replace the baseline")
            && error.contains("no registered version was trained on it"),
        "{error}"
    );
    assert_eq!(system.published_baseline().await, unrelated);
}

#[tokio::test]
async fn second_test_set_is_rejected() {
    let system = TestSystem::with_champion(3).await;
    let path = system.folder.path().join("other.csv");
    let (first, last) = system.test.period().unwrap();
    counts::write_french(
        &system.test.between(first, last.plus(-24)),
        File::create(&path).unwrap(),
    )
    .unwrap();
    let plan = TrainPlan {
        train_path: system
            .folder
            .path()
            .join("baseline.csv")
            .to_string_lossy()
            .into_owned(),
        test_path: path.to_string_lossy().into_owned(),
        data_source: "local",
        recipe: recipe(3),
        environment: "local".to_owned(),
        allow: Allowances::default(),
    };
    let error = train(&system.ports, &system.state, &plan)
        .await
        .unwrap_err()
        .to_string();
    assert!(error.starts_with("the fixed test set is test-"), "{error}");
    assert_eq!(system.ports.registry.versions().await.unwrap().len(), 1);
}
