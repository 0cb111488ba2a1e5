//! The world of a schedule: stores, clock, bus, instances of the functions, and their deliveries.
//!
//! Handlers run behind the real delivery code, in a runtime with one thread and a paused clock.
//! Between two steps of a schedule, every process waits at a gate, for another process or for time.

use std::sync::{Arc, Mutex};

use axum::{
    Router,
    body::Body,
    http::{Request, StatusCode},
};
use forecasting::policy::Policy;
use jiff::SignedDuration;
use runtime::ServiceSettings;
use shared::{
    Timestamp,
    clock::{Clock, SimulatedClock},
    event::Function,
    ports::Ports,
};
use tokio::task::JoinHandle;
use tower::ServiceExt;

use crate::{
    bus::{Bus, FUNCTIONS},
    commands,
    facts::{Author, Work},
    gate::{Gates, ProcessId},
    observer::Observer,
    ports::Services,
    template::Template,
};

/// The lease of a ledger entry, as in production.
pub(crate) const LEASE: SignedDuration = SignedDuration::from_secs(60);
/// The number of instances of each function. An instance handles one delivery at a time.
const INSTANCES: usize = 2;
/// The start of a schedule: the morning after the first day.
const START: &str = "2021-07-20T04:00:00Z";

/// An instance of a function.
struct Instance {
    function: Function,
    process: ProcessId,
    router: Router,
    is_busy: bool,
}

/// A delivery in progress.
struct Delivery {
    message: usize,
    instance: usize,
    process: ProcessId,
    task: JoinHandle<StatusCode>,
}

/// An operator's command or a training in progress.
struct Command {
    process: ProcessId,
    task: JoinHandle<String>,
}

/// The world of a schedule.
pub(crate) struct World {
    pub(crate) services: Services,
    /// One line per step.
    pub(crate) trace: Vec<String>,
    instances: Vec<Instance>,
    deliveries: Vec<Delivery>,
    commands: Vec<Command>,
    processes: u32,
    works: u64,
}

impl World {
    /// Creates a world in the prepared state.
    pub(crate) async fn new(template: &Template) -> Self {
        let clock = SimulatedClock::new(START.parse().unwrap());
        let stores = template.stores().await;
        let observer = Observer::new(stores.clone(), clock.clone());
        let services = Services {
            stores,
            gates: Arc::new(Gates::default()),
            observer: Arc::new(observer),
            bus: Arc::new(Mutex::new(Bus::default())),
            city: Arc::default(),
            clock,
        };
        let mut world = Self {
            services,
            trace: Vec::new(),
            instances: Vec::new(),
            deliveries: Vec::new(),
            commands: Vec::new(),
            processes: 0,
            works: 0,
        };
        // The template's champion was set by one change.
        world.services.observer.facts().champion_changes = 1;
        for function in FUNCTIONS {
            for _ in 0..INSTANCES {
                let instance = world.start_instance(function);
                world.instances.push(instance);
            }
        }
        world
    }

    /// Returns the present time.
    pub(crate) fn now(&self) -> Timestamp {
        self.services.clock.now()
    }

    /// Adds a line to the trace.
    pub(crate) fn say(&mut self, line: impl std::fmt::Display) {
        let (step, now) = (self.trace.len(), self.now());
        self.trace.push(format!("{step:4} {now} {line}"));
    }

    /// Describes the work of a process.
    pub(crate) fn describe(&self, process: ProcessId) -> String {
        let facts = self.services.observer.facts();
        let author = facts.works.get(&process).map(|work| &work.author);
        author.map_or_else(
            || process.to_string(),
            |author| format!("{process} ({author})"),
        )
    }

    /// Runs all tasks until each waits. The order is that of their wake-ups.
    pub(crate) async fn run_tasks(&self) {
        // A task that yields runs again once no other task can run. More than one round, because
        // the first may wake a task through a timer.
        for _ in 0..4 {
            tokio::task::yield_now().await;
        }
    }

    /// Moves the clock, and with it the timers of all processes.
    pub(crate) async fn advance(&self, by: SignedDuration) {
        self.services.clock.set(self.now() + by);
        tokio::time::advance(by.unsigned_abs()).await;
        self.run_tasks().await;
    }

    /// Moves the clock by a millisecond, so that no two steps have the same time.
    pub(crate) fn tick(&self) {
        self.services
            .clock
            .set(self.now() + SignedDuration::from_millis(1));
    }

    /// Returns an instance of a function that has no delivery.
    pub(crate) fn idle_instance(&self, function: Function) -> Option<usize> {
        self.instances
            .iter()
            .position(|instance| instance.function == function && !instance.is_busy)
    }

    /// Returns `true` if an instance of the function has a delivery.
    pub(crate) fn is_busy(&self, function: Function) -> bool {
        self.instances
            .iter()
            .any(|instance| instance.function == function && instance.is_busy)
    }

    /// Returns `true` if a delivery, a command or a training is in progress.
    pub(crate) fn has_work(&self) -> bool {
        !self.deliveries.is_empty() || !self.commands.is_empty()
    }

