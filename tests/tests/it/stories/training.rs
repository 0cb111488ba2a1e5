//! Training and retraining a champion.

use std::{fs, sync::Arc};

use cli::{
    State,
    commands::train::{Allowances, PromotionOutcome, TrainPlan, train},
};
use model::TrainRecipe;
use shared::{
    Timestamp,
    address::ObjectPath,
    clock::SystemClock,
    ports::Ports,
    program::Program,
    registry::{Alias, Run, Version},
    store::{Condition, FileStore, read_json, write_json},
};

use tests::failing::{Fault, Faults};

use super::small_sample;

fn setup() -> (tempfile::TempDir, State, Ports, TrainPlan) {
    let folder = tempfile::tempdir().unwrap();
    let inputs = small_sample(&folder.path().join("data"));
    let state = State::at(&folder.path().join("state")).unwrap();
    let ports = state.open(Arc::new(SystemClock)).unwrap();
    let recipe = TrainRecipe {
        rounds: 60,
        learning_rate: 0.1,
        ..TrainRecipe::default()
    };
    let plan = TrainPlan {
        train_path: inputs.train,
        test_path: inputs.test,
        data_source: "local",
        recipe,
        environment: "local".to_owned(),
        allow: Allowances {
            worse_than_naive: true,
            ..Allowances::default()
        },
    };
    (folder, state, ports, plan)
}

#[tokio::test]
async fn repeated_training_is_one_version() {
    let (_folder, state, ports, plan) = setup();
    let first = train(&ports, &state, &plan).await.unwrap();
    let second = train(&ports, &state, &plan).await.unwrap();
    let again = PromotionOutcome::Already {
        champion: Version::new(1),
    };
    assert_eq!(
        (first.champion, second.champion),
        (Some(PromotionOutcome::First), Some(again))
    );
    assert_eq!(
        (second.version, second.scores),
        (Some(Version::new(1)), first.scores)
    );
    let run = ports.registry.version(Version::new(1)).await.unwrap().run;
    let tag = |name: &str| run.tags[name].as_str();
    assert_eq!(
        (tag("dataset"), tag("training_type"), tag("data_source")),
        ("baseline", "champion", "local")
    );
    assert_eq!(tag("program_version"), Program::current().version);
    assert!(tag("started_at").parse::<Timestamp>().is_ok());
    assert_eq!(
        (tag("train_size"), tag("test_size")),
        (
            // A training leaves out the rows in outages.
            &*(first.train.rows - first.excluded_rows).to_string(),
            &*first.scores.rows.to_string()
        )
    );
}

#[tokio::test]
async fn better_model_is_promoted_and_worse_model_is_not() {
    let (_folder, state, ports, plan) = setup();
    let with_rounds = |rounds| TrainPlan {
        recipe: TrainRecipe {
            rounds,
            ..plan.recipe.clone()
        },
        ..plan.clone()
    };
    let first = train(&ports, &state, &plan).await.unwrap();
    let worse = train(&ports, &state, &with_rounds(2)).await.unwrap();
    let not_promoted = PromotionOutcome::Worse {
        champion: Version::new(1),
        champion_mae: first.scores.mae,
    };
    assert_eq!(
        (worse.champion, worse.version),
        (Some(not_promoted), Some(Version::new(2)))
    );
    assert_eq!(
        ports.registry.alias(Alias::Champion).await.unwrap(),
        Some(Version::new(1))
    );

    let (_folder, state, ports, _) = setup();
    train(&ports, &state, &with_rounds(2)).await.unwrap();
    let better = train(&ports, &state, &plan).await.unwrap();
    assert!(
        matches!(better.champion, Some(PromotionOutcome::Better { .. })),
        "{:?}",
        better.champion
    );
    let aliases = [Alias::Champion, Alias::Previous].map(|alias| ports.registry.alias(alias));
    let [champion, previous] = aliases;
    assert_eq!(
        (champion.await.unwrap(), previous.await.unwrap()),
        (Some(Version::new(2)), Some(Version::new(1)))
    );
}

