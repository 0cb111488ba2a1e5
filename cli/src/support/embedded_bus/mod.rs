//! The embedded bus, which delivers the messages of a log to HTTP endpoints.
//!
//! Push, backoff, dead-lettering and replay behave as in Pub/Sub.

mod delivery;
mod worker;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use jiff::Timestamp;
use parking_lot::Mutex;
use shared::{
    bus::LogPublisher,
    event::Function,
    store::{Store, StoreError},
};
use tokio::{sync::Notify, task::JoinSet};
use worker::{State, SubscriptionWorker};

pub use delivery::{Delivery, DeliveryPolicy};

/// A function's subscriptions to its input topics.
#[derive(Clone, Debug)]
pub struct Subscription {
    /// The function. The bus has one subscription for each of its input topics.
    pub function: Function,
    /// The URL that messages are pushed to.
    pub endpoint: String,
}

/// The messages to deliver again.
#[derive(Clone, Copy, Debug)]
pub struct Replay {
    /// The function to deliver to; all functions if `None`.
    pub function: Option<Function>,
    /// The earliest publish time.
    pub from: Timestamp,
    /// The end of the publish times, exclusive.
    pub to: Timestamp,
}

/// Returns the number of messages in a log that wait for a function: published, and neither
/// acknowledged nor dead-lettered.
///
/// # Errors
/// Returns an error if the log or the state of a subscription cannot be read.
pub async fn waiting(store: &dyn Store, function: Function) -> Result<usize, StoreError> {
    let mut waiting = 0;
    for topic in function.inputs() {
        let state = State::read(store, &function.subscription(*topic)).await?;
        let folder = format!("bus/topics/{topic}/");
        let paths = store.list(&folder).await?;
        let numbers = paths.iter().filter_map(|path| -> Option<u64> {
            let name = path.as_str().strip_prefix(&folder)?;
            name.strip_suffix(".json")?.parse().ok()
        });
        waiting += numbers.filter(|number| state.is_waiting(*number)).count();
    }
    Ok(waiting)
}

/// A bus that delivers the messages of a log to subscriptions, with one task per function and input
/// topic.
///
/// Dropping the bus stops the tasks. The next bus on this log redelivers unacknowledged messages.
pub struct EmbeddedBus {
    workers: Vec<Arc<SubscriptionWorker>>,
    _tasks: JoinSet<()>,
}

impl EmbeddedBus {
    /// Starts to deliver from the stored position of each subscription.
    ///
    /// # Errors
    /// Returns an error if the state of a subscription cannot be read.
    pub async fn start(
        publisher: Arc<LogPublisher>,
        subscriptions: Vec<Subscription>,
        policy: DeliveryPolicy,
    ) -> Result<Self, StoreError> {
        let http = reqwest::Client::builder()
            .timeout(policy.acknowledgement_deadline)
            .build();
        let http = http.unwrap_or_default();
        let (mut workers, mut tasks) = (Vec::new(), JoinSet::new());
        let mut inputs = Vec::new();
        for subscription in subscriptions {
            for topic in subscription.function.inputs() {
                inputs.push((subscription.clone(), *topic));
            }
        }
        for (subscription, topic) in inputs {
            let log = publisher.log();
            let name = subscription.function.subscription(topic);
            let mut state = State::read(log.store(), &name).await?;
            state.read_to(log.end(topic).await?);
            let worker = Arc::new(SubscriptionWorker {
                subscription,
                topic,
                name,
                policy,
                log,
                publisher: Arc::clone(&publisher),
                http: http.clone(),
                state: Mutex::new(state),
                changed: Notify::new(),
                settled: AtomicU64::new(0),
                dead_letters: AtomicU64::new(0),
            });
            tasks.spawn(Arc::clone(&worker).run());
            workers.push(worker);
        }
        Ok(Self {
            workers,
            _tasks: tasks,
        })
    }

    /// Waits until every message is acknowledged or dead-lettered.
    pub async fn idle(&self) {
        loop {
            let before = self.activity();
            let mut busy = false;
            for worker in &self.workers {
                busy |= worker.is_busy().await;
            }
            // A function publishes before it acknowledges. The bus is idle only if no message was
            // appended or settled while the workers were checked.
            if !busy && self.activity() == before {
                return;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Delivers the messages of a period again and returns their number.
    ///
    /// # Errors
    /// Returns an error if the log cannot be read.
    pub async fn replay(&self, replay: Replay) -> Result<usize, StoreError> {
        let mut messages = 0;
        for worker in &self.workers {
            if replay
                .function
                .is_none_or(|function| function == worker.subscription.function)
            {
                messages += worker.replay(replay).await?;
            }
        }
        Ok(messages)
    }

    /// Returns the number of messages that the bus dead-lettered since its start.
    ///
    /// Dead letters that functions publish themselves are not included.
    pub fn dead_letters(&self) -> u64 {
        self.workers
            .iter()
            .map(|worker| worker.dead_letters.load(Ordering::SeqCst))
            .sum()
    }

    fn activity(&self) -> u64 {
        let settled = self
            .workers
            .iter()
            .map(|worker| worker.settled.load(Ordering::SeqCst))
            .sum::<u64>();
        let appended = self
            .workers
            .first()
            .map_or(0, |worker| worker.log.appends());
        settled + appended
    }
}
