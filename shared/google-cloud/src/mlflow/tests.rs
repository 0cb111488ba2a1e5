//! Tests against a fake of the calls that move aliases
//! (<https://mlflow.org/docs/latest/api_reference/rest-api.html>). A real MLflow server cannot be
//! delayed at the right moment.

use axum::{
    Json, Router,
    extract::{Request, State},
    http::{Method, StatusCode},
};
use serde_json::{Value, json};
use shared::{
    clock::SimulatedClock,
    registry::{ChampionError, Operator, champion, complete_last_change},
    retryability::{Classify, Retryability},
    store::{MemoryStore, Store},
};
use tokio::net::TcpListener;

use super::*;

/// A server with some versions; version 1 is champion, and version 7 the previous one. Reading a
/// run advances the clock.
struct FakeServer {
    clock_change: Option<(SimulatedClock, jiff::Timestamp)>,
    state: Mutex<ServerState>,
}

struct ServerState {
    versions: Vec<&'static str>,
    /// The versions whose runs were deleted for good.
    without_run: Vec<&'static str>,
    aliases: BTreeMap<String, String>,
    tags: BTreeMap<String, String>,
    /// The number of changes that the server accepts; it rejects all later ones.
    remaining_changes: usize,
    /// The body of status 404 for the model; the model is found if `None`.
    not_found: Option<Value>,
}

impl Default for FakeServer {
    fn default() -> Self {
        let aliases = [("champion", "1"), ("previous", "7")];
        let state = ServerState {
            versions: vec!["1", "2", "3", "7"],
            without_run: Vec::new(),
            aliases: aliases
                .map(|(alias, version)| (alias.to_owned(), version.to_owned()))
                .into(),
            tags: BTreeMap::new(),
            remaining_changes: usize::MAX,
            not_found: None,
        };
        Self {
            clock_change: None,
            state: Mutex::new(state),
        }
    }
}

impl FakeServer {
    async fn start(self) -> (Arc<Self>, Url) {
        let fake = Arc::new(self);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap())
            .parse()
            .unwrap();
        let router = Router::new().fallback(answer).with_state(Arc::clone(&fake));
        tokio::spawn(async move { axum::serve(listener, router).await });
        (fake, url)
    }

    fn aliases(&self) -> [Option<String>; 2] {
        let state = self.state.lock();
        ["champion", "previous"].map(|alias| state.aliases.get(alias).cloned())
    }

    fn with_state<T>(&self, work: impl FnOnce(&mut ServerState) -> T) -> T {
        work(&mut self.state.lock())
    }
}

impl ServerState {
    fn model(&self) -> Reply {
        if let Some(body) = &self.not_found {
            return (StatusCode::NOT_FOUND, Json(body.clone()));
        }
        let aliases: Vec<_> = self
            .aliases
            .iter()
            .map(|(alias, version)| json!({ "alias": alias, "version": version }))
            .collect();
        let tags: Vec<_> = self
            .tags
            .iter()
            .map(|(key, value)| json!({ "key": key, "value": value }))
            .collect();
        done(json!({ "registered_model": { "name": MODEL, "aliases": aliases, "tags": tags } }))
    }

    fn version(&self, query: &str) -> Reply {
        let found = self
            .versions
            .iter()
            .find(|version| query.ends_with(&format!("version={version}")));
        let Some(version) = found else {
            return missing();
        };
        let tags = [
            ("bike_traffic.run", "a-run"),
            ("bike_traffic.ended_at", "2021-08-02T05:00:00Z"),
            ("bike_traffic.artifacts", "models/bike-traffic/a-run"),
        ];
        let tags = tags.map(|(key, value)| json!({ "key": key, "value": value }));
        let run = format!("run-{version}");
        let found = json!({ "version": version, "run_id": run, "tags": tags });
        done(json!({ "model_version": found }))
    }

    fn run(&self, query: &str) -> Reply {
        let is_deleted = |version: &&str| query.ends_with(&format!("run_id=run-{version}"));
        if self.without_run.iter().any(is_deleted) {
            return missing();
        }
        let info = json!({ "run_id": query.trim_start_matches("run_id="), "artifact_uri": "mlflow-artifacts:/1/a-run/artifacts" });
        done(json!({ "run": { "info": info } }))
    }

