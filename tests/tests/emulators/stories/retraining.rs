//! The quarterly retraining on the emulators, killed after each step.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    process::{Child, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use cli::{
    State,
    commands::retrain::{Request, retrain},
};
use forecasting::checksum::Checksum;
use model::TrainRecipe;
use serde_json::{Value, json};
use shared::{
    Timestamp,
    audit::AuditRow,
    baseline::{self, Baseline, TRAIN_BASELINE},
    clock::SystemClock,
    event::Function,
    ports::Ports,
    registry::{Alias, RunName, Version},
};

use crate::{
    predictions::assert_python_agrees,
    test_system::{Options, TestSystem, seed},
};

const STEPS: [&str; 7] = [
    "export", "merge", "train", "compare", "promote", "publish", "record",
];
/// Options that train a better model than the champion of three rounds.
const BETTER: [&str; 4] = ["--rounds", "60", "--learning-rate", "0.1"];
/// Options that train a worse model than the champion.
const WORSE: [&str; 4] = ["--rounds", "1", "--learning-rate", "0.001"];

#[tokio::test(flavor = "multi_thread")]
async fn retraining_killed_after_each_step_ends_with_a_new_champion_and_baseline() {
    let system = TestSystem::with(Options {
        functions: Vec::new(),
        ..Options::default()
    })
    .await;
    let store = &*system.ports.store;
    let (before, _) = baseline::published(store).await.unwrap().unwrap();
    let folder = tempfile::tempdir().unwrap();
    for step in STEPS {
        kill_after(step, &system, folder.path()).await;
    }
    assert!(
        start(&system, folder.path(), BETTER)
            .wait()
            .unwrap()
            .success()
    );

    let outcome = Outcome::of(&system.ports).await;
    let [first, second] = [1, 2].map(Version::new);
    assert_eq!(
        (outcome.aliases, outcome.versions.len()),
        ([Some(second), Some(first)], 2)
    );
    assert_eq!(outcome, uninterrupted().await);

    let (after, _) = baseline::published(store).await.unwrap().unwrap();
    let chain = baseline::history(store, &after.train).await.unwrap();
    let names: Vec<_> = chain.iter().map(|manifest| manifest.name.clone()).collect();
    assert_eq!(
        (names, &after.test),
        (vec![after.train.clone(), before.train], &before.test)
    );
    // The run in MLflow lists the test set and the training data as inputs.
    let inputs = system
        .ports
        .registry
        .version(second)
        .await
        .unwrap()
        .run
        .inputs;
    assert_eq!(
        inputs
            .into_iter()
            .map(|input| input.name)
            .collect::<Vec<_>>(),
        [after.test, after.train]
    );
    assert_eq!(
        system.decisions().await,
        [(Function::Promote, "retrained".to_owned())]
    );
    let last = system.known.period().unwrap().1.day();
    assert_python_agrees(&system.ports, &system.cloud, &system.known, (last, second)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn worse_model_changes_only_the_audit_log() {
    let system = TestSystem::with(Options {
        functions: Vec::new(),
        ..Options::default()
    })
    .await;
    let before = Outcome::of(&system.ports).await;
    let folder = tempfile::tempdir().unwrap();
    assert!(
        start(&system, folder.path(), WORSE)
            .wait()
            .unwrap()
            .success()
    );

    let after = Outcome::of(&system.ports).await;
    let [first, second] = [1, 2].map(Version::new);
    assert_eq!(
        (before.aliases, after.aliases),
        ([Some(first), None], [Some(first), None])
    );
    assert_eq!(
        (&after.baseline, &after.train_baseline),
        (&before.baseline, &before.train_baseline)
    );
    assert_eq!((before.versions.len(), after.versions.len()), (1, 2));
    let [_trained, row] = &after.rows[..] else {
        panic!("expected two audit rows: {:?}", after.rows)
    };
    assert_eq!(
        (row.function, row.entry.decision.as_str()),
        (Function::Promote, "kept")
    );
    assert_eq!(
        (row.entry.champion_version, row.entry.challenger_version),
        (Some(first), Some(second))
    );
    assert!(
        row.entry.reason.contains("is not lower than"),
        "{}",
        row.entry.reason
    );
}

/// The stored results of a retraining, without times and addresses.
#[derive(Debug, PartialEq)]
struct Outcome {
    /// The champion and the previous champion.
    aliases: [Option<Version>; 2],
    baseline: Baseline,
    /// The checksum of the copy that functions read.
    train_baseline: Checksum,
    versions: Vec<(RunName, BTreeMap<String, f64>)>,
    rows: Vec<AuditRow>,
}

impl Outcome {
    async fn of(ports: &Ports) -> Self {
        let [champion, previous] =
            [Alias::Champion, Alias::Previous].map(|alias| ports.registry.alias(alias));
        let versions = ports.registry.versions().await.unwrap().into_iter();
        let rows = ports.warehouse.audit_log().await.unwrap().into_iter();
        let without_time = |mut row: AuditRow| {
            let detail = &row.entry.detail;
            row.entry.detail = json!([detail["run"], detail["data"], detail["days"]]);
            row.timestamp = Timestamp::UNIX_EPOCH;
            row
        };
        Self {
            aliases: [champion.await.unwrap(), previous.await.unwrap()],
            baseline: baseline::published(&*ports.store).await.unwrap().unwrap().0,
            train_baseline: Checksum::of(
                &ports
                    .store
                    .read(&TRAIN_BASELINE.parse().unwrap())
                    .await
                    .unwrap()
                    .bytes,
            ),
            versions: versions
                .map(|version| (version.run.name, version.run.metrics))
                .collect(),
            rows: rows.map(without_time).collect(),
        }
    }
}

/// Runs the same retraining in this process on embedded ports, without interruption.
async fn uninterrupted() -> Outcome {
    let folder = tempfile::tempdir().unwrap();
    let (state, ports) = (
        State::at(folder.path()).unwrap(),
        Ports::in_memory(Arc::new(SystemClock)),
    );
    seed(&ports, folder.path()).await;
    let request = Request {
        quarter: None,
        from: None,
        to: None,
        recipe: TrainRecipe {
            rounds: 60,
            learning_rate: 0.1,
            ..TrainRecipe::default()
        },
        restart: false,
        environment: "test".to_owned(),
    };
    retrain(&ports, &state, &request, &|_| {}).await.unwrap();
    Outcome::of(&ports).await
}

/// Runs the command and kills it as soon as its journal marks `step` as done.
///
/// Restarts the command when it fails: a killed process can leave the registry's lock behind, which
/// expires within a minute.
async fn kill_after(step: &str, system: &TestSystem, state: &Path) {
    let mut process = start(system, state, BETTER);
    let limit = Instant::now() + Duration::from_secs(180);
    while !is_done(step, state) {
        assert!(
            Instant::now() < limit,
            "the step {step} was not done within 180 s"
        );
        if process.try_wait().unwrap().is_some() {
            process = start(system, state, BETTER);
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    process.kill().unwrap();
    process.wait().unwrap();
}

fn start(system: &TestSystem, state: &Path, recipe: [&str; 4]) -> Child {
    let mut command = system.command("bike-traffic");
    command
        .args(["retrain", "--quarterly", "--cloud", "--state"])
        .arg(state)
        .args(recipe);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

/// Returns `true` if the journal marks `step` as done.
fn is_done(step: &str, state: &Path) -> bool {
    let journal = || {
        let quarter = fs::read_dir(state.join("retrain"))
            .ok()?
            .next()?
            .ok()?
            .path();
        serde_json::from_slice::<Value>(&fs::read(quarter.join("journal.json")).ok()?).ok()
    };
    journal().is_some_and(|journal| !journal["done"][step].is_null())
}
