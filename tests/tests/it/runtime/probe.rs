//! A handler that performs the actions a test sets.

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
    notifier::Notification,
    store::{Condition, Store},
};
use tests::eventually::eventually;
use tokio::sync::Semaphore;

/// The handler's reaction to an event.
#[derive(Clone, Copy, Debug)]
pub(super) enum Action {
    Succeed,
    /// Wait for [`Probe::open_gate`], then succeed.
    WaitAndSucceed,
    /// Return an event for a topic that the function does not declare.
    PublishToUndeclaredTopic,
    FailPermanently,
    /// Fail permanently with the event of the first day.
    FailAfterFirstDay,
    FailTransiently,
    Panic,
}

/// The handler's reaction to a handled event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Show {
    #[default]
    Nothing,
    /// Check the fence.
    Check,
    Panic,
}

/// A handler that writes one object per event and returns one event per day.
pub(super) struct Probe {
    store: Arc<dyn Store>,
    actions: Mutex<VecDeque<Action>>,
    runs: AtomicUsize,
    gate: Semaphore,
    is_ready: AtomicBool,
    contexts: Mutex<Vec<Context>>,
    show: Mutex<Show>,
    /// The decision of each shown event, and `true` if the delivery held its lease.
    shown: Mutex<Vec<(String, bool)>>,
}

impl Probe {
    /// Creates a handler that performs one action per event, then succeeds.
    pub(super) fn new(store: Arc<dyn Store>, actions: &[Action]) -> Self {
        Self {
            store,
            actions: Mutex::new(actions.iter().copied().collect()),
            runs: AtomicUsize::new(0),
            gate: Semaphore::new(0),
            is_ready: AtomicBool::new(true),
            contexts: Mutex::default(),
            show: Mutex::default(),
            shown: Mutex::default(),
        }
    }

    /// Returns the number of times the handler has started.
    pub(super) fn runs(&self) -> usize {
        self.runs.load(Ordering::SeqCst)
    }

    /// Returns the context of each run.
    pub(super) fn contexts(&self) -> Vec<Context> {
        self.contexts.lock().unwrap().clone()
    }

    pub(super) fn set_show(&self, show: Show) {
        *self.show.lock().unwrap() = show;
    }

    /// Returns the decision of each shown event, with `true` if the delivery held its lease.
    pub(super) fn shown(&self) -> Vec<(String, bool)> {
        self.shown.lock().unwrap().clone()
    }

    /// Waits until the handler has started `runs` times.
    pub(super) async fn wait_for_runs(&self, runs: usize) {
        eventually("the handler to start", async || {
            (self.runs() >= runs).then_some(())
        })
        .await;
    }

    /// Lets one waiting run continue.
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
        context.fence.check().await?;
        self.store
            .write(&path, text.into(), Condition::Always)
            .await?;
        let mut outcome = Outcome::new(AuditEntry::new("ingested", "scripted success"));
        let (first, last) = event.days(context.published_at);
        for day in first.through(last) {
            let event_id = EventId::of(Function::Ingest, day);
            outcome = outcome.publish(&DayIngested {
                event_id,
                day,
                rows: 24,
            });
        }
        Ok(outcome.notify(announcement(context)))
    }
}

/// Returns the message of a handled event.
fn announcement(context: &Context) -> Notification {
    Notification {
        title: format!("{}: ingested", context.event_id),
        reason: "scripted success".to_owned(),
        page: None,
    }
}

impl Handler for Probe {
    const FUNCTION: Function = Function::Ingest;
    const PUBLISHES: &'static [Topic] = &[Topic::DayIngested];
    type Event = IngestRequested;

    async fn handle(&self, event: IngestRequested, context: &Context) -> Result<Outcome, Error> {
        self.runs.fetch_add(1, Ordering::SeqCst);
        self.contexts.lock().unwrap().push(context.clone());
        let action = self
            .actions
            .lock()
            .unwrap()
            .pop_front()
            .unwrap_or(Action::Succeed);
        let cause = std::io::Error::other("the cause");
        match action {
            Action::Succeed => self.succeed(&event, context).await,
            Action::WaitAndSucceed => {
                self.gate.acquire().await.unwrap().forget();
                self.succeed(&event, context).await
            }
            Action::PublishToUndeclaredTopic => {
                let outcome = Outcome::new(AuditEntry::new("ingested", "scripted success"));
                Ok(outcome.publish(&DriftCheckRequested::default()))
            }
            Action::FailPermanently => {
                Err(Error::permanent("cannot ingest the day").caused_by(cause))
            }
            Action::FailAfterFirstDay => {
                let (day, _) = event.days(context.published_at);
                let event_id = EventId::of(Function::Ingest, day);
                let ingested = DayIngested {
                    event_id,
                    day,
                    rows: 24,
                };
                Err(Error::permanent("cannot ingest the second day").publish(&ingested))
            }
            Action::FailTransiently => {
                Err(Error::transient("cannot reach the open data service").caused_by(cause))
            }
            Action::Panic => panic!("scripted panic"),
        }
    }

    async fn show(&self, context: &Context, entry: &AuditEntry) {
        let show = *self.show.lock().unwrap();
        if show == Show::Nothing {
            return;
        }
        let holds_lease = context.fence.check().await.is_ok();
        let shown = (entry.decision.clone(), holds_lease);
        self.shown.lock().unwrap().push(shown);
        assert!(show != Show::Panic, "scripted panic");
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
