//! Tests against a fake of the calls that move an alias
//! (<https://mlflow.org/docs/latest/api_reference/rest-api.html>). A real MLflow server cannot be
//! delayed at the right moment.

use axum::{
    Json, Router,
    extract::{Request, State},
    http::Method,
};
use serde_json::Value;
use shared::{
    clock::SimulatedClock,
    registry::Operator,
    store::{MemoryStore, Store},
};
use tokio::net::TcpListener;

use super::*;

/// A server with versions 1 and 2 and an alias on version 1. Reading a run advances the clock.
#[derive(Default)]
struct FakeServer {
    clock_change: Option<(SimulatedClock, jiff::Timestamp)>,
    /// The versions that the alias was moved to.
    moved: Mutex<Vec<String>>,
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
}

async fn answer(State(fake): State<Arc<FakeServer>>, request: Request) -> Json<Value> {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path().trim_start_matches("/api/2.0/mlflow/");
    Json(match (parts.method, path) {
        (Method::GET, "registered-models/alias") => {
            json!({ "model_version": { "version": "1", "run_id": "a-run" } })
        }
        (Method::GET, "model-versions/get") => {
            let tags = [
                ("bike_traffic.run", "a-run"),
                ("bike_traffic.ended_at", "2021-08-02T05:00:00Z"),
                ("bike_traffic.artifacts", "models/bike-traffic/a-run"),
            ];
            let tags = tags.map(|(key, value)| json!({ "key": key, "value": value }));
            json!({ "model_version": { "version": "2", "run_id": "a-run", "tags": tags } })
        }
        (Method::GET, "runs/get") => {
            if let Some((clock, time)) = &fake.clock_change {
                clock.set(*time);
            }
            json!({ "run": { "info": { "run_id": "a-run", "artifact_uri": "mlflow-artifacts:/1/a-run/artifacts" } } })
        }
        (Method::POST, "registered-models/alias") => {
            let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
            let body: Value = serde_json::from_slice(&body).unwrap();
            fake.moved
                .lock()
                .push(body["version"].as_str().unwrap().to_owned());
            json!({})
        }
        (method, path) => panic!("{method} {path} is not implemented"),
    })
}

/// Moves the alias to version 2 while `seconds` pass.
async fn move_alias(seconds: i64) -> (Result<(), RegistryError>, Vec<String>) {
    let clock = SimulatedClock::new("2021-08-02T05:00:00Z".parse().unwrap());
    let later = clock.now() + jiff::SignedDuration::from_secs(seconds);
    let (fake, url) = FakeServer {
        clock_change: Some((clock.clone(), later)),
        ..FakeServer::default()
    }
    .start()
    .await;
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    let registry =
        MlflowRegistry::open(&url, &CloudSettings::default(), store, Arc::new(clock)).unwrap();
    let result = registry
        .move_alias(
            Operator::named("tests").champion_change(Some(Version::new(1)), Version::new(2)),
        )
        .await;
    let moved = fake.moved.lock().clone();
    (result, moved)
}

#[tokio::test]
async fn expired_lock_holder_does_not_move_the_alias() {
    let (result, moved) = move_alias(59).await;
    assert!(result.is_ok() && moved == ["2"], "{result:?}, {moved:?}");
    let (result, moved) = move_alias(60).await;
    let error = result.unwrap_err();
    let reason = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(
        reason,
        "cannot move the alias `champion` to version 2 within 60 s"
    );
    assert!(
        matches!(error, RegistryError::Unavailable { .. }) && moved.is_empty(),
        "{error:?}, {moved:?}"
    );
}
