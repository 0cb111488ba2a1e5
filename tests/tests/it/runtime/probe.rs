//! A handler that does what a test tells it to.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use axum::{Router, routing::get};
use runtime::{Context, Error, Handler, Outcome};
use shared::{
    address::ObjectPath,
    audit::AuditEntry,
    event::{DayIngested, DriftCheckRequested, EventId, Function, IngestRequested, Topic},
    store::{Condition, Store},
};
use tests::eventually::eventually;
use tokio::sync::Semaphore;

/// What the handler does with an event.
#[derive(Clone, Copy, Debug)]
pub(super) enum Turn {
    Succeed,
    /// Succeed, but only after [`Probe::open_gate`].
    WaitAndSucceed,
    /// Lead to an event of a topic that the function does not name.
    ExceedRights,
    FailPermanently,
    FailForTheMoment,
    Panic,
}

/// A handler that writes one object per event and leads to one event per day.
pub(super) struct Probe {
    store: Arc<dyn Store>,
    turns: Mutex<VecDeque<Turn>>,
    runs: AtomicUsize,
    gate: Semaphore,
    is_ready: AtomicBool,
    contexts: Mutex<Vec<Context>>,
}

impl Probe {
    /// Takes these turns, one an event, and succeeds after them.
    pub(super) fn new(store: Arc<dyn Store>, turns: &[Turn]) -> Self {
        Self {
            store,
            turns: Mutex::new(turns.iter().copied().collect()),
            runs: AtomicUsize::new(0),
            gate: Semaphore::new(0),
            is_ready: AtomicBool::new(true),
            contexts: Mutex::default(),
        }
    }

    /// Returns how often the handler has begun.
    pub(super) fn runs(&self) -> usize {
        self.runs.load(Ordering::SeqCst)
    }

    /// Returns what the handler was told.
    pub(super) fn contexts(&self) -> Vec<Context> {
        self.contexts.lock().unwrap().clone()
    }

    /// Waits until the handler has begun this often.
    pub(super) async fn has_begun(&self, runs: usize) {
        eventually("the handler to begin", async || {
            (self.runs() >= runs).then_some(())
        })
        .await;
    }

    /// Lets one waiting event go on.
    pub(super) fn open_gate(&self) {
        self.gate.add_permits(1);
    }

    pub(super) fn set_ready(&self, is_ready: bool) {
        self.is_ready.store(is_ready, Ordering::SeqCst);
    }

    /// Returns the contents of the objects that the handler wrote.
    pub(super) async fn effects(&self, store: &dyn Store) -> Vec<String> {
        let mut effects = Vec::new();
        for path in store.list("raw/").await.unwrap() {
            let bytes = store.read(&path).await.unwrap().bytes;
            effects.push(String::from_utf8(bytes.into()).unwrap());
        }
        effects
    }

    async fn succeed(&self, event: &IngestRequested, context: &Context) -> Result<Outcome, Error> {
        let path: ObjectPath = format!("raw/{}/counts.csv", context.event_id.subject())
            .parse()
            .unwrap();
        let text = format!("the counts of {}", context.event_id);
        self.store
            .write(&path, text.into(), Condition::Always)
            .await?;
        let mut outcome = Outcome::of(AuditEntry::new("ingested", "it was told to"));
        let (first, last) = event.days(context.published_at);
        for day in first.through(last) {
            let event_id = EventId::of(Function::Ingest, day);
            outcome = outcome.publish(&DayIngested {
                event_id,
                day,
                rows: 24,
            });
        }
        Ok(outcome)
    }
}

impl Handler for Probe {
    const FUNCTION: Function = Function::Ingest;
    const PUBLISHES: &'static [Topic] = &[Topic::DayIngested];
    type Event = IngestRequested;

    async fn handle(&self, event: IngestRequested, context: &Context) -> Result<Outcome, Error> {
        self.runs.fetch_add(1, Ordering::SeqCst);
        self.contexts.lock().unwrap().push(context.clone());
        let turn = self
            .turns
            .lock()
            .unwrap()
            .pop_front()
            .unwrap_or(Turn::Succeed);
        let cause = std::io::Error::other("the cause of it");
        match turn {
            Turn::Succeed => self.succeed(&event, context).await,
            Turn::WaitAndSucceed => {
                self.gate.acquire().await.unwrap().forget();
                self.succeed(&event, context).await
            }
            Turn::ExceedRights => {
                let outcome = Outcome::of(AuditEntry::new("ingested", "it was told to"));
                Ok(outcome.publish(&DriftCheckRequested::default()))
            }
            Turn::FailPermanently => {
                Err(Error::permanent("the day cannot be ingested").caused_by(cause))
            }
            Turn::FailForTheMoment => {
                Err(Error::transient("the city does not answer").caused_by(cause))
            }
            Turn::Panic => panic!("the handler was told to"),
        }
    }

    async fn ready(&self) -> Result<(), Error> {
        if self.is_ready.load(Ordering::SeqCst) {
            Ok(())
        } else {
            Err(Error::transient("the model is not loaded"))
        }
    }

    fn routes(self: Arc<Self>) -> Router {
        Router::new().route("/runs", get(async move || self.runs().to_string()))
    }
}
