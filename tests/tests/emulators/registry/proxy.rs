//! A proxy in front of the MLflow server: it counts calls, and refuses them or loses their answers as it is told.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::{Bytes, to_bytes},
    extract::Request,
    http::{HeaderMap, StatusCode, header},
};
use reqwest::Url;
use tokio::{net::TcpListener, task::JoinHandle};

use crate::place;

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It reaches the server, and the answer comes back.
    Passed,
    /// It is answered with 503 and does not reach the server.
    Refused,
    /// It reaches the server, and is answered with 503.
    AnswerLost,
}

/// A call as it arrived.
#[derive(Clone, Debug)]
pub(super) struct Call {
    /// As in `POST /api/2.0/mlflow/runs/create`.
    pub(super) name: String,
    pub(super) headers: HeaderMap,
}

/// A proxy on a port of this machine. Dropping it closes the port.
pub(super) struct Proxy {
    address: SocketAddr,
    calls: Arc<Mutex<Vec<Call>>>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// Opens a proxy that passes everything on.
    pub(super) async fn transparent() -> Self {
        Self::with(|_, _| Fate::Passed, |_| {}).await
    }

    /// Opens a proxy; `fate` is told the number of a call, from 0, and its name.
    pub(super) async fn deciding(
        fate: impl Fn(usize, &str) -> Fate + Clone + Send + Sync + 'static,
    ) -> Self {
        Self::with(fate, |_| {}).await
    }

    /// Opens a proxy that asks the server for no more than two versions at once.
    pub(super) async fn with_small_pages() -> Self {
        let rewrite = |url: &mut Url| {
            let query = url
                .query()
                .map(|query| query.replace("max_results=1000", "max_results=2"));
            url.set_query(query.as_deref());
        };
        Self::with(|_, _| Fate::Passed, rewrite).await
    }

    async fn with(
        fate: impl Fn(usize, &str) -> Fate + Clone + Send + Sync + 'static,
        rewrite: impl Fn(&mut Url) + Clone + Send + Sync + 'static,
    ) -> Self {
        let (calls, client) = (Arc::new(Mutex::new(Vec::new())), reqwest::Client::new());
        let known = Arc::clone(&calls);
        let answer = async move |request: Request| {
            let (parts, body) = request.into_parts();
            let call = Call {
                name: format!("{} {}", parts.method, parts.uri.path()),
                headers: parts.headers,
            };
            let fate = fate(keep(&known, call.clone()), &call.name);
            if fate == Fate::Refused {
                return (StatusCode::SERVICE_UNAVAILABLE, Bytes::new());
            }
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
            if fate == Fate::AnswerLost {
                (StatusCode::SERVICE_UNAVAILABLE, Bytes::new())
            } else {
                (status, bytes)
            }
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move {
            axum::serve(listener, Router::new().fallback(answer))
                .await
                .unwrap()
        });
        Self {
            address,
            calls,
            task,
        }
    }

    /// Returns where it is.
    pub(super) fn url(&self) -> Url {
        format!("http://{}/", self.address).parse().unwrap()
    }

    /// Returns the calls so far.
    pub(super) fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }

    /// Forgets the calls so far, and returns the last segments of their names.
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

/// Keeps a call and returns its number.
fn keep(calls: &Mutex<Vec<Call>>, call: Call) -> usize {
    let mut calls = calls.lock().unwrap();
    calls.push(call);
    calls.len() - 1
}
