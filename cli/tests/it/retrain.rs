//! The quarterly retraining, from daily tables to a new champion and its baseline.

mod again;

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use cli::commands::retrain::{PlanStatus, Request, RetrainReport, retrain, status};
use forecasting::counts::{self, Counter};
use serde_json::Value;
use shared::{
    baseline,
    baseline::TRAIN_BASELINE,
    registry::{Alias, Version},
};

use crate::test_system::{TestSystem, assert_same, copy, recipe, snapshot};

const STEPS: [&str; 7] = [
    "export", "merge", "train", "compare", "promote", "publish", "record",
];

fn request(rounds: u32) -> Request {
    Request {
        quarter: None,
        from: None,
        to: None,
        recipe: recipe(rounds),
        restart: false,
        environment: "test".to_owned(),
    }
}

async fn run(system: &TestSystem, rounds: u32) -> anyhow::Result<RetrainReport> {
    retrain(&system.ports, &system.state, &request(rounds), &|_| {}).await
}

async fn aliases(system: &TestSystem) -> [Option<Version>; 2] {
    let [champion, previous] =
        [Alias::Champion, Alias::Previous].map(|alias| system.ports.registry.alias(alias));
    [champion.await.unwrap(), previous.await.unwrap()]
}

#[tokio::test(flavor = "multi_thread")]
async fn better_model_is_promoted_and_its_data_become_the_baseline() {
    let system = TestSystem::with_champion(3).await;
    let before = system.published_baseline().await;
    let report = run(&system, 60).await.unwrap();
    assert!(report.is_better, "{report}");
    assert_eq!(
        aliases(&system).await,
        [Some(Version::new(2)), Some(Version::new(1))]
    );

    let after = system.published_baseline().await;
    assert_eq!(
        (&after.train, &after.test),
        (&report.train.data.name, &before.test)
    );
    let manifest = baseline::manifest(&*system.ports.store, &after.train)
        .await
        .unwrap();
    assert_eq!(manifest.parent, Some(before.train));
    // The sources are the previous baseline and one export per month.
    assert_eq!(manifest.sources.len(), 1 + report.export.files.len());
    assert!(report.export.files.len() >= 3, "{:?}", report.export.files);

    let published = system
        .ports
        .store
        .read(&TRAIN_BASELINE.parse().unwrap())
        .await
        .unwrap()
        .bytes;
    let counts = counts::read(&*published, &mut Vec::new()).unwrap();
    let (first, last) = system.test.period().unwrap();
    assert!(
        counts
            .rows()
            .iter()
            .all(|row| row.hour < first || row.hour > last)
    );
    assert_eq!(counts.period().unwrap().1.day(), system.last_day);
    assert_eq!(manifest.rows, counts.len() as u64);

    let log = system.ports.warehouse.audit_log().await.unwrap();
    let [_trained, row] = &log[..] else {
        panic!("{log:?}")
    };
    let event_id = format!(
        "promote/retrain-{}-{}",
        report.plan.quarter, report.train.run
    );
    assert_eq!(
        (row.entry.decision.as_str(), row.event_id.to_string()),
        ("retrained", event_id)
    );
    assert_eq!(
        (row.entry.champion_version, row.env.as_str()),
        (Some(Version::new(2)), "test")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn worse_model_changes_only_the_audit_log() {
    let system = TestSystem::with_champion(60).await;
    let before = system.published_baseline().await;
    let report = run(&system, 2).await.unwrap();
    assert!(!report.is_better, "{report}");
    assert_eq!(
        (aliases(&system).await, system.published_baseline().await),
        ([Some(Version::new(1)), None], before)
    );
    let log = system.ports.warehouse.audit_log().await.unwrap();
    let [_trained, row] = &log[..] else {
        panic!("{log:?}")
    };
    assert_eq!(
        (row.entry.decision.as_str(), row.entry.challenger_version),
        ("kept", Some(Version::new(2)))
    );
    assert!(
        row.entry.reason.contains("is not lower than"),
        "{}",
        row.entry.reason
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn report_includes_counters_found_by_the_merge() {
    let system = TestSystem::with_champion(3).await;
    let mut counts = system
        .ports
        .warehouse
        .counts(system.last_day, system.last_day)
        .await
        .unwrap();
    let parc = counts.intern(Counter {
        id: None,
        name: "Parc".to_owned(),
        coordinates: None,
    });
    system
        .last_day
        .hours()
        .for_each(|hour| counts.push(parc, hour, 1));
    system
        .ports
        .warehouse
        .replace_counts(system.last_day, &counts, system.ports.clock.now())
        .await
        .unwrap();
    let report = run(&system, 60).await.unwrap();
    assert_eq!(report.merge.appeared, ["Parc"]);
    assert!(
        report.to_string().contains("1 counters appeared: Parc"),
        "{report}"
    );
    // A later call reads the merge report from the journal.
    let again = run(&system, 60).await.unwrap();
    assert_eq!(again.merge, report.merge);
    assert_eq!(
        serde_json::to_value(&again).unwrap()["merge"]["appeared"][0],
        "Parc"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn dry_run_returns_the_plan_and_changes_nothing() {
    let system = TestSystem::with_champion(3).await;
    let before = snapshot(system.state.folder());
    let PlanStatus { plan, done, folder } = status(&system.ports, &system.state, &request(60))
        .await
        .unwrap();
    assert_eq!(
        (plan.champion, plan.last, plan.days),
        (Version::new(1), system.last_day, 84)
    );
    assert_eq!((done.export, folder.exists()), (None, false));
    assert_same(&before, &snapshot(system.state.folder()));
}

#[tokio::test(flavor = "multi_thread")]
async fn retraining_killed_after_any_step_ends_in_the_same_state() {
    let system = TestSystem::with_champion(3).await;
    let (state, prepared) = (system.state.folder(), system.folder.path().join("prepared"));
    copy(state, &prepared);
    assert!(command(state).status().unwrap().success());
    let expected = snapshot(state);
    for step in STEPS {
        fs::remove_dir_all(state).unwrap();
        copy(&prepared, state);
        kill_after(step, state);
        assert!(
            command(state).status().unwrap().success(),
            "the run after the kill at {step} must succeed"
        );
        assert_same(&expected, &snapshot(state));
        let remaining: Vec<_> = fs::read_dir(work(state))
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert!(
            remaining
                .iter()
                .all(|name| !name.to_string_lossy().contains("partial")),
            "{remaining:?}"
        );
    }
}

fn command(state: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bike-traffic"));
    command
        .args([
            "retrain",
            "--quarterly",
            "--rounds",
            "60",
            "--learning-rate",
            "0.1",
            "--state",
        ])
        .arg(state);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// Starts the command and kills it as soon as its journal marks `step` as done.
fn kill_after(step: &str, state: &Path) {
    let mut process = command(state).spawn().unwrap();
    let limit = Instant::now() + Duration::from_secs(60);
    let is_done = || {
        let journal = fs::read(work(state).join("journal.json")).ok()?;
        let contents: Value = serde_json::from_slice(&journal).ok()?;
        (!contents["done"][step].is_null()).then_some(())
    };
    while is_done().is_none() && process.try_wait().unwrap().is_none() {
        assert!(
            Instant::now() < limit,
            "the step {step} was not done within 60 s"
        );
        thread::sleep(Duration::from_millis(1));
    }
    process.kill().unwrap();
    process.wait().unwrap();
    assert!(
        is_done().is_some(),
        "the command must not end before the step {step}"
    );
}

/// Returns the folder of the only retraining.
fn work(state: &Path) -> std::path::PathBuf {
    let folder = state.join("retrain");
    let quarter = fs::read_dir(&folder)
        .ok()
        .and_then(|mut folders| folders.next()?.ok());
    quarter.map_or(folder, |quarter| quarter.path())
}
