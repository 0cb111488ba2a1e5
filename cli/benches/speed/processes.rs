//! Whole processes: the drift check of a week, and the binary size, start-up time and idle memory
//! of each function.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use clap::Parser;
use cli::{commands::run, support::state::State};
use forecasting::counts;
use serde_json::json;

use crate::{Data, timing};

const RUNS: usize = 15;
/// The starts with traces, and as many without.
const RUNS_WITH_TRACES: usize = 30;
/// The wait after start-up, until temporary memory is released.
pub(crate) const IDLE_DELAY: Duration = Duration::from_millis(100);
const FUNCTIONS: [&str; 6] = [
    "ingest",
    "predict",
    "drift-check",
    "fine-tune",
    "evaluate",
    "promote",
];

pub(crate) async fn bench(data: &Data) {
    let folder = tempfile::tempdir().expect("a temporary folder can be created");
    let state = State::at(folder.path()).expect("the state folder is valid");
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let inputs = run::Inputs {
        train: text(&data.train),
        test: text(&data.test),
        live: text(&data.live),
    };
    let arguments =
        cli::Arguments::try_parse_from(["bike-traffic", "run"]).expect("the arguments are valid");
    let cli::Command::Run(arguments) = arguments.command else {
        unreachable!("`run` was parsed")
    };
    let mut weeks = Vec::new();
    let summary = run::play(&inputs, &state, arguments.strategy, &mut |_| {})
        .await
        .expect("the loop runs");
    weeks.extend(summary.weeks.iter().map(|week| week.week.to_string()));
    drift_check(state.folder(), weeks.last().expect("the run has a week"));
    let files = on_files(state.folder());
    let cloud = on_google_cloud(state.folder());
    for function in FUNCTIONS {
        start_up(function, &files, &cloud);
    }
    start_with_traces(&files);
    predict_with_model(&files, &data.live).await;
}

fn drift_check(state: &Path, week: &str) {
    let mut durations = Vec::new();
    for _ in 0..RUNS {
        let start = Instant::now();
        let output = Command::new(binary("bike-traffic"))
            .args(["drift-check", "--json", "--week", week, "--state"])
            .arg(state)
            .output();
        durations.push(start.elapsed());
        assert!(
            output.expect("the process starts").status.success(),
            "the drift check failed"
        );
    }
    timing::print("drift-check of one week, whole process", &mut durations);
}

