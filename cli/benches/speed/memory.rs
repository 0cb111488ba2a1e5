//! Peak memory of functions that handle many rows, on the emulators: `make bench-memory`.

use std::{
    collections::BTreeMap,
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Instant,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use cli::{
    commands::{
        set_up,
        stack::OpenDataServer,
        train::{Allowances, TrainPlan, train},
    },
    support::{sample_data, sample_data::Settings, state::State},
};
use forecasting::{
    counts::{self, Counts},
    time::Day,
};
use google_cloud::{CloudSettings, EmulatorHost};
use model::TrainRecipe;
use serde_json::{Value, json};
use shared::{
    address::Address,
    clock::{Clock, SystemClock},
    event::{ChallengerTrained, EventId, Function, encode},
    ports::Ports,
    registry::Version,
    settings::{PortAddresses, ProcessVariables, required},
};

use crate::{
    processes::{binary, free_port, wait_until_it_listens},
    timing,
};

/// The sample has 120 counters for 315 days, about 907,000 rows.
const COUNTERS: u32 = 120;
const LIVE_DAYS: u32 = 315;
/// The largest number of days that one event may request.
const DAYS_PER_EVENT: usize = 31;
const PROJECT: &str = "bench-memory";
const BUCKET: &str = "bench-memory";
/// The argument that runs [`query_alone`] in a child process.
pub(crate) const QUERY: &str = "memory-query";

pub(crate) async fn bench() {
    let emulators = Emulators::from_environment();
    let folder = tempfile::tempdir().expect("a temporary folder can be created");
    let settings = Settings {
        counters: COUNTERS,
        live_days: LIVE_DAYS,
        ..Settings::default()
    };
    let written = sample_data::write(&settings, folder.path(), &mut |_, _| {})
        .expect("sample data can be written");
    let mut live =
        counts::read_file(&written.live.path, &mut Vec::new()).expect("the live data can be read");
    live.deduplicate();
    let ports = emulators.open().await;
    let open_data = OpenDataServer::start(live.clone(), Arc::new(SystemClock))
        .await
        .expect("the open data server starts");
    let variables = emulators.variables(&open_data);
    ingest(&variables, &live).await;
    query(&live);
    let (train_path, test_path) = (text(&written.train.path), text(&written.test.path));
    evaluate(
        &variables,
        &ports,
        folder.path(),
        TrainPlan {
            train_path,
            test_path,
            data_source: "local",
            recipe: TrainRecipe::default(),
            environment: "local".to_owned(),
            allow: Allowances::default(),
        },
        &live,
    )
    .await;
}

/// Reads the counts of all days in this process, and prints the number of rows and the peak memory.
pub(crate) async fn query_alone() {
    let warehouse = Emulators::from_environment().open().await.warehouse;
    let (first, last) = (day("2010-01-01"), day("2049-01-01"));
    let counts = warehouse
        .counts(first, last)
        .await
        .expect("the tables can be read");
    println!("{}", counts.len());
    println!("{}", timing::peak_memory_mib());
}

async fn ingest(variables: &BTreeMap<&str, String>, live: &Counts) {
    let (first, last) = live.period().expect("the live data are not empty");
    let process = Process::start("ingest", variables);
    let start = Instant::now();
    let days: Vec<_> = first.day().through(last.day()).collect();
    for days in days.chunks(DAYS_PER_EVENT) {
        let request =
            json!({ "type": "ingest-requested", "from": days[0], "to": days[days.len() - 1] });
        process.push(request.to_string().as_bytes()).await;
    }
    println!(
        "ingest of {} rows in {} days: {:.0} s, peak memory {} MiB",
        live.len(),
        days.len(),
        start.elapsed().as_secs_f64(),
        process.peak_mebibytes()
    );
}

fn query(live: &Counts) {
    let start = Instant::now();
    let output = Command::new(std::env::current_exe().expect("this program has a path"))
        .args(["--bench", QUERY])
        .stderr(Stdio::inherit())
        .output()
        .expect("the process starts");
    let printed = String::from_utf8(output.stdout).expect("the child prints UTF-8");
    let mut lines = printed.lines();
    let rows: usize = lines
        .next()
        .and_then(|line| line.parse().ok())
        .expect("the child prints the number of rows");
    assert_eq!(rows, live.len());
    let peak = lines.next().expect("the child prints its peak memory");
    println!(
        "window query of {rows} rows: {:.1} s, peak memory {peak} MiB",
        start.elapsed().as_secs_f64()
    );
}

async fn evaluate(
    variables: &BTreeMap<&str, String>,
    ports: &Ports,
    folder: &Path,
    plan: TrainPlan,
    live: &Counts,
) {
    let state = State::at(&folder.join("state")).expect("the state folder is valid");
    let challenger = TrainPlan {
        recipe: TrainRecipe {
            rounds: 310,
            ..plan.recipe.clone()
        },
        ..plan.clone()
    };
    for plan in [&plan, &challenger] {
        train(ports, &state, plan)
            .await
            .expect("the model can be trained");
    }
    let week = live
        .period()
        .expect("the live data are not empty")
        .1
        .day()
        .plus(-7)
        .week();
    let event = ChallengerTrained {
        event_id: EventId::of(Function::FineTune, week),
        week,
        champion: Version::new(1),
        challenger: Version::new(2),
    };
    let process = Process::start("evaluate", variables);
    let start = Instant::now();
    process.push(&encode(&event)).await;
    println!(
        "evaluation of two models: {:.1} s, peak memory {} MiB",
        start.elapsed().as_secs_f64(),
        process.peak_mebibytes()
    );
}

/// The addresses of the emulators.
struct Emulators {
    cloud: CloudSettings,
    addresses: PortAddresses,
}

impl Emulators {
    fn from_environment() -> Self {
        let cloud = CloudSettings::read(&ProcessVariables).expect("the settings are valid");
        assert!(
            cloud.bigquery_emulator.is_some(),
            "run this with `make bench-memory`"
        );
        let project = PROJECT.parse().expect("the project id is valid");
        let addresses = PortAddresses {
            store: Address::Bucket(BUCKET.parse().expect("the bucket name is valid")),
            warehouse: Address::BigQuery(PROJECT.parse().expect("the project id is valid")),
            registry: required(&ProcessVariables, "MLFLOW_TRACKING_URI")
                .expect("MLFLOW_TRACKING_URI is set"),
            bus: Address::PubSub(project),
        };
        Self { cloud, addresses }
    }

    async fn open(&self) -> Ports {
        let (project, bucket) = (
            PROJECT.parse().expect("the project id is valid"),
            BUCKET.parse().expect("the bucket name is valid"),
        );
        set_up::bucket(&project, &bucket, &self.cloud)
            .await
            .expect("the bucket can be created");
        set_up::tables(&project, &self.cloud)
            .await
            .expect("the datasets can be created");
        let no_endpoints = BTreeMap::new();
        let topics = set_up::subscriptions(
            &project,
            &no_endpoints,
            &self.cloud,
            set_up::Delivery::default(),
        )
        .await;
        topics.expect("the topics can be created");
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        runtime::open(&self.addresses, &self.cloud, clock)
            .await
            .expect("the ports can be opened")
    }

    fn variables(&self, open_data: &OpenDataServer) -> BTreeMap<&'static str, String> {
        let origin = |emulator: &Option<EmulatorHost>| {
            emulator
                .as_ref()
                .map(EmulatorHost::origin)
                .unwrap_or_default()
        };
        [
            ("GCS_BUCKET", BUCKET.to_owned()),
            ("GOOGLE_CLOUD_PROJECT", PROJECT.to_owned()),
            ("MLFLOW_TRACKING_URI", self.addresses.registry.to_string()),
            (
                "STORAGE_EMULATOR_HOST",
                origin(&self.cloud.storage_emulator),
            ),
            (
                "BIGQUERY_EMULATOR_HOST",
                origin(&self.cloud.bigquery_emulator),
            ),
            ("PUBSUB_EMULATOR_HOST", origin(&self.cloud.pubsub_emulator)),
            ("OPEN_DATA_URL", open_data.base().to_string()),
            ("PUSH_AUDIENCE", "off".to_owned()),
        ]
        .into()
    }
}

