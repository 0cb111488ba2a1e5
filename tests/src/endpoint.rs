//! A push endpoint that keeps what it gets.

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

/// An endpoint on a port of this machine. Dropping it closes the port.
pub struct Endpoint {
    address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
    server: JoinHandle<()>,
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Received {
    /// When it arrived.
    pub at: Instant,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Value,
}

impl Endpoint {
    /// Opens an endpoint that acknowledges everything.
    pub async fn acknowledging() -> Self {
        Self::answering(|_| async { StatusCode::NO_CONTENT }).await
    }

    /// Opens an endpoint on a free port; `answer` is asked after the request has been kept.
    pub async fn answering<F>(
        answer: impl Fn(Received) -> F + Clone + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = StatusCode> + Send + 'static,
    {
        Self::at(SocketAddr::from(([127, 0, 0, 1], 0)), answer).await
    }

    /// Opens an endpoint at an address, see [`Endpoint::answering`].
    pub async fn at<F>(
        address: SocketAddr,
        answer: impl Fn(Received) -> F + Clone + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = StatusCode> + Send + 'static,
    {
        let received = Arc::new(Mutex::new(Vec::new()));
        let keep = Arc::clone(&received);
        let receive = async move |headers: HeaderMap, Json(body): Json<Value>| {
            let request = Received {
                at: Instant::now(),
                headers,
                body,
            };
            keep.lock().unwrap().push(request.clone());
            answer(request).await
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

    /// Returns where to push to.
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Returns what has arrived.
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
    /// Returns the message that was pushed.
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

    /// Returns which attempt this is, from 1.
    pub fn attempt(&self) -> u64 {
        self.body["deliveryAttempt"].as_u64().unwrap()
    }
}
