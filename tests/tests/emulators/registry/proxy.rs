//! A proxy to the MLflow server that records calls, and can reject or delay them or drop their
//! responses, or check their tokens as Cloud Run does.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::{Bytes, to_bytes},
    extract::Request,
    http::{HeaderMap, StatusCode, header},
};
use reqwest::Url;
use tokio::{net::TcpListener, task::JoinHandle};

use crate::{cloud_run::Issuer, place};

/// The outcome of a call through the proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// The proxy forwards the call and the response.
    Forwarded,
    /// The proxy responds with status 503 and does not forward the call.
    Rejected,
    /// The proxy responds with a status of Cloud Run and does not forward the call.
    Refused(StatusCode),
    /// The proxy forwards the call and responds with status 503.
    ResponseLost,
}

/// The page of Cloud Run for a caller that it refuses.
const REFUSAL: &[u8] = b"<html><head><title>Error</title></head><body>Your client does not have permission</body></html>";

/// A recorded call.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// The method and the path, for example `POST /api/2.0/mlflow/runs/create`.
    pub(super) name: String,
    pub(crate) headers: HeaderMap,
}

/// A proxy on a local port. Dropping it closes the port.
pub(crate) struct Proxy {
    address: SocketAddr,
    calls: Arc<Mutex<Vec<Call>>>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// Starts a proxy that forwards every call.
    pub(super) async fn transparent() -> Self {
        Self::with(|_, _| Fate::Forwarded, |_| {}, || Duration::ZERO).await
    }

    /// Starts a proxy that admits an account with the tokens of an issuer only.
    pub(crate) async fn admitting(issuer: Arc<Issuer>, account: &'static str) -> Self {
        let fate = move |_: usize, call: &Call| {
            let refusal = issuer.refusal(&call.headers, account);
            refusal.map_or(Fate::Forwarded, Fate::Refused)
        };
        Self::with(fate, |_| {}, || Duration::ZERO).await
    }

    /// Starts a proxy. `fate` receives the number of the call, starting at 0, and its name.
    pub(crate) async fn deciding(
        fate: impl Fn(usize, &str) -> Fate + Clone + Send + Sync + 'static,
    ) -> Self {
        let fate = move |number: usize, call: &Call| fate(number, &call.name);
        Self::with(fate, |_| {}, || Duration::ZERO).await
    }

    /// Starts a proxy that forwards every call after a delay.
    pub(crate) async fn delaying(
        delay: impl Fn() -> Duration + Clone + Send + Sync + 'static,
    ) -> Self {
        Self::with(|_, _| Fate::Forwarded, |_| {}, delay).await
    }

    /// Starts a proxy that limits the server's pages to two versions.
    pub(super) async fn with_small_pages() -> Self {
        let rewrite = |url: &mut Url| {
            let query = url
                .query()
                .map(|query| query.replace("max_results=1000", "max_results=2"));
            url.set_query(query.as_deref());
        };
        Self::with(|_, _| Fate::Forwarded, rewrite, || Duration::ZERO).await
    }

    async fn with(
        fate: impl Fn(usize, &Call) -> Fate + Clone + Send + Sync + 'static,
        rewrite: impl Fn(&mut Url) + Clone + Send + Sync + 'static,
        delay: impl Fn() -> Duration + Clone + Send + Sync + 'static,
    ) -> Self {
        let (calls, client) = (Arc::new(Mutex::new(Vec::new())), reqwest::Client::new());
        let recorded = Arc::clone(&calls);
        let respond = async move |request: Request| {
            let (parts, body) = request.into_parts();
            let call = Call {
                name: format!("{} {}", parts.method, parts.uri.path()),
                headers: parts.headers,
            };
            let fate = fate(record(&recorded, call.clone()), &call);
            match fate {
                Fate::Rejected => return (StatusCode::SERVICE_UNAVAILABLE, Bytes::new()),
                Fate::Refused(status) => return (status, Bytes::from_static(REFUSAL)),
                Fate::Forwarded | Fate::ResponseLost => {}
            }
            tokio::time::sleep(delay()).await;
            let mut url = place::mlflow()
                .join(parts.uri.path_and_query().unwrap().as_str())
                .unwrap();
            rewrite(&mut url);
            let body = to_bytes(body, usize::MAX).await.unwrap();
            let mut request = client.request(parts.method, url).body(body);
            if let Some(kind) = call.headers.get(header::CONTENT_TYPE) {
                request = request.header(header::CONTENT_TYPE, kind);
            }
            let response = request.send().await.unwrap();
            let (status, bytes) = (response.status(), response.bytes().await.unwrap());
            if fate == Fate::ResponseLost {
                (StatusCode::SERVICE_UNAVAILABLE, Bytes::new())
            } else {
                (status, bytes)
            }
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move {
            axum::serve(listener, Router::new().fallback(respond))
                .await
                .unwrap()
        });
        Self {
            address,
            calls,
            task,
        }
    }

    /// Returns the address of the proxy.
    pub(crate) fn url(&self) -> Url {
        format!("http://{}/", self.address).parse().unwrap()
    }

    /// Returns the recorded calls.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }

    /// Removes the recorded calls, and returns their names without the common prefix.
    pub(super) fn take_calls(&self) -> Vec<String> {
        let calls = std::mem::take(&mut *self.calls.lock().unwrap());
        let name = |call: Call| {
            call.name
                .split_once("/mlflow/")
                .map_or(call.name.clone(), |(_, name)| name.to_owned())
        };
        calls.into_iter().map(name).collect()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Records a call and returns its number.
fn record(calls: &Mutex<Vec<Call>>, call: Call) -> usize {
    let mut calls = calls.lock().unwrap();
    calls.push(call);
    calls.len() - 1
}