/// The environment variables of a process.
pub(crate) type Environment = Vec<(&'static str, String)>;

/// Selects the file adapters.
pub(crate) fn on_files(state: &Path) -> Environment {
    let address = |name: &str| format!("file://{}", state.join(name).display());
    vec![
        ("STORE_URL", address("objects")),
        ("WAREHOUSE_URL", address("warehouse")),
        ("MLFLOW_TRACKING_URI", address("registry")),
        ("BUS_URL", address("bus")),
    ]
}

/// Selects the Google Cloud adapters. The credentials are invalid, but a function sends nothing
/// before its first message.
fn on_google_cloud(folder: &Path) -> Environment {
    let credentials = folder.join("credentials.json");
    let user =
        r#"{"type":"authorized_user","client_id":"a","client_secret":"b","refresh_token":"c"}"#;
    std::fs::write(&credentials, user).expect("credentials can be written");
    vec![
        ("GOOGLE_CLOUD_PROJECT", "bench-project".to_owned()),
        ("GCS_BUCKET", "bench-bucket".to_owned()),
        ("MLFLOW_TRACKING_URI", "https://mlflow.invalid".to_owned()),
        (
            "GOOGLE_APPLICATION_CREDENTIALS",
            credentials.to_string_lossy().into_owned(),
        ),
    ]
}

fn start_up(function: &str, files: &Environment, cloud: &Environment) {
    let Ok(program) = std::fs::metadata(binary(function)) else {
        println!("{function}: skipped, no binary; run `cargo build --release --workspace` first");
        return;
    };
    println!(
        "{function}: binary size {:.1} MB",
        program.len() as f64 / 1e6
    );
    for (adapters, environment) in [("file adapters", files), ("Google Cloud adapters", cloud)] {
        let (mut durations, mut memory) = (Vec::new(), 0);
        for _ in 0..RUNS {
            let start = Instant::now();
            let (mut process, _) = listening(function, environment);
            durations.push(start.elapsed());
            std::thread::sleep(IDLE_DELAY);
            memory = memory.max(timing::memory_kib(process.id()));
            process.kill().expect("the process can be killed");
            process.wait().expect("the process ends");
        }
        timing::print(
            &format!("{function} with {adapters}, process start to listening"),
            &mut durations,
        );
        println!(
            "{function} with {adapters}, idle: resident memory {:.1} MB",
            memory as f64 * 1024.0 / 1e6
        );
    }
}

/// Compares the start of `promote` without traces and with a collector that refuses connections, in
/// turns.
fn start_with_traces(files: &Environment) {
    if !binary("promote").exists() {
        return;
    }
    let mut traced = files.clone();
    traced.push((
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "http://127.0.0.1:9".to_owned(),
    ));
    let start = |environment: &Environment| {
        let start = Instant::now();
        let (mut process, _) = listening("promote", environment);
        let duration = start.elapsed();
        process.kill().expect("the process can be killed");
        process.wait().expect("the process ends");
        duration
    };
    let (mut without, mut with) = (Vec::new(), Vec::new());
    for _ in 0..RUNS_WITH_TRACES {
        without.push(start(files));
        with.push(start(&traced));
    }
    timing::print(
        "promote without traces, process start to listening",
        &mut without,
    );
    timing::print("promote with traces, process start to listening", &mut with);
}

/// Measures the memory of `predict` after a forecast of one day, with the model and counts cached.
async fn predict_with_model(files: &Environment, live: &Path) {
    let live = counts::read_file(live, &mut Vec::new()).expect("the live data can be read");
    let (_, last) = live.period().expect("the live data are not empty");
    let event = json!({ "type": "day-ingested", "event_id": "ingest/bench", "day": last.day(), "rows": live.len() });
    let (mut process, port) = listening("predict", files);
    let request = reqwest::Client::new()
        .post(format!("http://127.0.0.1:{port}/"))
        .json(&event);
    let status = request.send().await.expect("predict responds").status();
    assert_eq!(
        status,
        reqwest::StatusCode::NO_CONTENT,
        "predict must forecast the day"
    );
    let memory = timing::memory_kib(process.id()) as f64 * 1024.0 / 1e6;
    println!("predict after a forecast: resident memory {memory:.1} MB");
    process.kill().expect("the process can be killed");
    process.wait().expect("the process ends");
}

/// Starts a function and waits until it listens.
fn listening(function: &str, environment: &Environment) -> (Child, u16) {
    let port = free_port();
    let own = [
        ("OPEN_DATA_URL", "http://127.0.0.1:9"),
        ("PORT", &port.to_string()),
        ("PUSH_AUDIENCE", "off"),
    ];
    let mut command = Command::new(binary(function));
    command
        .env_clear()
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .envs(own)
        .stderr(Stdio::piped());
    let mut child = command.spawn().expect("the process starts");
    wait_until_it_listens(&mut child);
    (child, port)
}

pub(crate) fn wait_until_it_listens(child: &mut Child) {
    let stderr = child.stderr.take().expect("stderr is piped");
    let listening = BufReader::new(stderr)
        .lines()
        .map_while(Result::ok)
        .any(|line| line.contains("listening"));
    assert!(listening, "the process ended before it listened");
}

pub(crate) fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0")
        .expect("a port is free")
        .local_addr()
        .expect("the listener has an address")
        .port()
}

/// Returns the path of a binary: this program is `target/release/deps/speed-…`, and the binary is
/// `target/release/NAME`.
pub(crate) fn binary(name: &str) -> PathBuf {
    let bench = std::env::current_exe().expect("this program has a path");
    bench
        .ancestors()
        .nth(2)
        .expect("this program is in target/release/deps")
        .join(name)
}
