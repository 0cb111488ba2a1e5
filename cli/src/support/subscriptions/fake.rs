//! A fake of the Pub/Sub pull API, which delivers messages late and twice, unlike the emulator.
//!
//! See <https://cloud.google.com/pubsub/docs/reference/rest/v1/projects.subscriptions/pull>.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use axum::{
    Json, Router,
    extract::{Request, State},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use google_cloud::CloudSettings;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// The scripted reply to a pull.
pub(crate) enum Pull {
    /// An immediate empty reply.
    Nothing,
    /// No reply until the client times out.
    Silence,
    /// An immediate reply with messages of these ids.
    Messages(&'static [&'static str]),
}

/// A fake service on a local port, which runs until the test ends.
pub(crate) struct FakePubSub {
    origin: String,
    contents: Arc<Mutex<Contents>>,
}

struct Contents {
    pulls: VecDeque<Pull>,
    calls: Vec<(String, Value)>,
}

impl FakePubSub {
    /// Starts a service with scripted replies to pulls; further pulls get an empty reply.
    pub(crate) async fn start(pulls: impl Into<VecDeque<Pull>>) -> Self {
        let contents = Arc::new(Mutex::new(Contents {
            pulls: pulls.into(),
            calls: Vec::new(),
        }));
        let router = Router::new()
            .fallback(reply)
            .with_state(Arc::clone(&contents));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { origin, contents }
    }

    /// Returns settings with this service as the Pub/Sub emulator.
    pub(crate) fn cloud(&self) -> CloudSettings {
        CloudSettings {
            pubsub_emulator: Some(self.origin.parse().unwrap()),
            ..CloudSettings::default()
        }
    }

    /// Returns the request bodies of all calls of a verb so far, for example `pull`.
    pub(crate) fn calls(&self, verb: &str) -> Vec<Value> {
        let contents = self.contents.lock().unwrap();
        let of_verb = contents
            .calls
            .iter()
            .filter(|(path, _)| path.ends_with(&format!(":{verb}")));
        of_verb.map(|(_, body)| body.clone()).collect()
    }
}

async fn reply(State(contents): State<Arc<Mutex<Contents>>>, request: Request) -> Json<Value> {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path().to_owned();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let (pull, number) = {
        let mut contents = contents.lock().unwrap();
        contents.calls.push((
            path.clone(),
            serde_json::from_slice(&body).unwrap_or_default(),
        ));
        let pull = if path.ends_with(":pull") {
            contents.pulls.pop_front()
        } else {
            None
        };
        (pull.unwrap_or(Pull::Nothing), contents.calls.len())
    };
    let message = |id: &&str| {
        let message = json!({ "messageId": id, "publishTime": "2021-08-02T05:00:00Z", "data": BASE64_STANDARD.encode(id) });
        json!({ "ackId": format!("{id} of call {number}"), "message": message })
    };
    match pull {
        Pull::Nothing => Json(json!({})),
        Pull::Silence => std::future::pending().await,
        Pull::Messages(ids) => {
            Json(json!({ "receivedMessages": ids.iter().map(message).collect::<Vec<_>>() }))
        }
    }
}
