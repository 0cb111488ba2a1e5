//! Champions that the functions cannot use.

use async_trait::async_trait;
use shared::{
    clock::SimulatedClock,
    registry::{
        AliasChange, ChampionState, EmbeddedRegistry, Operator, Promoted, Promotion, Registry,
        RegistryError, Run, VersionDecision,
    },
    store::{Condition, MemoryStore, Store, read_json, write_json},
};

use super::*;

/// A registry in which a person registered every version by hand, without a run.
struct Handmade(Arc<dyn Registry>);

#[async_trait]
impl Registry for Handmade {
    async fn register(&self, run: &Run) -> Result<Version, RegistryError> {
        self.0.register(run).await
    }

    async fn version(&self, version: Version) -> Result<ModelVersion, RegistryError> {
        Err(RegistryError::Unusable {
            version,
            source: "it has no run of bike-traffic".into(),
        })
    }

    async fn versions(&self) -> Result<Vec<ModelVersion>, RegistryError> {
        Ok(Vec::new())
    }

    async fn alias(&self, alias: Alias) -> Result<Option<Version>, RegistryError> {
        self.0.alias(alias).await
    }

    async fn move_alias(&self, change: AliasChange) -> Result<(), RegistryError> {
        self.0.move_alias(change).await
    }

    async fn champion_state(&self) -> Result<ChampionState, RegistryError> {
        self.0.champion_state().await
    }

    async fn promote(&self, promotion: &Promotion) -> Result<Promoted, RegistryError> {
        self.0.promote(promotion).await
    }

    async fn record_decision(
        &self,
        version: Version,
        decision: &VersionDecision,
    ) -> Result<(), RegistryError> {
        self.0.record_decision(version, decision).await
    }
}

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
