//! Forecasts of 100 records over HTTP on one connection.

use std::{net::SocketAddr, sync::Arc, time::Instant};

use axum::serve::ListenerExt;
use cli::{commands::train, support::state::State};
use forecasting::counts;
use jiff::Timestamp;
use model::TrainRecipe;
use runtime::{ServiceSettings, router};
use serde_json::json;
use shared::clock::SimulatedClock;
use tokio::net::TcpListener;

use crate::{Data, timing};

const WARM_UP: usize = 200;
const RUNS: usize = 2000;
const RECORDS: usize = 100;

pub(crate) async fn bench(data: &Data) {
    let folder = tempfile::tempdir().expect("a temporary folder can be created");
    let state = State::at(folder.path()).expect("the state folder is valid");
    let live = counts::read_file(&data.live, &mut Vec::new()).expect("the live data can be read");
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
    train::train(&ports, &state, &plan)
        .await
        .expect("the champion can be trained");

    let router = router(
        Arc::new(predict::Predict::new(&ports)),
        &ports,
        &ServiceSettings::default(),
    );
    let address = serve(router);
    empty_requests(&format!("http://{address}/livez")).await;
    let url = format!("http://{address}/v1/predict");

    let hours: Vec<_> = last.day().plus(1).hours().collect();
    let record = |number: usize| {
        let counter = &live.counters()[number % live.counters().len()];
        json!({ "nom_du_compteur": counter.name, "date_et_heure_de_comptage": hours[number % hours.len()].to_string() })
    };
    let body = json!({ "records": (0..RECORDS).map(record).collect::<Vec<_>>() });
    let client = reqwest::Client::new();
    let mut durations = Vec::new();
    for run in 0..WARM_UP + RUNS {
        let start = Instant::now();
        let reply = client
            .post(&url)
            .json(&body)
            .send()
            .await
            .expect("the server responds")
            .text()
            .await
            .expect("the response body is complete");
        let elapsed = start.elapsed();
        assert_eq!(reply.matches("\"prediction\"").count(), RECORDS, "{reply}");
        if run >= WARM_UP {
            durations.push(elapsed);
        }
    }
    timing::print(
        &format!("forecast of {RECORDS} records over HTTP"),
        &mut durations,
    );
}

/// Measures the overhead of the network and the runtime with requests that do no work.
async fn empty_requests(url: &str) {
    let client = reqwest::Client::new();
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
                let listener = listener.tap_io(|connection| drop(connection.set_nodelay(true)));
                axum::serve(listener, router)
                    .await
                    .expect("the server runs");
            });
    });
    address.recv().expect("the server sends its address")
}