    /// Applies a change, unless the server rejects it. Status 400 is not retried.
    fn change(&mut self, path: &str, body: &Value) -> Reply {
        let Some(remaining) = self.remaining_changes.checked_sub(1) else {
            return (StatusCode::BAD_REQUEST, Json(json!({})));
        };
        self.remaining_changes = remaining;
        let text = |name: &str| body[name].as_str().unwrap().to_owned();
        match path {
            "registered-models/alias" => {
                self.aliases.insert(text("alias"), text("version"));
            }
            "registered-models/set-tag" => {
                self.tags.insert(text("key"), text("value"));
            }
            path => panic!("{path} is not implemented"),
        }
        done(json!({}))
    }
}

type Reply = (StatusCode, Json<Value>);

fn done(body: Value) -> Reply {
    (StatusCode::OK, Json(body))
}

fn missing() -> Reply {
    let body = json!({ "error_code": "RESOURCE_DOES_NOT_EXIST", "message": "not found" });
    (StatusCode::NOT_FOUND, Json(body))
}

async fn answer(State(fake): State<Arc<FakeServer>>, request: Request) -> Reply {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path().trim_start_matches("/api/2.0/mlflow/");
    let query = parts.uri.query().unwrap_or_default();
    match (parts.method, path) {
        (Method::GET, "registered-models/get") => fake.state.lock().model(),
        (Method::GET, "model-versions/get") => fake.state.lock().version(query),
        (Method::GET, "runs/get") => {
            if let Some((clock, time)) = &fake.clock_change {
                clock.set(*time);
            }
            fake.state.lock().run(query)
        }
        (Method::POST, path) => {
            let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
            let body: Value = serde_json::from_slice(&body).unwrap();
            fake.state.lock().change(path, &body)
        }
        (method, path) => panic!("{method} {path} is not implemented"),
    }
}

fn version(number: u32) -> Version {
    Version::new(number)
}

fn start_time() -> jiff::Timestamp {
    "2021-08-02T05:00:00Z".parse().unwrap()
}

fn open(url: &Url, clock: SimulatedClock) -> MlflowRegistry {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    MlflowRegistry::open(url, &CloudSettings::default(), store, Arc::new(clock)).unwrap()
}

/// Starts a server and opens its registry.
async fn registry() -> (Arc<FakeServer>, MlflowRegistry) {
    let (fake, url) = FakeServer::default().start().await;
    (fake, open(&url, SimulatedClock::new(start_time())))
}

fn promotion(from: u32, to: u32) -> Promotion {
    let operator = Operator::named("tests");
    Promotion::by_operator(&operator, Some(version(from)), version(to))
}

fn texts(versions: [&str; 2]) -> [Option<String>; 2] {
    versions.map(|version| Some(version.to_owned()))
}

/// Moves the alias to version 2 while `seconds` pass.
async fn move_alias(seconds: i64) -> (Result<(), RegistryError>, Option<String>) {
    let clock = SimulatedClock::new(start_time());
    let later = clock.now() + jiff::SignedDuration::from_secs(seconds);
    let (fake, url) = FakeServer {
        clock_change: Some((clock.clone(), later)),
        ..FakeServer::default()
    }
    .start()
    .await;
    let change = Operator::named("tests").champion_change(Some(version(1)), version(2));
    let result = open(&url, clock).move_alias(change).await;
    let [champion, _] = fake.aliases();
    (result, champion)
}

#[tokio::test]
async fn expired_lock_holder_does_not_move_the_alias() {
    let (result, champion) = move_alias(59).await;
    assert!(
        result.is_ok() && champion.as_deref() == Some("2"),
        "{result:?}, {champion:?}"
    );
    let (result, champion) = move_alias(60).await;
    let error = result.unwrap_err();
    let reason = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(
        reason,
        "cannot move the alias `champion` to version 2 within 60 s"
    );
    assert!(
        matches!(error, RegistryError::Unavailable { .. }) && champion.as_deref() == Some("1"),
        "{error:?}, {champion:?}"
    );
}

/// The calls of a promotion: the record, `champion`, `previous`, and the completed record. The
/// server rejects all calls after each of them in turn.
#[tokio::test]
async fn promotion_interrupted_after_any_call_keeps_the_predecessor() {
    for accepted in 0..4 {
        let (fake, registry) = registry().await;
        fake.with_state(|state| state.remaining_changes = accepted);
        registry.promote(&promotion(1, 2)).await.unwrap_err();
        let state = registry.champion_state().await.unwrap();
        let (champion, previous) = if accepted < 2 { (1, 7) } else { (2, 1) };
        assert_eq!(
            (state.champion, state.previous),
            (Some(version(champion)), Some(version(previous))),
            "{accepted}"
        );
        assert_eq!(state.changes, u64::from(accepted >= 2), "{accepted}");

        fake.with_state(|state| state.remaining_changes = usize::MAX);
        let repeated = registry.promote(&promotion(1, 2)).await.unwrap();
        assert_eq!(
            (repeated, fake.aliases()),
            (Promoted::Done, texts(["2", "1"])),
            "{accepted}"
        );
        assert_eq!(registry.champion_state().await.unwrap().changes, 1);
    }
}

