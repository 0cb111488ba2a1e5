//! Whole processes: the check of a week, and each function: its size, its start until it listens, its memory at rest.

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
/// After so long nothing is left of what was needed for the start alone.
const AT_REST: Duration = Duration::from_millis(100);
const FUNCTIONS: [&str; 6] = [
    "ingest",
    "predict",
    "drift-check",
    "fine-tune",
    "evaluate",
    "promote",
];

pub(crate) async fn bench(data: &Data) {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let state = State::at(folder.path()).expect("the state can be named");
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
    drift_check(state.folder(), weeks.last().expect("there is a week"));
    let files = on_files(state.folder());
    let cloud = on_google_cloud(state.folder());
    for function in FUNCTIONS {
        of_a_function(function, &files, &cloud);
    }
    predict_with_its_model(&files, &data.live).await;
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
            output.expect("it starts").status.success(),
            "the drift check failed"
        );
    }
    timing::print("drift-check of one week as a whole process", &mut durations);
}

/// The settings of a process.
type Environment = Vec<(&'static str, String)>;

fn on_files(state: &Path) -> Environment {
    let part = |name: &str| format!("file://{}", state.join(name).display());
    vec![
        ("STORE_URL", part("objects")),
        ("WAREHOUSE_URL", part("warehouse")),
        ("MLFLOW_TRACKING_URI", part("registry")),
        ("BUS_URL", part("bus")),
    ]
}

/// The real clients with the credentials of a user whom nobody knows: nothing is sent before the first message comes.
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

fn of_a_function(function: &str, files: &Environment, cloud: &Environment) {
    let Ok(program) = std::fs::metadata(binary(function)) else {
        println!(
            "{function}: not measured, build it first with `cargo build --release --workspace`"
        );
        return;
    };
    println!(
        "{function}: a program of {:.1} MB",
        program.len() as f64 / 1e6
    );
    for (places, environment) in [("files", files), ("Google Cloud's clients", cloud)] {
        let (mut durations, mut memory) = (Vec::new(), 0);
        for _ in 0..RUNS {
            let start = Instant::now();
            let (mut process, _) = listening(function, environment);
            durations.push(start.elapsed());
            std::thread::sleep(AT_REST);
            memory = memory.max(timing::memory_kib(process.id()));
            process.kill().expect("it can be stopped");
            process.wait().expect("it ends");
        }
        timing::print(
            &format!("{function} on {places} from process start to listening"),
            &mut durations,
        );
        println!(
            "{function} on {places} at rest: {:.1} MB",
            memory as f64 * 1024.0 / 1e6
        );
    }
}

/// What `predict` holds when it has forecast a day, with its champion and the counts of the days before.
async fn predict_with_its_model(files: &Environment, live: &Path) {
    let live = counts::read_file(live, &mut Vec::new()).expect("the live data can be read");
    let (_, last) = live.period().expect("there are live data");
    let event = json!({ "type": "day-ingested", "event_id": "ingest/bench", "day": last.day(), "rows": live.len() });
    let (mut process, port) = listening("predict", files);
    let request = reqwest::Client::new()
        .post(format!("http://127.0.0.1:{port}/"))
        .json(&event);
    let status = request.send().await.expect("it answers").status();
    assert_eq!(
        status,
        reqwest::StatusCode::NO_CONTENT,
        "nothing was forecast"
    );
    let memory = timing::memory_kib(process.id()) as f64 * 1024.0 / 1e6;
    println!("predict with its model: {memory:.1} MB");
    process.kill().expect("it can be stopped");
    process.wait().expect("it ends");
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
    let mut child = command.spawn().expect("it starts");
    wait_until_it_listens(&mut child);
    (child, port)
}

pub(crate) fn wait_until_it_listens(child: &mut Child) {
    let stderr = child.stderr.take().expect("its logs are read");
    let listening = BufReader::new(stderr)
        .lines()
        .map_while(Result::ok)
        .any(|line| line.contains("listening"));
    assert!(listening, "it ended before it listened");
}

pub(crate) fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0")
        .expect("a port is free")
        .local_addr()
        .expect("it listens")
        .port()
}

/// Finds a program beside this one: `target/release/deps/speed-…` lies next to `target/release/NAME`.
pub(crate) fn binary(name: &str) -> PathBuf {
    let bench = std::env::current_exe().expect("this program has a path");
    bench
        .ancestors()
        .nth(2)
        .expect("it lies in target/release/deps")
        .join(name)
}
