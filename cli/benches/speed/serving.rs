//! Forecasts over HTTP: one connection with 100 and with 1,000 records, and 64 connections.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use cli::{commands::train, support::state::State};
use forecasting::{counts, counts::Counts};
use jiff::Timestamp;
use model::TrainRecipe;
use reqwest::{Client, header::CONTENT_TYPE};
use runtime::{HttpLimits, ServiceSettings, router};
use serde_json::json;
use shared::{clock::SimulatedClock, ports::Ports};
use tokio::{net::TcpListener, task::JoinSet};

use crate::{Data, timing};

const WARM_UP: usize = 200;
const RUNS: usize = 2000;
const CONNECTIONS: usize = 64;
const RUNS_PER_CONNECTION: usize = 50;

pub(crate) async fn bench(data: &Data) {
    let folder = tempfile::tempdir().expect("a temporary folder can be created");
    let state = State::at(folder.path()).expect("the state folder is valid");
    let live = counts::read_file(&data.live, &mut Vec::new()).expect("the live data can be read");
    let ports = ports_with_champion(data, &state, &live).await;
    let router = router(
        Arc::new(predict::Predict::new(&ports)),
        &ports,
        &ServiceSettings::default(),
    );
    let address = serve(router);
    empty_requests(&format!("http://{address}/livez")).await;
    let url = format!("http://{address}/v1/predict");
    for (records, runs) in [(100, RUNS), (1000, RUNS / 4)] {
        let request = Request::of(&url, &live, records);
        let client = Client::new();
        for _ in 0..WARM_UP {
            request.send(&client).await;
        }
        let mut durations = Vec::new();
        for _ in 0..runs {
            durations.push(request.send(&client).await);
        }
        timing::print(
            &format!("forecast of {records} records over HTTP"),
            &mut durations,
        );
    }
    many_connections(Request::of(&url, &live, 100)).await;
}

/// Stores the live counts, trains a champion, and returns the ports of the day after the last
/// count.
async fn ports_with_champion(data: &Data, state: &State, live: &Counts) -> Ports {
    let (first, last) = live.period().expect("the live data are not empty");
    let clock = Arc::new(SimulatedClock::new(last.day().plus(1).at(6)));
    let ports = state.open(clock).expect("the state can be opened");
    for day in first.day().through(last.day()) {
        let counts = live.days(day, day);
        ports
            .warehouse
            .replace_counts(day, &counts, Timestamp::UNIX_EPOCH)
            .await
            .expect("counts can be stored");
    }
    let text = |path: &std::path::Path| path.to_string_lossy().into_owned();
    let plan = train::TrainPlan {
        train_path: text(&data.train),
        test_path: text(&data.test),
        data_source: "local",
        recipe: TrainRecipe::default(),
        environment: "local".to_owned(),
        allow: train::Allowances::default(),
    };
    train::train(&ports, state, &plan)
        .await
        .expect("the champion can be trained");
    ports
}

/// A request for the forecasts of the next day, serialized once.
#[derive(Clone)]
struct Request {
    url: String,
    body: String,
    records: usize,
}

impl Request {
    fn of(url: &str, live: &Counts, records: usize) -> Self {
        let (_, last) = live.period().expect("the live data are not empty");
        let hours: Vec<_> = last.day().plus(1).hours().collect();
        let record = |number: usize| {
            let counter = &live.counters()[number % live.counters().len()];
            json!({ "nom_du_compteur": counter.name, "date_et_heure_de_comptage": hours[number % hours.len()].to_string() })
        };
        let body = json!({ "records": (0..records).map(record).collect::<Vec<_>>() });
        Self {
            url: url.to_owned(),
            body: body.to_string(),
            records,
        }
    }

    /// Sends the request, and returns the time until the response is complete.
    async fn send(&self, client: &Client) -> Duration {
        let start = Instant::now();
        let reply = client
            .post(&self.url)
            .header(CONTENT_TYPE, "application/json")
            .body(self.body.clone())
            .send()
            .await
            .expect("the server responds")
            .text()
            .await
            .expect("the response body is complete");
        let elapsed = start.elapsed();
        let forecasts = reply.matches("\"prediction\"").count();
        assert_eq!(forecasts, self.records, "{reply}");
        elapsed
    }
}

/// Measures requests on many connections at once. The client shares the cores with the server.
async fn many_connections(request: Request) {
    let mut connections = JoinSet::new();
    let start = Instant::now();
    for _ in 0..CONNECTIONS {
        let request = request.clone();
        connections.spawn(async move {
            let client = Client::new();
            let mut durations = Vec::new();
            for _ in 0..RUNS_PER_CONNECTION {
                durations.push(request.send(&client).await);
            }
            durations
        });
    }
    let mut durations = connections.join_all().await.concat();
    let rate = durations.len() as f64 / start.elapsed().as_secs_f64();
    let records = request.records;
    timing::print(
        &format!("forecast of {records} records over HTTP, {CONNECTIONS} connections"),
        &mut durations,
    );
    println!(
        "forecast of {records} records over HTTP, {CONNECTIONS} connections: {rate:.0} requests/s"
    );
}

/// Measures the overhead of the network and the runtime with requests that do no work.
async fn empty_requests(url: &str) {
    let client = Client::new();
    let mut durations = Vec::new();
    for run in 0..WARM_UP + RUNS {
        let start = Instant::now();
        client
            .get(url)
            .send()
            .await
            .expect("the server responds")
            .text()
            .await
            .expect("the response body is complete");
        if run >= WARM_UP {
            durations.push(start.elapsed());
        }
    }
    timing::print("empty request over HTTP", &mut durations);
}

/// Serves `router` on a separate runtime, as a function's process does, and returns the address.
fn serve(router: axum::Router) -> SocketAddr {
    let (sender, address) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        tokio::runtime::Runtime::new()
            .expect("a runtime can be created")
            .block_on(async move {
                let listener = TcpListener::bind("127.0.0.1:0")
                    .await
                    .expect("a port is free");
                sender
                    .send(listener.local_addr().expect("the listener has an address"))
                    .expect("the bench waits for the address");
                let never = std::future::pending();
                runtime::serve(listener, router, HttpLimits::default(), never).await
            });
    });
    address.recv().expect("the server sends its address")
}
