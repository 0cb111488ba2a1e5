//! The quarterly retraining on the places of the cloud, killed after each of its steps.

use std::{
    fs,
    path::Path,
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;
use shared::{
    baseline,
    event::Function,
    registry::{Alias, Version},
};

use crate::{
    predictions::assert_python_agrees,
    world::{Wishes, World},
};

const STEPS: [&str; 7] = ["export", "merge", "train", "compare", "crown", "publish", "record"];

#[tokio::test(flavor = "multi_thread")]
async fn from_daily_tables_to_a_new_champion_and_its_baseline_though_killed_after_each_step() {
    let world = World::with(Wishes { functions: Vec::new(), ..Wishes::default() }).await;
    let store = &*world.ports.store;
    let (before, _) = baseline::published(store).await.unwrap().unwrap();
    let folder = tempfile::tempdir().unwrap();
    for step in STEPS {
        kill_after(step, &world, folder.path()).await;
    }
    assert!(start(&world, folder.path()).wait().unwrap().success());

    let registry = &world.ports.registry;
    let [champion, previous] = [Alias::Champion, Alias::Previous].map(|alias| registry.alias(alias));
    let [first, second] = [1, 2].map(Version::new);
    assert_eq!([champion.await.unwrap(), previous.await.unwrap()], [Some(second), Some(first)]);
    assert_eq!(registry.versions().await.unwrap().len(), 2);

    let (after, _) = baseline::published(store).await.unwrap().unwrap();
    let chain = baseline::history(store, &after.train).await.unwrap();
    let names: Vec<_> = chain.iter().map(|manifest| manifest.name.clone()).collect();
    assert_eq!((names, &after.test), (vec![after.train.clone(), before.train], &before.test));
    // Training data and test set are inputs of the run in MLflow.
    let inputs = registry.version(second).await.unwrap().run.inputs;
    assert_eq!(inputs.into_iter().map(|input| input.name).collect::<Vec<_>>(), [after.test, after.train]);
    assert_eq!(world.decisions().await, [(Function::Promote, "retrained".to_owned())]);
    assert_python_agrees(&world.ports, &world.cloud, second).await;
}

/// Starts the command, again where it fails, and kills it as soon as its journal says that a step is done.
///
/// It fails while the registry's lock is that of a process that was killed: the lock expires within a minute.
async fn kill_after(step: &str, world: &World, state: &Path) {
    let mut process = start(world, state);
    let limit = Instant::now() + Duration::from_secs(180);
    while !is_done(step, state) {
        assert!(Instant::now() < limit, "the step {step} was never done");
        if process.try_wait().unwrap().is_some() {
            process = start(world, state);
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    process.kill().unwrap();
    process.wait().unwrap();
}

fn start(world: &World, state: &Path) -> Child {
    let mut command = world.command("bike-traffic");
    command
        .args(["retrain", "--quarterly", "--cloud", "--rounds", "60", "--learning-rate", "0.1", "--state"])
        .arg(state);
    command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap()
}

/// Tells whether the journal says that a step is done.
fn is_done(step: &str, state: &Path) -> bool {
    let journal = || {
        let quarter = fs::read_dir(state.join("retrain")).ok()?.next()?.ok()?.path();
        serde_json::from_slice::<Value>(&fs::read(quarter.join("journal.json")).ok()?).ok()
    };
    journal().is_some_and(|journal| !journal["done"][step].is_null())
}
