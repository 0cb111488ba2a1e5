//! Agreement between the Terraform configuration and the functions: environment variables, topics,
//! retries, object permissions and tables.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use cli::{commands::set_up::Delivery, support::embedded_bus::DeliveryPolicy};
use google_cloud::CloudSettings;
use runtime::{Handler, ServiceSettings, Traces};
use serde::Deserialize;
use serde_json::json;
use shared::{
    Timestamp,
    clock::SimulatedClock,
    event::{Function, Input, Topic},
    ports::Ports,
    settings::{PortAddresses, SettingsError, Variables},
    warehouse::schema,
};

/// The contents of `infra/functions.json`, from which Terraform creates the services.
#[derive(Deserialize)]
struct Deployment {
    environment: BTreeSet<String>,
    not_passed: BTreeMap<String, String>,
    functions: BTreeMap<Function, Service>,
}

#[derive(Deserialize)]
struct Service {
    inputs: Vec<Topic>,
    publishes: BTreeSet<Topic>,
    objects: BTreeSet<String>,
    environment: BTreeSet<String>,
    #[serde(default)]
    not_passed: BTreeMap<String, String>,
    maximum_attempts: u32,
}

#[test]
fn functions_read_exactly_the_passed_variables() {
    let deployment = deployment();
    for (function, read) in read_by_all() {
        let service = &deployment.functions[&function];
        let passed: BTreeSet<_> = deployment
            .environment
            .union(&service.environment)
            .cloned()
            .collect();
        let not_passed: BTreeSet<_> = deployment
            .not_passed
            .keys()
            .chain(service.not_passed.keys())
            .cloned()
            .collect();
        let unread: Vec<_> = passed.difference(&read).collect();
        assert!(
            unread.is_empty(),
            "terraform passes {unread:?} to {function}, which does not read them"
        );
        let known: BTreeSet<_> = passed.union(&not_passed).cloned().collect();
        let missing: Vec<_> = read.difference(&known).collect();
        assert!(
            missing.is_empty(),
            "{function} reads {missing:?}: pass them, or add a reason to `not_passed`"
        );
        let both: Vec<_> = passed.intersection(&not_passed).collect();
        assert!(
            both.is_empty(),
            "{both:?} of {function} are both passed and listed in `not_passed`"
        );
    }
    // `not_passed` must list only variables that a function reads.
    let read: BTreeSet<_> = read_by_all().into_values().flatten().collect();
    let reasons = deployment
        .functions
        .values()
        .flat_map(|service| service.not_passed.keys());
    let unused: Vec<_> = deployment
        .not_passed
        .keys()
        .chain(reasons)
        .filter(|name| !read.contains(*name))
        .collect();
    assert!(
        unused.is_empty(),
        "`not_passed` lists {unused:?}, which no function reads"
    );
}

#[test]
fn deployed_topics_match_the_functions() {
    let deployment = deployment();
    assert_eq!(
        deployment.functions.keys().copied().collect::<Vec<_>>(),
        sorted(Function::ALL)
    );
    let published_by_all: BTreeMap<_, _> = [
        published_by::<ingest::Ingest>(),
        published_by::<predict::Predict>(),
        published_by::<drift_check::DriftCheck>(),
        published_by::<fine_tune::FineTune>(),
        published_by::<evaluate::Evaluate>(),
        published_by::<promote::Promote>(),
    ]
    .into();
    for (function, service) in &deployment.functions {
        assert_eq!(service.inputs, function.inputs(), "{function}");
        assert_eq!(service.publishes, published_by_all[function], "{function}");
    }
    let published: BTreeSet<_> = deployment
        .functions
        .values()
        .flat_map(|service| service.publishes.iter().copied())
        .collect();
    let requests = BTreeSet::from([
        Topic::IngestRequested,
        Topic::DriftCheckRequested,
        Topic::FineTuneRequested,
    ]);
    let expected: BTreeSet<_> = Topic::EVENTS
        .into_iter()
        .filter(|topic| !requests.contains(topic))
        .collect();
    assert_eq!(
        published, expected,
        "functions must publish every event except the requests"
    );
}

/// Pub/Sub's emulator waits at least this long between two attempts, whatever the retry policy says.
const SHORTEST_BACKOFF_OF_THE_EMULATOR: Duration = Duration::from_secs(1);

/// After a crash, a delivery can handle the event only once the lease has expired. If the attempts
/// end earlier, a valid message becomes a dead letter.
#[test]
fn total_backoff_of_a_message_exceeds_the_lease() {
    let lease = ServiceSettings::default().lease.unsigned_abs();
    let push = fs::read_to_string(infra().join("modules/function/push.tf")).unwrap();
    let seconds = |line: &str| {
        line.split_once('"')?
            .1
            .strip_suffix("s\"")?
            .parse::<u64>()
            .ok()
    };
    let backoff = push
        .lines()
        .find(|line| line.trim_start().starts_with("minimum_backoff "))
        .and_then(seconds);
    let minimum_backoff = Duration::from_secs(backoff.unwrap());
    for (function, service) in deployment().functions {
        let backoff = (service.maximum_attempts - 1) * minimum_backoff;
        assert!(
            backoff > lease,
            "{function}: the total backoff {backoff:?} must exceed the lease {lease:?}"
        );
    }
    let Delivery {
        minimum_backoff,
        maximum_attempts,
        ..
    } = Delivery::default();
    assert!(
        (maximum_attempts - 1) * minimum_backoff > lease,
        "the total backoff of `set-up` must exceed the lease"
    );
    let quick = (Delivery::quick().maximum_attempts - 1) * SHORTEST_BACKOFF_OF_THE_EMULATOR;
    assert!(quick > lease, "`stack --cloud`: {quick:?} of {lease:?}");
    let policy = DeliveryPolicy::default();
    let embedded = (1..policy.maximum_attempts).map(|failed| policy.backoff(failed));
    let embedded: Duration = embedded.sum();
    assert!(embedded > lease, "embedded bus: {embedded:?} of {lease:?}");
}