/// An error would suggest that nothing was promoted.
#[tokio::test]
async fn promotion_with_a_failed_audit_row_is_a_success_that_names_it() {
    let (_folder, state, ports, plan) = setup();
    let faults = Arc::new(Faults::default());
    train(&faults.wrap(&ports), &state, &plan).await.unwrap();
    let calls = faults.calls();
    let recording = calls.iter().position(|call| call == "add to logs").unwrap();

    let (_folder, state, ports, plan) = setup();
    let faults = Arc::new(Faults::default());
    faults.plan(recording, Fault::Outage);
    let report = train(&faults.wrap(&ports), &state, &plan).await.unwrap();
    assert_eq!(report.champion, Some(PromotionOutcome::First));
    let reason = report.unrecorded.unwrap();
    assert!(
        reason.contains("promote/train-champion-") && reason.contains("insert it by hand"),
        "{reason}"
    );
    assert_eq!(
        ports.registry.alias(Alias::Champion).await.unwrap(),
        report.version
    );
    assert_eq!(
        faults.calls()[recording..],
        ["add to logs", "add to logs", "add to logs"]
    );

    let (_folder, state, ports, plan) = setup();
    let faults = Arc::new(Faults::default());
    faults.plan(recording, Fault::Rejected);
    let report = train(&faults.wrap(&ports), &state, &plan).await.unwrap();
    assert_eq!(report.unrecorded, None, "a single fault is retried");
    assert_eq!(ports.warehouse.audit_log().await.unwrap().len(), 1);
}

#[tokio::test]
async fn training_data_overlapping_the_test_set_is_rejected() {
    let (_folder, state, ports, plan) = setup();
    let same = TrainPlan {
        train_path: plan.test_path.clone(),
        ..plan
    };
    let error = train(&ports, &state, &same).await.unwrap_err().to_string();
    assert!(error.contains("bike-traffic split"), "{error}");
    assert!(ports.registry.versions().await.unwrap().is_empty());
}

#[tokio::test]
async fn swapped_files_are_rejected() {
    let (_folder, state, ports, plan) = setup();
    let swapped = TrainPlan {
        train_path: plan.test_path.clone(),
        test_path: plan.train_path.clone(),
        ..plan.clone()
    };
    let error = train(&ports, &state, &swapped).await.unwrap_err();
    assert!(error.to_string().contains("--allow-overlap"), "{error}");
    assert!(ports.registry.versions().await.unwrap().is_empty());
    let meant = TrainPlan {
        allow: Allowances {
            overlap: true,
            ..plan.allow
        },
        ..swapped
    };
    let report = train(&ports, &state, &meant).await.unwrap();
    assert_eq!(report.champion, Some(PromotionOutcome::First));
}

/// After two rounds, the forecast of each hour is near the mean of all hours.
#[tokio::test]
async fn first_champion_worse_than_the_seasonal_naive_forecast_is_rejected() {
    let (_folder, state, ports, plan) = setup();
    let worse = TrainPlan {
        recipe: TrainRecipe {
            rounds: 2,
            ..plan.recipe.clone()
        },
        allow: Allowances::default(),
        ..plan
    };
    let error = train(&ports, &state, &worse).await.unwrap_err().to_string();
    assert!(error.contains("--allow-worse-than-naive"), "{error}");
    assert!(ports.registry.versions().await.unwrap().is_empty());
    let baseline = shared::baseline::published(&*ports.store).await.unwrap();
    assert_eq!(baseline, None);
}

/// Replaces the registry's object with a changed one.
async fn edit_registry(state: &State, change: impl FnOnce(&mut serde_json::Value)) {
    let store = FileStore::open(&state.folder().join("registry")).unwrap();
    let path: ObjectPath = "registry/bike-traffic-champion.json".parse().unwrap();
    let (mut contents, _) = read_json(&store, &path).await.unwrap();
    change(&mut contents);
    write_json(&store, &path, &contents, Condition::Always)
        .await
        .unwrap();
}

