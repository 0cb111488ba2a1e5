//! The whole system on the emulators: Pub/Sub pushes to functions that run as separate processes,
//! as on Cloud Run.

use std::{collections::BTreeMap, path::Path, process::Command, sync::Arc};

use cli::{
    State,
    commands::{
        set_up,
        stack::OpenDataServer,
        train::{Allowances, TrainPlan, train},
    },
};
use forecasting::{
    counts::{self, Counts},
    time::Day,
};
use google_cloud::CloudSettings;
use model::TrainRecipe;
use reqwest::{StatusCode, Url};
use shared::{
    address::{Address, ProjectId},
    bus::Message,
    clock::{Clock, SystemClock},
    event::{DriftCheckRequested, Event, Function, Topic},
    ports::Ports,
    settings::PortAddresses,
};
use tempfile::TempDir;
use tests::eventually::eventually;
use tokio::task::JoinSet;

use crate::{
    place,
    process::{Process, free_port, program},
    sample,
};

/// The number of days written concurrently.
const CONCURRENT_WRITES: usize = 4;

/// The functions that judge a week and replace the champion, in the order of the flow.
pub(crate) const CHAIN: [Function; 4] = [
    Function::DriftCheck,
    Function::FineTune,
    Function::Evaluate,
    Function::Promote,
];

/// The settings of a [`TestSystem`].
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// The functions to start.
    pub(crate) functions: Vec<Function>,
    /// The value of `POLICY`.
    pub(crate) policy: &'static str,
    /// The value of `FINE_TUNE`.
    pub(crate) fine_tune: &'static str,
    /// The address of MLflow for the functions, if a proxy replaces the server's own.
    pub(crate) mlflow: Option<Url>,
    /// Additional variables of the functions.
    pub(crate) variables: Vec<(&'static str, String)>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            functions: Function::ALL.to_vec(),
            // Few counters drift in fewer columns than the default policy requires.
            policy: r#"{"drift_share":0.1}"#,
            fine_tune: r#"{"strategy":"append","learning_rate":0.1,"epochs":60}"#,
            mlflow: None,
            variables: Vec::new(),
        }
    }
}

/// The running system, with a champion and the daily tables of all days except the last.
pub(crate) struct TestSystem {
    pub(crate) ports: Ports,
    pub(crate) project: ProjectId,
    pub(crate) cloud: CloudSettings,
    pub(crate) known: Counts,
    pub(crate) last_day: Day,
    processes: BTreeMap<Function, Process>,
    variables: BTreeMap<&'static str, String>,
    _open_data: OpenDataServer,
    _folder: TempDir,
}

impl TestSystem {
    pub(crate) async fn with(options: Options) -> Self {
        let (project, bucket) = (place::project(), place::bucket());
        let cloud = CloudSettings {
            mlflow_model: Some(place::unique("model")),
            ..place::cloud()
        };
        set_up::bucket(&project, &bucket, &cloud).await.unwrap();
        set_up::tables(&project, &cloud).await.unwrap();
        let addresses = PortAddresses {
            store: Address::Bucket(bucket.clone()),
            warehouse: Address::BigQuery(project.clone()),
            registry: Address::Mlflow(place::mlflow()),
            bus: Address::PubSub(project.clone()),
        };
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let ports = runtime::open(&addresses, &cloud, Arc::clone(&clock))
            .await
            .unwrap();

        let folder = tempfile::tempdir().unwrap();
        let (known, last_day) = seed(&ports, folder.path()).await;
        let open_data = OpenDataServer::start(known.clone(), clock).await.unwrap();
        let mlflow = options.mlflow.clone().unwrap_or_else(place::mlflow);
        let mut variables = variables(&options, &addresses, &cloud, &mlflow, open_data.base());
        variables.extend(options.variables.iter().cloned());
        let mut system = Self {
            ports,
            project,
            cloud,
            known,
            last_day,
            processes: BTreeMap::new(),
            variables,
            _open_data: open_data,
            _folder: folder,
        };
        let ports: BTreeMap<_, _> = options
            .functions
            .iter()
            .map(|function| (*function, free_port()))
            .collect();
        let endpoint =
            |(function, port): (&Function, &u16)| (*function, format!("http://127.0.0.1:{port}/"));
        let endpoints = ports.iter().map(endpoint).collect();
        for (function, port) in ports {
            system.start(function, port).await;
        }
        set_up::subscriptions(
            &system.project,
            &endpoints,
            &system.cloud,
            set_up::Delivery::quick(),
        )
        .await
        .unwrap();
        system
    }

    /// Publishes an event.
    pub(crate) async fn publish<E: Event>(&self, event: &E) {
        self.publish_message(E::TOPIC, Message::of_event(event))
            .await;
    }

    /// Requests the check of the week of the last day.
    pub(crate) async fn request_check(&self) {
        self.publish(&DriftCheckRequested {
            week: Some(self.last_day.week()),
            ..DriftCheckRequested::default()
        })
        .await;
    }

    pub(crate) async fn publish_message(&self, topic: Topic, message: Message) {
        self.ports.publisher.publish(topic, message).await.unwrap();
    }

    /// Waits for an audit row with a decision, and returns the number of such rows.
    pub(crate) async fn wait_for_decision(&self, function: Function, decision: &str) -> usize {
        let condition = format!("{function} to decide `{decision}`");
        eventually(&condition, async || {
            let rows = self.decisions().await;
            let found = rows
                .iter()
                .filter(|row| **row == (function, decision.to_owned()))
                .count();
            (found > 0).then_some(found)
        })
        .await
    }

