//! A proxy of the Cloud Storage emulator that records requests and injects faults.
//!
//! The faults are those of the real service that the emulator cannot produce.

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

/// The proxy on a local port. Dropping it closes the port.
pub struct StorageFake {
    host: EmulatorHost,
    calls: Arc<Mutex<Vec<Call>>>,
    server: JoinHandle<()>,
}

/// A request and its response.
#[derive(Clone, Debug)]
pub struct Call {
    /// The method of the request.
    pub method: Method,
    /// The path and query of the request.
    pub target: String,
    /// The status of the response.
    pub status: StatusCode,
    /// The size of the response body on the wire, in bytes.
    pub received_bytes: usize,
}

/// The treatment of a request.
#[derive(Clone, Debug)]
pub enum Fate {
    /// Forwards the request and the response.
    PassedOn,
    /// Forwards the request with another path and query.
    PassedOnAs(String),
    /// Forwards the request, and closes the connection before the response.
    ResponseLost,
    /// Forwards the request, and flips one bit of the response body.
    AnswerCorrupted,
    /// Responds with a status and a body without forwarding the request.
    Answered(StatusCode, String),
}

impl Fate {
    /// Returns an error response as the JSON API formats it, see
    /// <https://cloud.google.com/storage/docs/json_api/v1/status-codes>.
    pub fn refused(status: StatusCode, message: &str) -> Self {
        let error = serde_json::json!({ "error": { "code": status.as_u16(), "message": message, "errors": [] } });
        Self::Answered(status, error.to_string())
    }
}

impl StorageFake {
    /// Starts a proxy on a free port.
    ///
    /// `fate` chooses the treatment of a request from its method, its path and query, and its
    /// number from 1.
    pub async fn start_before(
        emulator: &EmulatorHost,
        fate: impl Fn(&Method, &str, usize) -> Fate + Clone + Send + Sync + 'static,
    ) -> Self {
        let calls = Arc::new(Mutex::new(Vec::new()));
        let (recorded, origin) = (Arc::clone(&calls), emulator.origin());
        // Without decompression, `received_bytes` is the size on the wire.
        let client = Client::builder().no_gzip().build().unwrap();
        let requests = Arc::new(AtomicUsize::new(0));
        let handler = async move |request: Request| {
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
            recorded.lock().unwrap().push(Call {
                method,
                target,
                status,
                received_bytes: body.len(),
            });
            if matches!(fate, Fate::ResponseLost) {
                // Unwinding ends the task of the connection and closes the connection. Unlike
                // `panic!`, it prints nothing.
                std::panic::resume_unwind(Box::new("response lost"));
            }
            (status, headers, body).into_response()
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string().parse().unwrap();
        let router = Router::new().fallback(handler);
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            host,
            calls,
            server,
        }
    }

    /// Returns the host and port of the proxy.
    pub fn host(&self) -> EmulatorHost {
        self.host.clone()
    }

    /// Returns the calls since the previous `take_calls`.
    pub fn take_calls(&self) -> Vec<Call> {
        std::mem::take(&mut self.calls.lock().unwrap())
    }
}

impl Drop for StorageFake {
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
    let (status, headers, mut body) = forward(client, format!("{origin}{target}"), request).await;
    if matches!(fate, Fate::AnswerCorrupted) {
        let mut bytes = body.to_vec();
        bytes[0] ^= 1;
        body = bytes.into();
    }
    (status, headers, body)
}

async fn forward(
    client: &Client,
    address: String,
    request: Request,
) -> (StatusCode, HeaderMap, Bytes) {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    let request = client
        .request(parts.method, address)
        .headers(end_to_end_headers(parts.headers));
    let response = request.body(body).send().await.unwrap();
    let (status, headers) = (
        response.status(),
        end_to_end_headers(response.headers().clone()),
    );
    (status, headers, response.bytes().await.unwrap())
}

/// Removes the headers that concern a single connection.
fn end_to_end_headers(mut headers: HeaderMap) -> HeaderMap {
    for name in [CONNECTION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING] {
        headers.remove(name);
    }
    headers
}
