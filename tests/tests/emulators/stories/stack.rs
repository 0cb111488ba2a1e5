//! The loop on emulators by one command: weeks are played, the page shows them, and all processes
//! end with the stack.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use google_cloud::{CloudSettings, EmulatorHost};
use shared::{
    address::Address, audit::AuditRow, clock::SystemClock, event::Function, settings::PortAddresses,
};
use tests::eventually::eventually;
use tokio::{task::spawn_blocking, time::timeout};

use crate::{place, process::program, sample, test_system::CHAIN};

/// The two live weeks of the sample. After the first one, too few days lie outside the fixed test
/// set for a fine-tuning.
const WEEKS: [&str; 2] = ["2021-W06", "2021-W07"];
/// The time within which the weeks are played.
const LIMIT: Duration = Duration::from_secs(600);

#[tokio::test(flavor = "multi_thread")]
async fn stack_plays_weeks_shows_them_and_ends_all_processes_on_sigterm() {
    let folder = tempfile::tempdir().unwrap();
    let cloud = CloudSettings {
        mlflow_model: Some(place::unique("model")),
        ..place::cloud()
    };
    let project = place::project();
    let addresses = PortAddresses {
        store: Address::Bucket(place::bucket()),
        warehouse: Address::BigQuery(project.clone()),
        registry: Address::Mlflow(place::mlflow()),
        bus: Address::PubSub(project),
    };
    let mut stack = start(folder.path(), &addresses, &cloud);
    let output = stack.0.stdout.take().unwrap();
    let read = spawn_blocking(move || read_until_it_runs(output));
    let lines = timeout(LIMIT, read).await.expect("the weeks are played");
    let addresses_of = addresses_in(&lines.unwrap());

    let ports = runtime::open(&addresses, &cloud, Arc::new(SystemClock))
        .await
        .unwrap();
    let log = ports.warehouse.audit_log().await.unwrap();
    let [first, second] = WEEKS.map(|week| functions_about(&log, week));
    assert_eq!(first, [Function::DriftCheck, Function::FineTune]);
    assert_eq!(second, CHAIN);
    let is_forecast = |row: &&AuditRow| row.entry.decision == "forecast";
    assert_eq!(log.iter().filter(is_forecast).count(), 15);

    let page = &addresses_of["pages"];
    for week in WEEKS {
        let link = format!("week/{week}.html");
        eventually("the page to link the week", async || {
            get(page).await.contains(&link).then_some(())
        })
        .await;
        let html = get(&format!("{page}reports/{link}")).await;
        assert!(html.starts_with("<!DOCTYPE html>"), "{week}: {html}");
    }
    assert!(addresses_of["MLflow"].contains("/#/experiments/"));

    terminate(&stack.0);
    let status = spawn_blocking(move || stack.0.wait().unwrap());
    assert_eq!(status.await.unwrap().code(), Some(0));
    for function in Function::ALL {
        let address = &addresses_of[function.name()];
        let reply = reqwest::get(format!("{address}livez")).await;
        assert!(reply.is_err(), "{function} still runs");
    }
}

/// The process of the stack. Dropping it kills the process.
struct Stack(Child);

impl Drop for Stack {
    fn drop(&mut self) {
        // Errors mean that the process has already ended.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn start(folder: &Path, addresses: &PortAddresses, cloud: &CloudSettings) -> Stack {
    let inputs = sample::small(&folder.join("data"));
    let PortAddresses {
        store: Address::Bucket(bucket),
        bus: Address::PubSub(project),
        registry: Address::Mlflow(mlflow),
        ..
    } = addresses
    else {
        unreachable!("the addresses are those of the emulators")
    };
    let origin = |emulator: &Option<EmulatorHost>| emulator.as_ref().unwrap().origin();
    let variables = [
        ("GCS_BUCKET", bucket.to_string()),
        ("GOOGLE_CLOUD_PROJECT", project.to_string()),
        ("MLFLOW_TRACKING_URI", mlflow.to_string()),
        ("MLFLOW_MODEL_NAME", cloud.mlflow_model.clone().unwrap()),
        ("STORAGE_EMULATOR_HOST", origin(&cloud.storage_emulator)),
        ("BIGQUERY_EMULATOR_HOST", origin(&cloud.bigquery_emulator)),
        ("PUBSUB_EMULATOR_HOST", origin(&cloud.pubsub_emulator)),
    ];
    let mut command = Command::new(program("bike-traffic"));
    command
        .env_clear()
        .envs(variables)
        .args(["stack", "--cloud", "--port", "0", "--state"])
        .arg(folder.join("state"))
        .args(["--train-path", &inputs.train, "--test-path", &inputs.test])
        .args(["--live-path", &inputs.live])
        .args(["--policy", r#"{"drift_share":0.1}"#])
        .args(["--fine-tune", r#"{"strategy":"append","epochs":20}"#])
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    Stack(command.spawn().unwrap())
}

/// Returns the lines that the stack prints until it has played the weeks.
fn read_until_it_runs(output: ChildStdout) -> Vec<String> {
    let mut lines = Vec::new();
    for line in BufReader::new(output).lines().map_while(Result::ok) {
        // The test harness prints it if the test fails.
        eprintln!("stack: {line}");
        if line.starts_with("running;") {
            return lines;
        }
        lines.push(line);
    }
    panic!("the stack has ended: {lines:#?}")
}

/// Returns the addresses in lines such as `predict      http://127.0.0.1:40517/  log: …`, by name.
fn addresses_in(lines: &[String]) -> BTreeMap<String, String> {
    let address = |line: &String| {
        let mut words = line.split_whitespace();
        let (name, address) = (words.next()?, words.next()?);
        let is_address = address.starts_with("http://");
        is_address.then(|| (name.to_owned(), address.to_owned()))
    };
    lines.iter().filter_map(address).collect()
}

/// Returns the functions that have decided about a week, in the order of the audit log.
fn functions_about(log: &[AuditRow], week: &str) -> Vec<Function> {
    let of_week = log.iter().filter(|row| row.event_id.subject() == week);
    of_week.map(|row| row.function).collect()
}

async fn get(url: &str) -> String {
    let reply = reqwest::get(url).await.unwrap();
    assert!(reply.status().is_success(), "{url}: {}", reply.status());
    reply.text().await.unwrap()
}

/// Sends SIGTERM. The standard library sends SIGKILL only.
fn terminate(process: &Child) {
    let kill = format!("kill -TERM {}", process.id());
    let status = Command::new("sh").args(["-c", &kill]).status().unwrap();
    assert!(status.success(), "{kill}: {status}");
}