#[tokio::test]
async fn no_first_champion_is_made_where_the_champion_was_deleted() {
    let (_folder, state, ports, plan) = setup();
    train(&ports, &state, &plan).await.unwrap();
    let other = Run::new("by-hand".parse().unwrap(), ports.clock.now());
    ports.registry.register(&other).await.unwrap();
    edit_registry(&state, |contents| {
        let versions = contents["versions"].as_array_mut().unwrap();
        versions.retain(|known| known["version"] != 1);
    })
    .await;
    let error = format!("{:#}", train(&ports, &state, &plan).await.unwrap_err());
    assert!(
        error.contains("the champion is version 1, which was deleted")
            && error.contains("bike-traffic rollback --to VERSION"),
        "{error}"
    );
    assert_eq!(ports.registry.versions().await.unwrap().len(), 1);
}

#[tokio::test]
async fn training_makes_a_champion_once_no_version_is_left() {
    let (_folder, state, ports, plan) = setup();
    train(&ports, &state, &plan).await.unwrap();
    edit_registry(&state, |contents| {
        contents["versions"] = serde_json::json!([]);
        contents["aliases"] = serde_json::json!({ "champion": 7 });
    })
    .await;
    let report = train(&ports, &state, &plan).await.unwrap();
    assert_eq!(report.champion, Some(PromotionOutcome::First));
    assert_eq!(
        ports.registry.alias(Alias::Champion).await.unwrap(),
        Some(Version::new(1))
    );
}

/// A registry of an earlier program version has no record of its promotions.
#[tokio::test]
async fn no_first_champion_is_made_where_another_version_was_trained_as_champion() {
    let (_folder, state, ports, plan) = setup();
    let forget = |contents: &mut serde_json::Value| {
        contents["aliases"] = serde_json::json!({});
        contents["changes"] = serde_json::json!(0);
        contents["last_change"] = serde_json::Value::Null;
    };
    train(&ports, &state, &plan).await.unwrap();
    edit_registry(&state, forget).await;
    // As after an interruption between the registration and the promotion.
    let again = train(&ports, &state, &plan).await.unwrap();
    assert_eq!(again.champion, Some(PromotionOutcome::First));

    edit_registry(&state, forget).await;
    let longer = TrainPlan {
        recipe: TrainRecipe {
            rounds: 61,
            ..plan.recipe.clone()
        },
        ..plan
    };
    let error = train(&ports, &state, &longer)
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("version 1 was trained as a champion before"),
        "{error}"
    );
    assert_eq!(ports.registry.alias(Alias::Champion).await.unwrap(), None);
}

#[tokio::test]
async fn invalid_rows_are_written_to_the_rejects_with_a_reason() {
    let (folder, state, ports, plan) = setup();
    let path = folder.path().join("mixed.csv");
    let counts = forecasting::counts::read_file(plan.train_path.as_ref(), &mut Vec::new()).unwrap();
    let mut text = Vec::new();
    forecasting::counts::write_french(&counts, &mut text).unwrap();
    text.extend_from_slice(b"1;Quai des Nuls;many;2020-09-01T00:00:00+02:00;\n");
    text.extend_from_slice(b"1;Quai \xe9troit;3;sometime;\n");
    fs::write(&path, text).unwrap();
    let mixed = TrainPlan {
        train_path: path.to_string_lossy().into_owned(),
        ..plan
    };
    let report = train(&ports, &state, &mixed).await.unwrap();
    assert_eq!(report.train.rejected, 2);
    let rejects = fs::read_to_string(state.folder().join("rejects/train_baseline.csv")).unwrap();
    assert!(
        rejects.contains("`many`") && rejects.contains("Quai étroit"),
        "{rejects}"
    );
}