/// The process of a function. Dropping it kills the process.
pub(crate) struct Process {
    child: Child,
    port: u16,
}

impl Process {
    /// Starts a function, and waits until it listens.
    pub(crate) fn start(function: &str, variables: &BTreeMap<&str, String>) -> Self {
        let port = free_port();
        let mut command = Command::new(binary(function));
        command
            .env_clear()
            .envs(variables)
            .env("PORT", port.to_string())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("the process starts");
        wait_until_it_listens(&mut child);
        Self { child, port }
    }

    /// Returns the id of the process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Returns the URL to push to.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/", self.port)
    }

    /// Pushes an event, and waits for the response.
    pub(crate) async fn push(&self, payload: &[u8]) {
        let message = json!({ "data": BASE64_STANDARD.encode(payload), "messageId": "1" });
        let body: Value = json!({ "message": message });
        let reply = reqwest::Client::new()
            .post(self.url())
            .json(&body)
            .send()
            .await;
        let status = reply.expect("the function responds").status();
        assert!(status.is_success(), "the function responded with {status}");
    }

    /// Returns the peak resident memory of the process.
    pub(crate) fn peak_mebibytes(&self) -> u64 {
        timing::peak_kib(self.id()) / 1024
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn day(text: &str) -> Day {
    text.parse().expect("the day is valid")
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
