//! A process stalls before it writes the counts of a day, and another one handles the event
//! meanwhile.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use axum::{Router, extract::Request, http::StatusCode};
use base64::{Engine, prelude::BASE64_STANDARD};
use cli::commands::stack::OpenDataServer;
use forecasting::{
    counts::Counts,
    time::{Day, Hour},
};
use reqwest::Url;
use serde_json::json;
use shared::{
    clock::SystemClock,
    event::{Function, IngestRequested, encode},
    ledger::unfinished,
};
use tests::eventually::eventually;
use tokio::{
    net::TcpListener,
    sync::Notify,
    task::{JoinHandle, JoinSet},
};

use crate::{
    process::Process,
    snapshot::Snapshot,
    test_system::{Options, TestSystem},
};

/// The stalled process reads counts that the city corrects afterwards. Both replies cover the same
/// hours, so the comparison of coverage does not protect the table: only the lease does.
///
/// Pub/Sub repeats a push without a response only after the acknowledgement deadline of ten
/// minutes. So the test itself makes the first push, and the emulator makes the repeated one.
#[tokio::test(flavor = "multi_thread")]
async fn process_that_stalled_beyond_its_lease_writes_nothing() {
    let system = TestSystem::with(Options {
        functions: vec![Function::Ingest],
        ..Options::default()
    })
    .await;
    let day = system.last_day;
    let open_data = HeldOpenData::start(&outdated(&system.known, day)).await;
    let variables = [("OPEN_DATA_URL", open_data.url.to_string())];
    let stalled = system.start_another(Function::Ingest, variables).await;
    let event = IngestRequested {
        from: Some(day),
        ..IngestRequested::default()
    };
    let mut pushes = JoinSet::new();
    pushes.spawn(push(&stalled, encode(&event)));
    eventually("the process to request the counts", async || {
        open_data.is_requested().then_some(())
    })
    .await;
    assert_eq!(unfinished(&system.ports.store).await.unwrap().len(), 1);
    stalled.suspend();

    // Claims the event once the lease of the suspended process has expired.
    system.publish(&event).await;
    system
        .wait_for_log(Function::Ingest, "event handled", 1)
        .await;
    let before = Snapshot::of(&system).await;
    open_data.reply();
    stalled.resume();
    let status = pushes.join_next().await.unwrap().unwrap();

    assert_eq!(
        status,
        StatusCode::SERVICE_UNAVAILABLE,
        "the delivery must fail"
    );
    assert_eq!(stalled.count("event handled"), 0);
    assert_eq!(Snapshot::of(&system).await, before);
    let counts = system.ports.warehouse.counts(day, day).await.unwrap();
    assert_eq!(rows(&counts), rows(&system.known.days(day, day)));
    assert_eq!(
        system.decisions().await,
        [(Function::Ingest, "ingested".to_owned())]
    );
    let ledger = system.ports.store.list("ledger/").await.unwrap();
    let paths: Vec<_> = ledger.iter().map(ToString::to_string).collect();
    assert_eq!(paths, [format!("ledger/ingest/ingest/{day}.json")]);
    assert_eq!(unfinished(&system.ports.store).await.unwrap(), []);
}

/// An open data service that holds its replies until a test releases them.
struct HeldOpenData {
    url: Url,
    is_requested: Arc<AtomicBool>,
    released: Arc<Notify>,
    task: JoinHandle<()>,
}

impl HeldOpenData {
    async fn start(counts: &Counts) -> Self {
        let server = OpenDataServer::start(counts.clone(), Arc::new(SystemClock))
            .await
            .unwrap();
        let (is_requested, released) = (Arc::new(AtomicBool::new(false)), Arc::new(Notify::new()));
        let (requested, release) = (Arc::clone(&is_requested), Arc::clone(&released));
        let base = server.base().clone();
        let respond = async move |request: Request| {
            requested.store(true, Ordering::SeqCst);
            release.notified().await;
            let path = request.uri().path_and_query().unwrap().as_str();
            let response = reqwest::get(base.join(path).unwrap()).await.unwrap();
            (response.status(), response.bytes().await.unwrap())
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let task = tokio::spawn(async move {
            // Dropping the server would stop it.
            let _server = server;
            axum::serve(listener, Router::new().fallback(respond))
                .await
                .unwrap();
        });
        Self {
            url: url.parse().unwrap(),
            is_requested,
            released,
            task,
        }
    }

    fn is_requested(&self) -> bool {
        self.is_requested.load(Ordering::SeqCst)
    }

    /// Releases the reply to the waiting request.
    fn reply(&self) {
        self.released.notify_one();
    }
}

impl Drop for HeldOpenData {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Pushes an event to a process as Pub/Sub does. The future returns the status of the response.
fn push(process: &Process, event: Vec<u8>) -> impl Future<Output = StatusCode> + use<> {
    let message = json!({ "data": BASE64_STANDARD.encode(event), "messageId": "1" });
    let request = reqwest::Client::new()
        .post(process.url())
        .json(&json!({ "message": message }));
    async move { request.send().await.unwrap().status() }
}

/// Returns the counts of a day, each one bicycle too high.
fn outdated(known: &Counts, day: Day) -> Counts {
    let mut outdated = Counts::default();
    for row in known.days(day, day).rows() {
        let counter = outdated.intern(known.counter(row.counter).clone());
        outdated.push(counter, row.hour, row.count + 1);
    }
    outdated
}

/// Returns the counts with the names of their counters, in an order of their own.
fn rows(counts: &Counts) -> BTreeSet<(String, Hour, u32)> {
    let name = |index| counts.counter(index).name.clone();
    let rows = counts.rows().iter();
    rows.map(|row| (name(row.counter), row.hour, row.count))
        .collect()
}