    /// Returns the decisions after the training of the champion, in the order of the audit log.
    pub(crate) async fn decisions(&self) -> Vec<(Function, String)> {
        let log = self.ports.warehouse.audit_log().await.unwrap();
        log.into_iter()
            .skip(1)
            .map(|row| (row.function, row.entry.decision))
            .collect()
    }

    /// Asserts the decisions after the training of the champion.
    pub(crate) async fn assert_decisions<const N: usize>(&self, expected: [(Function, &str); N]) {
        let expected = expected.map(|(function, decision)| (function, decision.to_owned()));
        assert_eq!(self.decisions().await, expected);
    }

    /// Returns a command that runs a program with the settings of this system.
    pub(crate) fn command(&self, name: &str) -> Command {
        let mut command = Command::new(program(name));
        command.env_clear().envs(&self.variables);
        command
    }

    /// Kills the process of a function with SIGKILL.
    pub(crate) fn kill(&mut self, function: Function) {
        self.processes.get_mut(&function).unwrap().kill();
    }

    /// Starts a killed function again, on the same port.
    pub(crate) async fn restart(&mut self, function: Function) {
        let port = self.processes.remove(&function).unwrap().port;
        self.start(function, port).await;
    }

    /// Starts a second process of a function. Pub/Sub pushes nothing to it.
    ///
    /// `variables` override the settings of the system.
    pub(crate) async fn start_another(
        &self,
        function: Function,
        variables: impl IntoIterator<Item = (&'static str, String)>,
    ) -> Process {
        let mut all = self.variables.clone();
        all.extend(variables);
        Process::start(function, free_port(), &all).await
    }

    /// Returns the status and the text of a function's readiness probe.
    pub(crate) async fn readiness(&self, function: Function) -> (StatusCode, String) {
        self.processes[&function].readiness().await
    }

    /// Waits until a function has logged `message` at least `times` times since its start.
    pub(crate) async fn wait_for_log(&self, function: Function, message: &str, times: usize) {
        self.wait_for_logs(function, &[message], times).await;
    }

    /// Waits until a function has logged any of `messages` at least `times` times in all since its
    /// start.
    pub(crate) async fn wait_for_logs(&self, function: Function, messages: &[&str], times: usize) {
        let process = &self.processes[&function];
        let condition = format!(
            "{function} to log `{}` {times} times",
            messages.join("` or `")
        );
        eventually(&condition, async || {
            let logged: usize = messages.iter().map(|message| process.count(message)).sum();
            (logged >= times).then_some(())
        })
        .await;
    }

    async fn start(&mut self, function: Function, port: u16) {
        let process = Process::start(function, port, &self.variables).await;
        self.processes.insert(function, process);
    }
}

/// Trains a champion of three rounds and writes the daily tables of all days except the last.
///
/// Three rounds make any fine-tuned model better. Returns all counts and the last day.
pub(crate) async fn seed(ports: &Ports, folder: &Path) -> (Counts, Day) {
    let inputs = sample::small(&folder.join("data"));
    let state = State::at(&folder.join("state")).unwrap();
    let recipe = TrainRecipe {
        rounds: 3,
        ..TrainRecipe::default()
    };
    let mut known = counts::read_file(inputs.test.as_ref(), &mut Vec::new()).unwrap();
    known.extend(&counts::read_file(inputs.live.as_ref(), &mut Vec::new()).unwrap());
    let plan = TrainPlan {
        train_path: inputs.train,
        test_path: inputs.test,
        data_source: "local",
        recipe,
        environment: "local".to_owned(),
        allow: Allowances {
            worse_than_naive: true,
            ..Allowances::default()
        },
    };
    train(ports, &state, &plan).await.unwrap();
    let last_day = known.period().unwrap().1.day();
    let days: Vec<_> = known
        .rows_per_day()
        .into_keys()
        .filter(|day| *day < last_day)
        .collect();
    for days in days.chunks(CONCURRENT_WRITES) {
        let mut writes = JoinSet::new();
        for day in days.iter().copied() {
            let (warehouse, counts) = (Arc::clone(&ports.warehouse), known.days(day, day));
            writes.spawn(async move {
                warehouse
                    .replace_counts(day, &counts, day.plus(1).at(6))
                    .await
                    .unwrap()
            });
        }
        writes.join_all().await;
    }
    (known, last_day)
}

fn variables(
    options: &Options,
    addresses: &PortAddresses,
    cloud: &CloudSettings,
    mlflow: &Url,
    open_data: &Url,
) -> BTreeMap<&'static str, String> {
    let PortAddresses {
        store: Address::Bucket(bucket),
        bus: Address::PubSub(project),
        ..
    } = addresses
    else {
        unreachable!("the addresses are those of the emulators")
    };
    let origin =
        |emulator: &Option<google_cloud::EmulatorHost>| emulator.as_ref().unwrap().origin();
    [
        ("GCS_BUCKET", bucket.to_string()),
        ("GOOGLE_CLOUD_PROJECT", project.to_string()),
        ("MLFLOW_TRACKING_URI", mlflow.to_string()),
        ("MLFLOW_MODEL_NAME", cloud.mlflow_model.clone().unwrap()),
        ("STORAGE_EMULATOR_HOST", origin(&cloud.storage_emulator)),
        ("BIGQUERY_EMULATOR_HOST", origin(&cloud.bigquery_emulator)),
        ("PUBSUB_EMULATOR_HOST", origin(&cloud.pubsub_emulator)),
        ("OPEN_DATA_URL", open_data.to_string()),
        ("POLICY", options.policy.to_owned()),
        ("FINE_TUNE", options.fine_tune.to_owned()),
        ("PUSH_AUDIENCE", "off".to_owned()),
        ("LEASE_SECONDS", "3".to_owned()),
        ("ENVIRONMENT", "test".to_owned()),
    ]
    .into()
}
