//! Tests of the runtime over HTTP: a service on a free port, with a scripted handler.

mod dead_letters;
mod envelopes;
mod notifications;
mod oidc;
mod once;
mod probe;
mod repair;
mod show;
mod table;
mod traces;

use std::{net::SocketAddr, sync::Arc};

use axum::http::StatusCode;
use base64::{Engine, prelude::BASE64_STANDARD};
use jiff::SignedDuration;
use runtime::{ServiceSettings, router};
use serde_json::{Value, json};
use shared::{
    Timestamp,
    address::ObjectPath,
    audit::AuditRow,
    bus::LoggedMessage,
    clock::{Clock, SimulatedClock},
    event::Topic,
    ledger::Entry,
    notifier::{NoNotifier, Notifier},
    ports::Ports,
    store::{StoreError, read_json},
};
use tests::failing::Faults;
use tokio::{net::TcpListener, task::JoinHandle};

use self::probe::{Action, Probe};

/// The event of most tests. It results in two events and one object.
const DAYS: &str = r#"{"type":"ingest-requested","from":"2021-07-19","to":"2021-07-20"}"#;
const DAYS_ID: &str = "ingest/2021-07-19..2021-07-20";

/// A running service, with its ports to observe the effects.
struct Service {
    ports: Ports,
    clock: SimulatedClock,
    faults: Arc<Faults>,
    probe: Arc<Probe>,
    address: SocketAddr,
    http: reqwest::Client,
    server: JoinHandle<()>,
}

impl Service {
    /// Starts a service whose handler performs one action per event, then succeeds.
    async fn start(actions: &[Action]) -> Self {
        Self::with_settings(actions, ServiceSettings::default()).await
    }

    async fn with_lease(actions: &[Action], lease: SignedDuration) -> Self {
        Self::with_settings(
            actions,
            ServiceSettings {
                lease,
                ..ServiceSettings::default()
            },
        )
        .await
    }

    async fn with_settings(actions: &[Action], settings: ServiceSettings) -> Self {
        Self::with_notifier(actions, settings, Arc::new(NoNotifier)).await
    }

