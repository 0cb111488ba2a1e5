//! A push endpoint that records its requests.

use std::{
    collections::BTreeMap,
    future::Future,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Instant,
};

use async_trait::async_trait;
use axum::{
    Json, Router,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use serde_json::Value;
use shared::bus::{Message, MessageId};
use tokio::{net::TcpListener, task::JoinHandle};

use crate::bus_suite::Inbox;

/// An HTTP server on a local port. Dropping it closes the port.
pub struct Endpoint {
    address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
    server: JoinHandle<()>,
}

/// A received request.
#[derive(Clone, Debug)]
pub struct Received {
    /// The time of arrival.
    pub at: Instant,
    /// The request headers.
    pub headers: HeaderMap,
    /// The request body, parsed as JSON.
    pub body: Value,
}

impl Endpoint {
    /// Starts an endpoint that acknowledges every request.
    pub async fn acknowledging() -> Self {
        Self::responding(|_| async { StatusCode::NO_CONTENT }).await
    }

    /// Starts an endpoint on a free port. `respond` returns the status of a request after the
    /// request is recorded.
    pub async fn responding<F>(
        respond: impl Fn(Received) -> F + Clone + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = StatusCode> + Send + 'static,
    {
        Self::at(SocketAddr::from(([127, 0, 0, 1], 0)), respond).await
    }

    /// Starts an endpoint at an address. See [`Endpoint::responding`] for `respond`.
    pub async fn at<F>(
        address: SocketAddr,
        respond: impl Fn(Received) -> F + Clone + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = StatusCode> + Send + 'static,
    {
        let received = Arc::new(Mutex::new(Vec::new()));
        let requests = Arc::clone(&received);
        let receive = async move |headers: HeaderMap, Json(body): Json<Value>| {
            let request = Received {
                at: Instant::now(),
                headers,
                body,
            };
            requests.lock().unwrap().push(request.clone());
            respond(request).await
        };
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().route("/", post(receive));
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            address,
            received,
            server,
        }
    }

    /// Returns the URL to push to.
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Returns the requests received so far, in order of arrival.
    pub fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.server.abort();
    }
}

#[async_trait]
impl Inbox for Endpoint {
    async fn messages(&self) -> Vec<(MessageId, Message)> {
        self.received()
            .iter()
            .map(|request| (request.message_id(), request.message()))
            .collect()
    }
}

impl Received {
    /// Returns the message in the push envelope.
    pub fn message(&self) -> Message {
        let message = &self.body["message"];
        let data = BASE64_STANDARD
            .decode(message["data"].as_str().unwrap())
            .unwrap();
        let attributes: BTreeMap<String, String> =
            serde_json::from_value(message["attributes"].clone()).unwrap();
        Message {
            data: Bytes::from(data),
            attributes,
        }
    }

    /// Returns the payload of the message as text.
    pub fn text(&self) -> String {
        String::from_utf8(self.message().data.into()).unwrap()
    }

    /// Returns the id of the message.
    pub fn message_id(&self) -> MessageId {
        serde_json::from_value(self.body["message"]["messageId"].clone()).unwrap()
    }

    /// Returns the number of the delivery attempt, from 1.
    pub fn attempt(&self) -> u64 {
        self.body["deliveryAttempt"].as_u64().unwrap()
    }
}
