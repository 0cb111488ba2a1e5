//! Stands in front of an emulator of Cloud Storage, counts what goes over the wire, and does on demand what the
//! service does in bad hours and the emulator never.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use axum::{
    Router,
    body::{Bytes, to_bytes},
    extract::Request,
    http::{
        HeaderMap, Method, StatusCode,
        header::{CONNECTION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING},
    },
    response::IntoResponse,
};
use google_cloud::EmulatorHost;
use reqwest::Client;
use tokio::{net::TcpListener, task::JoinHandle};

/// A server in front of another one. Dropping it closes its port.
pub struct StorageDouble {
    host: EmulatorHost,
    calls: Arc<Mutex<Vec<Call>>>,
    server: JoinHandle<()>,
}

/// A request and its answer.
#[derive(Clone, Debug)]
pub struct Call {
    /// The method of the request.
    pub method: Method,
    /// Its path and query.
    pub target: String,
    /// The status of the answer.
    pub status: StatusCode,
    /// The size of its body.
    pub received_bytes: usize,
}

/// What becomes of a request.
#[derive(Clone, Debug)]
pub enum Fate {
    /// It is passed on, and so is the answer.
    PassedOn,
    /// It is passed on with another path and query.
    PassedOnAs(String),
    /// It is passed on, and the connection breaks before the answer.
    AnswerLost,
    /// It is passed on, and one bit of the answer's body is turned over.
    AnswerCorrupted,
    /// It is not passed on but answered so.
    Answered(StatusCode, String),
}

impl Fate {
    /// Is answered as the service answers errors over the JSON API
    /// (<https://cloud.google.com/storage/docs/json_api/v1/status-codes>).
    pub fn refused(status: StatusCode, message: &str) -> Self {
        let error = serde_json::json!({ "error": { "code": status.as_u16(), "message": message, "errors": [] } });
        Self::Answered(status, error.to_string())
    }
}

impl StorageDouble {
    /// Opens a fake on a free port; `fate` decides on each request by its method, its path and query, and its number
    /// from 1.
    pub async fn in_front_of(
        emulator: &EmulatorHost,
        fate: impl Fn(&Method, &str, usize) -> Fate + Clone + Send + Sync + 'static,
    ) -> Self {
        let calls = Arc::new(Mutex::new(Vec::new()));
        let (known, origin) = (Arc::clone(&calls), emulator.origin());
        // The bytes of the wire are counted, not what they expand to.
        let client = Client::builder().no_gzip().build().unwrap();
        let requests = Arc::new(AtomicUsize::new(0));
        let answer = async move |request: Request| {
            let (method, target) = (
                request.method().clone(),
                request.uri().path_and_query().unwrap().to_string(),
            );
            let fate = fate(
                &method,
                &target,
                1 + requests.fetch_add(1, Ordering::SeqCst),
            );
            let (status, headers, body) = respond(&client, &origin, request, &fate).await;
            known.lock().unwrap().push(Call {
                method,
                target,
                status,
                received_bytes: body.len(),
            });
            if matches!(fate, Fate::AnswerLost) {
                // Ends the task of the connection, and with it the connection, without a word on standard error.
                std::panic::resume_unwind(Box::new("the answer is lost"));
            }
            (status, headers, body).into_response()
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string().parse().unwrap();
        let router = Router::new().fallback(answer);
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            host,
            calls,
            server,
        }
    }

    /// Returns where it is.
    pub fn host(&self) -> EmulatorHost {
        self.host.clone()
    }

    /// Returns the calls since the last time that they were taken.
    pub fn take_calls(&self) -> Vec<Call> {
        std::mem::take(&mut self.calls.lock().unwrap())
    }
}

impl Drop for StorageDouble {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn respond(
    client: &Client,
    origin: &str,
    request: Request,
    fate: &Fate,
) -> (StatusCode, HeaderMap, Bytes) {
    if let Fate::Answered(status, text) = fate {
        return (*status, HeaderMap::new(), text.clone().into());
    }
    let target = match fate {
        Fate::PassedOnAs(target) => target.clone(),
        _ => request.uri().path_and_query().unwrap().to_string(),
    };
    let (status, headers, mut body) = pass_on(client, format!("{origin}{target}"), request).await;
    if matches!(fate, Fate::AnswerCorrupted) {
        let mut bytes = body.to_vec();
        bytes[0] ^= 1;
        body = bytes.into();
    }
    (status, headers, body)
}

async fn pass_on(
    client: &Client,
    address: String,
    request: Request,
) -> (StatusCode, HeaderMap, Bytes) {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    let request = client
        .request(parts.method, address)
        .headers(of_the_end(parts.headers));
    let response = request.body(body).send().await.unwrap();
    let (status, headers) = (response.status(), of_the_end(response.headers().clone()));
    (status, headers, response.bytes().await.unwrap())
}

/// Leaves out the headers that are about one connection.
fn of_the_end(mut headers: HeaderMap) -> HeaderMap {
    for name in [CONNECTION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING] {
        headers.remove(name);
    }
    headers
}