    async fn with_notifier(
        actions: &[Action],
        settings: ServiceSettings,
        notifier: Arc<dyn Notifier>,
    ) -> Self {
        let clock = SimulatedClock::new("2021-07-21T04:00:00Z".parse().unwrap());
        // The publisher writes to the store, where the tests read the messages.
        let mut ports = Ports::in_memory(Arc::new(clock.clone()));
        let publisher =
            shared::bus::LogPublisher::new(Arc::clone(&ports.store), Arc::new(clock.clone()));
        ports.publisher = Arc::new(publisher);
        ports.notifier = notifier;
        let faults = Arc::new(Faults::default());
        let failing = faults.wrap(&ports);
        let probe = Arc::new(Probe::new(Arc::clone(&failing.store), actions));
        let settings = ServiceSettings {
            environment: "dev".to_owned(),
            ..settings
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = router(Arc::clone(&probe), &failing, &settings);
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            ports,
            clock,
            faults,
            probe,
            address,
            http: reqwest::Client::new(),
            server,
        }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Delivers a payload as a wrapped push, and returns the status.
    async fn push(&self, payload: &str) -> StatusCode {
        self.post(wrapped(payload).to_string(), &[]).await
    }

    /// Delivers a payload as a wrapped push that was republished from the dead letters.
    async fn push_republished(&self, payload: &str, message_id: &str) -> StatusCode {
        let mut push = wrapped(payload);
        push["message"]["messageId"] = message_id.into();
        push["message"]["attributes"]["first_published_at"] = "2021-07-20T04:00:00.123Z".into();
        self.post(push.to_string(), &[]).await
    }

    /// Posts a body unchanged, and returns the status.
    async fn post(&self, body: impl Into<reqwest::Body>, headers: &[(&str, &str)]) -> StatusCode {
        let mut request = self.http.post(self.url("/")).body(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await.unwrap();
        let status = response.status();
        assert_eq!(
            response.text().await.unwrap(),
            "",
            "the response body is empty"
        );
        status
    }

    async fn get(&self, path: &str) -> (StatusCode, String) {
        let response = self.http.get(self.url(path)).send().await.unwrap();
        (response.status(), response.text().await.unwrap())
    }

    fn wait_until_the_lease_expires(&self) {
        self.clock.set(
            self.clock.now() + ServiceSettings::default().lease + SignedDuration::from_secs(1),
        );
    }

    /// Returns the ledger entry of an event.
    async fn ledger(&self, event_id: &str) -> Option<Entry> {
        let path: ObjectPath = format!("ledger/ingest/{event_id}.json").parse().unwrap();
        match read_json(&*self.ports.store, &path).await {
            Ok((entry, _)) => Some(entry),
            Err(StoreError::NotFound { .. }) => None,
            Err(error) => panic!("{error:?}"),
        }
    }

    /// Returns event id and decision of each audit row.
    async fn audit_log(&self) -> Vec<(String, String)> {
        let rows = self.ports.warehouse.audit_log().await.unwrap();
        assert!(rows.iter().all(|row| row.env == "dev"), "{rows:?}");
        let is_stamped = |row: &AuditRow| {
            let detail = &row.entry.detail;
            detail["program"]["version"].is_string() && detail["started_at"].is_string()
        };
        assert!(rows.iter().all(is_stamped), "{rows:?}");
        rows.into_iter()
            .map(|row| (row.event_id.to_string(), row.entry.decision))
            .collect()
    }

    async fn messages(&self, topic: Topic) -> Vec<LoggedMessage> {
        let mut messages = Vec::new();
        for path in self
            .ports
            .store
            .list(&format!("bus/topics/{topic}/"))
            .await
            .unwrap()
        {
            messages.push(read_json(&*self.ports.store, &path).await.unwrap().0);
        }
        messages
    }

    /// Returns the payloads of the published events.
    async fn published(&self) -> Vec<String> {
        let messages = self.messages(Topic::DayIngested).await;
        messages.iter().map(payload).collect()
    }

    async fn dead_letters(&self) -> Vec<LoggedMessage> {
        self.messages(Topic::DeadLetter(shared::event::Function::Ingest))
            .await
    }

    /// Asserts that [`DAYS`] was handled and that each resulting event was published
    /// `times_published` times.
    async fn assert_handled(&self, times_published: usize) {
        self.assert_recorded().await;
        let mut published = self.published().await;
        published.sort();
        let expected: Vec<_> = resulting_events()
            .into_iter()
            .flat_map(|data| vec![data; times_published])
            .collect();
        assert_eq!(published, expected);
    }

    /// Asserts the stored effects of [`DAYS`]: one object, one audit row, a complete ledger entry
    /// with the resulting events, and no dead letter.
    async fn assert_recorded(&self) {
        assert_eq!(
            self.probe.effects(&*self.ports.store).await,
            [format!("the counts of {DAYS_ID}")]
        );
        assert_eq!(
            self.audit_log().await,
            [(DAYS_ID.to_owned(), "ingested".to_owned())]
        );
        let Some(Entry::Complete {
            decision, events, ..
        }) = self.ledger(DAYS_ID).await
        else {
            panic!(
                "the entry is not complete: {:?}",
                self.ledger(DAYS_ID).await
            )
        };
        let recorded: Vec<_> = events
            .into_iter()
            .map(|event| (event.topic, event.data))
            .collect();
        let expected = resulting_events().map(|data| (Topic::DayIngested, data));
        assert_eq!(
            (decision.as_str(), &recorded[..]),
            ("ingested", &expected[..])
        );
        assert!(self.dead_letters().await.is_empty());
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// Returns the payloads of the events that result from [`DAYS`].
fn resulting_events() -> [String; 2] {
    ["2021-07-19", "2021-07-20"].map(|day| {
        format!(r#"{{"type":"day-ingested","event_id":"ingest/{day}","day":"{day}","rows":24}}"#)
    })
}

/// Returns a payload in the envelope of a wrapped push, published by the scheduler.
fn wrapped(payload: impl AsRef<[u8]>) -> Value {
    json!({
        "subscription": "projects/demo/subscriptions/ingest",
        "message": {
            "data": BASE64_STANDARD.encode(payload),
            "attributes": { "origin": "scheduler" },
            "messageId": "136969346945",
            "publishTime": "2021-07-20T04:00:00.123Z",
        },
    })
}

fn payload(message: &LoggedMessage) -> String {
    String::from_utf8(BASE64_STANDARD.decode(message.data.to_base64()).unwrap()).unwrap()
}

fn timestamp(text: &str) -> Timestamp {
    text.parse().unwrap()
}