#[tokio::test]
async fn interrupted_change_is_completed() {
    let (fake, registry) = registry().await;
    fake.with_state(|state| state.remaining_changes = 2);
    registry.promote(&promotion(1, 2)).await.unwrap_err();
    assert_eq!(fake.aliases(), texts(["2", "7"]));
    fake.with_state(|state| state.remaining_changes = usize::MAX);
    let state = registry.champion_state().await.unwrap();
    complete_last_change(&registry, &state).await.unwrap();
    assert_eq!(fake.aliases(), texts(["2", "1"]));
}

#[tokio::test]
async fn unreadable_version_moves_nothing() {
    let (fake, registry) = registry().await;
    fake.with_state(|state| state.without_run.push("2"));
    let error = registry.promote(&promotion(1, 2)).await.unwrap_err();
    assert!(
        matches!(&error, RegistryError::Unusable { version: unusable, .. } if *unusable == version(2)),
        "{error:?}"
    );
    let reason = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(reason, "the run run-2 of version 2 was deleted from MLflow");
    assert_eq!(fake.aliases(), texts(["1", "7"]));
    assert!(fake.with_state(|state| state.tags.is_empty()));
}

/// The server removes the aliases of a deleted version.
#[tokio::test]
async fn deleted_champion_is_named() {
    let (fake, registry) = registry().await;
    let _ = registry.promote(&promotion(1, 2)).await.unwrap();
    fake.with_state(|state| {
        state.aliases.remove("champion");
    });
    let unset = champion(&registry).await.unwrap_err();
    assert!(matches!(unset, ChampionError::Unset), "{unset:?}");
    fake.with_state(|state| state.versions.retain(|version| *version != "2"));
    let deleted = champion(&registry).await.unwrap_err();
    assert!(
        matches!(deleted, ChampionError::Deleted { version: found } if found == version(2)),
        "{deleted:?}"
    );
    let seen = registry.champion_state().await.unwrap();
    let rollback = Promotion::rollback(&Operator::named("tests"), &seen, version(3));
    assert_eq!(registry.promote(&rollback).await.unwrap(), Promoted::Done);
    assert_eq!(fake.aliases(), texts(["3", "1"]));
}

/// A proxy, or a server without this call, responds with status 404 as well. Then, no "first"
/// champion may replace the present one.
#[tokio::test]
async fn only_mlflow_says_that_there_is_no_champion() {
    let (fake, registry) = registry().await;
    for body in [
        json!("<html>404 Not Found</html>"),
        json!({ "detail": "Not Found" }),
        json!({ "error_code": "ENDPOINT_NOT_FOUND", "message": "no such path" }),
    ] {
        fake.with_state(|state| state.not_found = Some(body.clone()));
        let error = champion(&registry).await.unwrap_err();
        assert_eq!(error.retryability(), Retryability::Transient, "{body}");
    }
    let missing = json!({ "error_code": "RESOURCE_DOES_NOT_EXIST", "message": "not found" });
    fake.with_state(|state| state.not_found = Some(missing));
    let error = champion(&registry).await.unwrap_err();
    assert!(matches!(error, ChampionError::Missing), "{error:?}");
}

/// A person has made a version champion in MLflow's interface, and its run was deleted.
#[tokio::test]
async fn champion_set_by_hand_is_rolled_back() {
    let (fake, registry) = registry().await;
    let _ = registry.promote(&promotion(1, 2)).await.unwrap();
    fake.with_state(|state| {
        state.aliases.insert("champion".to_owned(), "3".to_owned());
        state.without_run.push("3");
    });
    let seen = registry.champion_state().await.unwrap();
    complete_last_change(&registry, &seen).await.unwrap();
    let rollback = Promotion::rollback(&Operator::named("tests"), &seen, version(2));
    assert_eq!(registry.promote(&rollback).await.unwrap(), Promoted::Done);
    assert_eq!(fake.aliases(), texts(["2", "3"]));
}
