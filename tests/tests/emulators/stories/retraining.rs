//! The quarterly retraining on the places of the cloud, killed after each of its steps.

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
    baseline::{self, Baseline},
    clock::SystemClock,
    event::Function,
    fixed_test::TRAIN_BASELINE,
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
/// Settings that make a better model than the champion of three rounds, and settings that leave it at the mean.
const BETTER: [&str; 4] = ["--rounds", "60", "--learning-rate", "0.1"];
const WORSE: [&str; 4] = ["--rounds", "1", "--learning-rate", "0.001"];

#[tokio::test(flavor = "multi_thread")]
async fn from_daily_tables_to_a_new_champion_and_its_baseline_though_killed_after_each_step() {
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
    assert_eq!(outcome, undisturbed().await);

    let (after, _) = baseline::published(store).await.unwrap().unwrap();
    let chain = baseline::history(store, &after.train).await.unwrap();
    let names: Vec<_> = chain.iter().map(|manifest| manifest.name.clone()).collect();
    assert_eq!(
        (names, &after.test),
        (vec![after.train.clone(), before.train], &before.test)
    );
    // Training data and test set are inputs of the run in MLflow.
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
    assert_python_agrees(&system.ports, &system.cloud, second).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worse_model_leaves_champion_and_baseline_as_they_are_and_its_audit_row_says_why() {
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
        panic!("there are two rows: {:?}", after.rows)
    };
    assert_eq!(
        (row.function, row.decision.as_str()),
        (Function::Promote, "kept")
    );
    assert_eq!(
        (row.champion_version, row.challenger_version),
        (Some(first), Some(second))
    );
    assert!(row.reason.contains("is not lower than"), "{}", row.reason);
}

/// What a retraining leaves behind, without what depends on the places and the time.
#[derive(Debug, PartialEq)]
struct Outcome {
    /// Champion and previous champion.
    aliases: [Option<Version>; 2],
    baseline: Baseline,
    /// The copy that functions read.
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
        let without_time = |row: AuditRow| {
            let detail = json!([row.detail["run"], row.detail["data"], row.detail["days"]]);
            AuditRow {
                timestamp: Timestamp::UNIX_EPOCH,
                detail,
                ..row
            }
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

/// The same retraining in this process, on embedded ports and in one go.
async fn undisturbed() -> Outcome {
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

/// Starts the command, again where it fails, and kills it as soon as its journal says that a step is done.
///
/// It fails while the registry's lock is that of a process that was killed: the lock expires within a minute.
async fn kill_after(step: &str, system: &TestSystem, state: &Path) {
    let mut process = start(system, state, BETTER);
    let limit = Instant::now() + Duration::from_secs(180);
    while !is_done(step, state) {
        assert!(Instant::now() < limit, "the step {step} was never done");
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

/// Tells whether the journal says that a step is done.
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
