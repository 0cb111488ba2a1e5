//! Tests of resumable uploads against a fake that follows
//! <https://cloud.google.com/storage/docs/performing-resumable-uploads>. The emulator does not
//! support them with Google's client.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Request, State},
    http::{Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use parking_lot::Mutex;
use tokio::net::TcpListener;

use super::*;

const MEBIBYTE: usize = 1024 * 1024;

/// A bucket with at most one object, of generation 7 and written by another process.
#[derive(Default)]
struct FakeServer {
    origin: String,
    has_object: bool,
    /// The method and content range of each request.
    requests: Mutex<Vec<String>>,
    contents: Mutex<Vec<u8>>,
}

impl FakeServer {
    async fn start(has_object: bool) -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let fake = Arc::new(Self {
            origin,
            has_object,
            ..Self::default()
        });
        let router = Router::new().fallback(answer).with_state(Arc::clone(&fake));
        tokio::spawn(async move { axum::serve(listener, router).await });
        fake
    }

    async fn store(&self) -> GcsStore {
        let bucket = "a-bucket".parse().unwrap();
        GcsStore::connect(&bucket, Some(&self.origin.parse().unwrap()), MEBIBYTE)
            .await
            .unwrap()
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().clone()
    }
}

async fn answer(State(fake): State<Arc<FakeServer>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let query = parts.uri.query().unwrap_or_default();
    let range = parts
        .headers
        .get(header::CONTENT_RANGE)
        .map_or("", |range| range.to_str().unwrap());
    fake.requests
        .lock()
        .push(format!("{} {range}", parts.method));
    match parts.method {
        Method::POST if query.contains("ifGenerationMatch=0") && fake.has_object => {
            StatusCode::PRECONDITION_FAILED.into_response()
        }
        Method::POST => [(
            header::LOCATION,
            format!("{}/upload/an-upload", fake.origin),
        )]
        .into_response(),
        Method::PUT => {
            let part = axum::body::to_bytes(body, usize::MAX).await.unwrap();
            let mut contents = fake.contents.lock();
            contents.extend_from_slice(&part);
            if range.ends_with(&format!("-{}/{}", contents.len() - 1, contents.len())) {
                return r#"{"generation": "8"}"#.into_response();
            }
            let received = format!("bytes=0-{}", contents.len() - 1);
            (StatusCode::PERMANENT_REDIRECT, [(header::RANGE, received)]).into_response()
        }
        _ => r#"{"generation": "7"}"#.into_response(),
    }
}

#[tokio::test]
async fn large_object_is_written_in_parts() {
    let fake = FakeServer::start(false).await;
    let contents: Vec<u8> = (0..9 * MEBIBYTE)
        .map(|number| number.to_le_bytes()[1])
        .collect();
    let path = "raw/large.bin".parse().unwrap();
    let generation = fake
        .store()
        .await
        .write(&path, contents.clone().into(), Condition::Absent)
        .await
        .unwrap();
    assert_eq!(generation, Generation::from_number(8));
    assert_eq!(
        fake.requests(),
        [
            "POST ",
            "PUT bytes 0-8388607/9437184",
            "PUT bytes 8388608-9437183/9437184"
        ]
    );
    assert!(
        *fake.contents.lock() == contents,
        "received bytes differ from the written ones"
    );
}

#[tokio::test]
async fn upload_with_failed_condition_sends_no_contents() {
    let fake = FakeServer::start(true).await;
    let path = "raw/large.bin".parse().unwrap();
    let contents = vec![0; 9 * MEBIBYTE];
    let error = fake
        .store()
        .await
        .write(&path, contents.into(), Condition::Absent)
        .await
        .unwrap_err();
    assert!(
        matches!(error, StoreError::ConditionFailed { .. }),
        "{error:?}"
    );
    // The rejected write, and the lookup of the write id.
    assert_eq!(fake.requests(), ["POST ", "GET "]);
}
