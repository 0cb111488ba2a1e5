//! What terraform passes to a function and what the function reads are one list.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use cli::commands::set_up::Delivery;
use google_cloud::CloudSettings;
use runtime::{Handler, ServiceSettings};
use serde::Deserialize;
use serde_json::json;
use shared::{
    Timestamp,
    clock::SimulatedClock,
    event::{Event, Function, Topic},
    ports::Ports,
    settings::{PortAddresses, SettingsError, Variables},
    warehouse::schema,
};

/// `infra/functions.json`, from which terraform makes the services.
#[derive(Deserialize)]
struct Deployment {
    environment: BTreeSet<String>,
    not_passed: BTreeMap<String, String>,
    functions: BTreeMap<Function, Service>,
}

#[derive(Deserialize)]
struct Service {
    input: Topic,
    publishes: BTreeSet<Topic>,
    objects: BTreeSet<String>,
    environment: BTreeSet<String>,
    #[serde(default)]
    not_passed: BTreeMap<String, String>,
    maximum_attempts: u32,
}

#[test]
fn functions_read_what_they_are_passed_and_nothing_else() {
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
            "{function} is passed but does not read {unread:?}"
        );
        let known: BTreeSet<_> = passed.union(&not_passed).cloned().collect();
        let forgotten: Vec<_> = read.difference(&known).collect();
        assert!(
            forgotten.is_empty(),
            "{function} reads {forgotten:?}; pass them, or say in `not_passed` why not"
        );
        let both: Vec<_> = passed.intersection(&not_passed).collect();
        assert!(
            both.is_empty(),
            "{both:?} are passed to {function} and are not"
        );
    }
    // A reason for a variable that nobody reads is left over.
    let read: BTreeSet<_> = read_by_all().into_values().flatten().collect();
    let reasons = deployment
        .functions
        .values()
        .flat_map(|service| service.not_passed.keys());
    let left_over: Vec<_> = deployment
        .not_passed
        .keys()
        .chain(reasons)
        .filter(|name| !read.contains(*name))
        .collect();
    assert!(left_over.is_empty(), "nobody reads {left_over:?}");
}

#[test]
fn functions_are_deployed_on_the_topics_of_the_flow() {
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
        assert_eq!(service.input, function.input(), "{function}");
        assert_eq!(service.publishes, published_by_all[function], "{function}");
    }
    let published: BTreeSet<_> = deployment
        .functions
        .values()
        .flat_map(|service| service.publishes.iter().copied())
        .collect();
    let requests = BTreeSet::from([Topic::IngestRequested, Topic::DriftCheckRequested]);
    let expected: BTreeSet<_> = Topic::EVENTS
        .into_iter()
        .filter(|topic| !requests.contains(topic))
        .collect();
    assert_eq!(
        published, expected,
        "every event but the scheduler's is published by a function"
    );
}

/// A process that dies leaves its event to the next delivery, which may begin when the lease is over: a message that is
/// given up before becomes a dead letter for nothing.
#[test]
fn the_attempts_of_a_message_outlast_the_lease() {
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
            "{function}: {backoff:?} of backoff, {lease:?} of lease"
        );
    }
    let Delivery {
        minimum_backoff,
        maximum_attempts,
        ..
    } = Delivery::default();
    assert!(
        (maximum_attempts - 1) * minimum_backoff > lease,
        "the same holds on emulators"
    );
}

/// The messages that are too large for a letter.
#[test]
fn functions_may_write_what_they_offload() {
    for (function, service) in deployment().functions {
        assert!(
            service
                .objects
                .contains(&format!("dead-letters/{function}/")),
            "{function}"
        );
    }
}

#[test]
fn terraform_makes_the_tables_that_functions_write() {
    for (file, fields) in [
        ("counts", json!(schema::COUNTS)),
        ("forecasts", json!(schema::FORECASTS)),
        ("audit_log", json!(schema::AUDIT_LOG)),
    ] {
        let text =
            fs::read_to_string(infra().join("schemas").join(format!("{file}.json"))).unwrap();
        let found: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(found, fields, "{file}");
    }
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

/// Starts a function with each choice that settings offer, and returns what it asks its environment for.
fn read_by<H: Handler>(
    build: fn(&dyn Variables, &Ports) -> Result<H, SettingsError>,
) -> (Function, BTreeSet<String>) {
    assert_eq!(H::FUNCTION.input(), H::Event::TOPIC);
    // Read before all else, by `runtime::run`.
    let asked = Arc::new(Mutex::new(BTreeSet::from(["RUST_LOG".to_owned()])));
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
    ];
    for choice in choices {
        let keep = Arc::clone(&asked);
        let variables = move |name: &str| {
            keep.lock().unwrap().insert(name.to_owned());
            let fixed = [
                ("GCS_BUCKET", "a-bucket"),
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
        ServiceSettings::read(&variables).unwrap();
        PortAddresses::read(&variables).unwrap();
        CloudSettings::read(&variables).unwrap();
        build(
            &variables,
            &Ports::in_memory(Arc::new(SimulatedClock::new(Timestamp::UNIX_EPOCH))),
        )
        .unwrap();
    }
    let asked = asked.lock().unwrap().clone();
    (H::FUNCTION, asked)
}