    /// Returns the processes with work in progress.
    pub(crate) fn working(&self) -> Vec<ProcessId> {
        let deliveries = self.deliveries.iter().map(|delivery| delivery.process);
        let commands = self.commands.iter().map(|command| command.process);
        deliveries.chain(commands).collect()
    }

    /// Pushes a message to an instance.
    pub(crate) async fn deliver(&mut self, message: usize, instance: usize) {
        let published = self.services.bus.lock().unwrap().messages[message].clone();
        let key = published.key().unwrap();
        let process = self.instances[instance].process;
        self.begin(process, Author::Delivery(key));
        self.say(format_args!(
            "deliver {} to {}",
            published.id,
            self.describe(process)
        ));
        let request = Request::post("/")
            .header("content-type", "application/json")
            .body(Body::from(published.push().to_string()))
            .unwrap();
        let router = self.instances[instance].router.clone();
        let task = tokio::spawn(async move { router.oneshot(request).await.unwrap().status() });
        self.instances[instance].is_busy = true;
        self.deliveries.push(Delivery {
            message,
            instance,
            process,
            task,
        });
        self.run_tasks().await;
    }

    /// Starts the rollback of an operator.
    pub(crate) async fn start_rollback(&mut self) {
        let process = self.start_process();
        self.begin(process, Author::Operator);
        self.say(format_args!("{process}: an operator rolls back"));
        let task = tokio::spawn(commands::roll_back(self.services.ports(process)));
        self.commands.push(Command { process, task });
        self.run_tasks().await;
    }

    /// Starts the end of a training, which saves one of two models of the same run.
    pub(crate) async fn start_training(&mut self, template: &Template, position: usize) {
        let process = self.start_process();
        self.begin(process, Author::Training);
        self.say(format_args!("{process}: a training saves model {position}"));
        let model = Arc::clone(&template.retrained[position]);
        let task = tokio::spawn(commands::register(self.services.ports(process), model));
        self.commands.push(Command { process, task });
        self.run_tasks().await;
    }

    /// Ends a process in the middle of its work. Its message is delivered again.
    pub(crate) fn crash(&mut self, process: ProcessId) {
        self.say(format_args!("{} crashes", self.describe(process)));
        self.services.gates.stop(process);
        self.commands.retain(|command| command.process != process);
        let position = self
            .deliveries
            .iter()
            .position(|delivery| delivery.process == process);
        let Some(position) = position else {
            return;
        };
        let delivery = self.deliveries.remove(position);
        delivery.task.abort();
        self.requeue(delivery.message);
        let function = self.instances[delivery.instance].function;
        self.instances[delivery.instance] = self.start_instance(function);
    }

    /// Adds a message to the queue again.
    pub(crate) fn requeue(&self, message: usize) {
        self.services.bus.lock().unwrap().queue.push(message);
    }

    /// Collects the finished deliveries and commands. Returns message and status of each delivery.
    pub(crate) async fn collect(&mut self) -> Vec<(usize, StatusCode)> {
        let mut finished = Vec::new();
        while let Some(position) = self
            .deliveries
            .iter()
            .position(|delivery| delivery.task.is_finished())
        {
            let delivery = self.deliveries.remove(position);
            let status = delivery.task.await.unwrap();
            self.instances[delivery.instance].is_busy = false;
            self.say(format_args!(
                "{} responds with status {}",
                self.describe(delivery.process),
                status.as_u16()
            ));
            finished.push((delivery.message, status));
        }
        while let Some(position) = self
            .commands
            .iter()
            .position(|command| command.task.is_finished())
        {
            let command = self.commands.remove(position);
            let outcome = command.task.await.unwrap();
            self.say(format_args!(
                "{} ends: {outcome}",
                self.describe(command.process)
            ));
        }
        finished
    }

    fn start_process(&mut self) -> ProcessId {
        self.processes += 1;
        ProcessId(self.processes)
    }

    fn start_instance(&mut self, function: Function) -> Instance {
        let process = self.start_process();
        let ports = self.services.ports(process);
        Instance {
            function,
            process,
            router: self.router(function, process, &ports),
            is_busy: false,
        }
    }

    /// Returns the service of a function, as its process runs it.
    fn router(&self, function: Function, process: ProcessId, ports: &Ports) -> Router {
        let settings = ServiceSettings {
            lease: LEASE,
            ..ServiceSettings::default()
        };
        match function {
            Function::Ingest => {
                let handler = ingest::Ingest::new(self.services.open_data(process), ports);
                runtime::router(Arc::new(handler), ports, &settings)
            }
            Function::Predict => {
                runtime::router(Arc::new(predict::Predict::new(ports)), ports, &settings)
            }
            _ => {
                let handler = promote::Promote::new(Policy::default(), ports);
                runtime::router(Arc::new(handler), ports, &settings)
            }
        }
    }

    /// Records the start of the work of a process.
    fn begin(&mut self, process: ProcessId, author: Author) {
        self.works += 1;
        let mut facts = self.services.observer.facts();
        let work = Work {
            number: self.works,
            author,
            started_at: self.services.clock.now(),
            forecasts: facts.forecasts.clone(),
            checked_at: None,
        };
        facts.works.insert(process, work);
    }
}
