//! Champions that the functions cannot use.

use shared::{
    clock::SimulatedClock,
    registry::{EmbeddedRegistry, Operator, Run},
    store::{Condition, MemoryStore, Store, read_json, write_json},
};

use super::*;
use crate::support::handmade::Handmade;

/// Returns ports whose registry has one version, the champion.
async fn ports() -> Ports {
    let clock = SimulatedClock::new("2021-08-02T05:00:00Z".parse().unwrap());
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    let ports = Ports {
        registry: Arc::new(EmbeddedRegistry::new(Arc::clone(&store))),
        store,
        ..Ports::in_memory(Arc::new(clock))
    };
    let run = Run::new("first".parse().unwrap(), ports.clock.now());
    let version = ports.registry.register(&run).await.unwrap();
    let change = Operator::named("tests").champion_change(None, version);
    ports.registry.move_alias(change).await.unwrap();
    ports
}

async fn status_of(ports: &Ports) -> Status {
    let folder = tempfile::tempdir().unwrap();
    let state = State::at(folder.path()).unwrap();
    state.open_bus_store().unwrap();
    let target = TargetArguments {
        state: folder.path().to_owned(),
        cloud: false,
    };
    let dead_letters = DeadLetters::open(&target).await.unwrap();
    read_status(ports, &dead_letters, None).await
}

/// Checks that the text begins with a problem, and that JSON has it.
fn assert_problem(status: &Status, parts: &[&str]) {
    let problem = status.champion_problem.as_deref().unwrap();
    assert!(parts.iter().all(|part| problem.contains(part)), "{problem}");
    assert!(status.to_string().starts_with(problem), "{status}");
    let json = serde_json::to_value(status).unwrap();
    assert_eq!(json["champion_problem"], problem);
    assert!(status.unreadable.is_empty(), "{:?}", status.unreadable);
}

#[tokio::test]
async fn deleted_champion_is_named_with_the_next_command() {
    let ports = ports().await;
    let path = "registry/bike-traffic-champion.json".parse().unwrap();
    let (mut contents, _) = read_json::<serde_json::Value>(&*ports.store, &path)
        .await
        .unwrap();
    contents["versions"] = serde_json::json!([]);
    write_json(&*ports.store, &path, &contents, Condition::Always)
        .await
        .unwrap();
    let expected = [
        "the champion is version 1, which was deleted",
        "`bike-traffic rollback --to VERSION`",
    ];
    assert_problem(&status_of(&ports).await, &expected);
}

#[tokio::test]
async fn handmade_champion_is_named_with_the_next_command() {
    let usable = ports().await;
    let ports = Ports {
        registry: Arc::new(Handmade(Arc::clone(&usable.registry))),
        ..usable.clone()
    };
    let expected = [
        "the champion is version 1, which the functions cannot use",
        "it has no run of bike-traffic",
        "`bike-traffic rollback --to VERSION`",
    ];
    assert_problem(&status_of(&ports).await, &expected);

    let status = status_of(&usable).await;
    assert_eq!(status.champion_problem, None);
    assert!(!serde_json::to_string(&status).unwrap().contains("problem"));
}

#[tokio::test]
async fn missing_champion_is_named_with_the_next_command() {
    let clock = SimulatedClock::new("2021-08-02T05:00:00Z".parse().unwrap());
    let ports = Ports::in_memory(Arc::new(clock));
    assert_problem(&status_of(&ports).await, &["`bike-traffic train`"]);
}
