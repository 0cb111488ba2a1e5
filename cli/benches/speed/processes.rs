//! Whole processes: the check of a week, and each function from its start until it listens.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use clap::Parser;
use cli::{State, run};

use crate::{Data, timing};

const RUNS: usize = 15;
const FUNCTIONS: [&str; 6] = ["ingest", "predict", "drift-check", "fine-tune", "evaluate", "promote"];

pub(crate) async fn bench(data: &Data) {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let state = State::at(folder.path()).expect("the state can be named");
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let inputs = run::Inputs { train: text(&data.train), test: text(&data.test), live: text(&data.live) };
    let arguments = cli::Arguments::try_parse_from(["bike-traffic", "run"]).expect("the arguments are sound");
    let cli::Command::Run(arguments) = arguments.command else { unreachable!("`run` was parsed") };
    let mut weeks = Vec::new();
    let summary = run::play(&inputs, &state, arguments.strategy, &mut |_| {}).await.expect("the loop runs");
    weeks.extend(summary.weeks.iter().map(|week| week.week.to_string()));
    drift_check(state.folder(), weeks.last().expect("there is a week"));
    for function in FUNCTIONS {
        start_to_listening(state.folder(), function);
    }
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
        assert!(output.expect("it starts").status.success(), "the drift check failed");
    }
    timing::print("drift-check of one week as a whole process", &mut durations);
}

fn start_to_listening(state: &Path, function: &str) {
    if !binary(function).exists() {
        println!("{function}: not measured, build it first with `cargo build --release --workspace`");
        return;
    }
    let mut durations: Vec<_> = (0..RUNS).map(|_| start_once(state, function)).collect();
    timing::print(&format!("{function} from process start to listening"), &mut durations);
}

fn start_once(state: &Path, function: &str) -> Duration {
    let part = |name: &str| format!("file://{}", state.join(name).display());
    let port = free_port();
    let start = Instant::now();
    let mut child = Command::new(binary(function))
        .env_clear()
        .envs([
            ("STORE_URL", part("objects")),
            ("WAREHOUSE_URL", part("warehouse")),
            ("MLFLOW_TRACKING_URI", part("registry")),
            ("BUS_URL", part("bus")),
            ("OPEN_DATA_URL", "http://127.0.0.1:9".to_owned()),
            ("PORT", port.to_string()),
            ("PUSH_AUDIENCE", "off".to_owned()),
        ])
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    wait_until_it_listens(&mut child);
    let elapsed = start.elapsed();
    child.kill().expect("it can be stopped");
    child.wait().expect("it ends");
    elapsed
}

pub(crate) fn wait_until_it_listens(child: &mut Child) {
    let stderr = child.stderr.take().expect("its logs are read");
    let listening = BufReader::new(stderr).lines().map_while(Result::ok).any(|line| line.contains("listening"));
    assert!(listening, "it ended before it listened");
}

pub(crate) fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free").local_addr().expect("it listens").port()
}

/// Finds a program beside this one: `target/release/deps/speed-…` lies next to `target/release/NAME`.
pub(crate) fn binary(name: &str) -> PathBuf {
    let bench = std::env::current_exe().expect("this program has a path");
    bench.ancestors().nth(2).expect("it lies in target/release/deps").join(name)
}