/// Functions write messages that are too large for a dead letter as objects.
#[test]
fn functions_may_write_offloaded_messages() {
    for (function, service) in deployment().functions {
        assert!(
            service
                .objects
                .contains(&format!("dead-letters/{function}/")),
            "{function}"
        );
    }
}

/// The files are generated: `UPDATE_SCHEMAS=1 cargo nextest run terraform_tables` writes them.
#[test]
fn terraform_tables_match_the_schemas() {
    for (file, fields) in [
        ("counts", json!(schema::COUNTS)),
        ("forecasts", json!(schema::FORECASTS)),
        ("audit_log", json!(schema::AUDIT_LOG)),
    ] {
        let path = infra().join("schemas").join(format!("{file}.json"));
        let expected = schema_file(&fields);
        if env::var_os("UPDATE_SCHEMAS").is_some() {
            fs::write(&path, &expected).unwrap();
        }
        let found = fs::read_to_string(&path).unwrap();
        assert_eq!(found, expected, "{}", path.display());
    }
}

/// Formats the fields of a table as in `infra/schemas`, one line each.
fn schema_file(fields: &serde_json::Value) -> String {
    let line = |field: &serde_json::Value| {
        let text = |key: &str| field[key].as_str().unwrap().to_owned();
        let (name, kind, mode) = (text("name"), text("type"), text("mode"));
        format!(r#"  {{ "name": "{name}", "type": "{kind}", "mode": "{mode}" }}"#)
    };
    let lines: Vec<_> = fields.as_array().unwrap().iter().map(line).collect();
    format!("[\n{}\n]\n", lines.join(",\n"))
}

fn deployment() -> Deployment {
    serde_json::from_str(&fs::read_to_string(infra().join("functions.json")).unwrap()).unwrap()
}

fn infra() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../infra"))
}

fn sorted<const N: usize>(mut functions: [Function; N]) -> Vec<Function> {
    functions.sort();
    functions.to_vec()
}

fn read_by_all() -> BTreeMap<Function, BTreeSet<String>> {
    [
        read_by(ingest::build),
        read_by(predict::build),
        read_by(drift_check::build),
        read_by(fine_tune::build),
        read_by(evaluate::build),
        read_by(promote::build),
    ]
    .into()
}

fn published_by<H: Handler>() -> (Function, BTreeSet<Topic>) {
    (H::FUNCTION, H::PUBLISHES.iter().copied().collect())
}

/// Builds a function with each choice of settings, and returns the names of the variables it reads.
fn read_by<H: Handler>(
    build: fn(&dyn Variables, &Ports) -> Result<H, SettingsError>,
) -> (Function, BTreeSet<String>) {
    assert_eq!(H::FUNCTION.inputs(), H::Event::TOPICS);
    // `runtime::run` reads this variable before the settings.
    let names = Arc::new(Mutex::new(BTreeSet::from(["RUST_LOG".to_owned()])));
    let choices = [
        [
            ("PUSH_AUDIENCE", "off"),
            ("MLFLOW_TRACKING_USERNAME", "user"),
            ("MLFLOW_TRACKING_PASSWORD", "secret"),
        ],
        [
            ("PUSH_AUDIENCE", "https://a.example"),
            ("PUSH_SERVICE_ACCOUNT", "push@a.example"),
            ("MLFLOW_TRACKING_TOKEN", "t"),
        ],
        [
            ("PUSH_AUDIENCE", "cloud-run"),
            ("PUSH_SERVICE_ACCOUNT", "push@a.example"),
            ("MLFLOW_ID_TOKEN", "on"),
        ],
    ];
    for choice in choices {
        let requested = Arc::clone(&names);
        let variables = move |name: &str| {
            requested.lock().unwrap().insert(name.to_owned());
            let fixed = [
                ("GCS_BUCKET", "a-bucket"),
                ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector.example"),
                ("GOOGLE_CLOUD_PROJECT", "a-project"),
                ("MLFLOW_TRACKING_URI", "https://mlflow.example"),
                ("OPEN_DATA_URL", "https://opendata.example"),
            ];
            let found = choice
                .iter()
                .chain(&fixed)
                .find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        Traces::read(&variables, H::FUNCTION).unwrap();
        ServiceSettings::read(&variables).unwrap();
        PortAddresses::read(&variables).unwrap();
        CloudSettings::read(&variables).unwrap();
        build(
            &variables,
            &Ports::in_memory(Arc::new(SimulatedClock::new(Timestamp::UNIX_EPOCH))),
        )
        .unwrap();
    }
    let names = names.lock().unwrap().clone();
    (H::FUNCTION, names)
}
