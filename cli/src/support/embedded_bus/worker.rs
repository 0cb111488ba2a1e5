//! The delivery task of a subscription.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use shared::{
    address::ObjectPath,
    bus::{Log, LogPublisher, LoggedMessage, Message, Publisher, dead_letter},
    event::Topic,
    store::{Condition, Store, StoreError, read_json, write_json},
};
use tokio::{sync::Notify, task::JoinSet};

use super::{Delivery, DeliveryPolicy, Replay, Subscription, delivery::push};

/// The interval at which the log is polled for messages of other processes.
const POLL: Duration = Duration::from_millis(250);

/// The position of a subscription, stored at `bus/subscriptions/NAME.json`; see
/// [`Function::subscription`](shared::event::Function::subscription).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct State {
    /// The number of the first message that was not read yet.
    next: u64,
    /// The unacknowledged messages before `next`, with their numbers of failed attempts.
    pending: BTreeMap<u64, u32>,
}

impl State {
    /// Reads the state of a subscription. Without one, no message was read yet.
    pub(super) async fn read(store: &dyn Store, name: &str) -> Result<Self, StoreError> {
        match read_json(store, &state_path(name)).await {
            Ok((state, _)) => Ok(state),
            Err(StoreError::NotFound { .. }) => Ok(Self::default()),
            Err(error) => Err(error),
        }
    }

    /// Returns `true` if the message with this number is not settled.
    pub(super) fn is_waiting(&self, number: u64) -> bool {
        number >= self.next || self.pending.contains_key(&number)
    }

    /// Adds the messages before `end` to the pending ones.
    ///
    /// A message that a person has deleted is pending until its first attempt, and does not hold up
    /// the messages after it.
    pub(super) fn read_to(&mut self, end: u64) {
        self.pending
            .extend((self.next..end).map(|number| (number, 0)));
        self.next = self.next.max(end);
    }
}

/// The delivery task of a subscription.
pub(super) struct SubscriptionWorker {
    pub(super) subscription: Subscription,
    pub(super) topic: Topic,
    /// The name of the subscription.
    pub(super) name: String,
    pub(super) policy: DeliveryPolicy,
    pub(super) log: Arc<Log>,
    pub(super) publisher: Arc<LogPublisher>,
    pub(super) http: reqwest::Client,
    pub(super) state: Mutex<State>,
    pub(super) changed: Notify,
    pub(super) settled: AtomicU64,
    pub(super) dead_letters: AtomicU64,
}

impl SubscriptionWorker {
    pub(super) async fn run(self: Arc<Self>) {
        let mut deliveries = JoinSet::<u64>::new();
        let mut not_before = BTreeMap::<u64, Instant>::new();
        let mut outstanding = std::collections::BTreeSet::new();
        loop {
            // Created before reading the log: otherwise, a message appended in between would wait
            // for the next poll.
            let appended = self.log.appended();
            if let Err(error) = self.read_log().await {
                tracing::error!(subscription = %self.name, error = %error, "cannot read the bus log");
            }
            let capacity = self
                .policy
                .maximum_outstanding
                .saturating_sub(deliveries.len());
            for number in self
                .due(&not_before, &outstanding)
                .into_iter()
                .take(capacity)
            {
                outstanding.insert(number);
                not_before.remove(&number);
                let worker = Arc::clone(&self);
                deliveries.spawn(async move {
                    worker.attempt(number).await;
                    number
                });
            }
            let has_capacity = deliveries.len() < self.policy.maximum_outstanding;
            let next_due = not_before.values().min().filter(|_| has_capacity);
            let wake = next_due.map_or(POLL, |due| {
                due.saturating_duration_since(Instant::now()).min(POLL)
            });
            tokio::select! {
                Some(done) = deliveries.join_next() => {
                    // The message of a panicked attempt remains pending.
                    let Ok(number) = done else { continue };
                    outstanding.remove(&number);
                    let failed_attempts = self.state().pending.get(&number).copied();
                    if let Some(failed) = failed_attempts {
                        not_before.insert(number, Instant::now() + self.policy.backoff(failed));
                    }
                }
                () = appended => {}
                () = self.changed.notified() => not_before.clear(),
                () = tokio::time::sleep(wake) => {}
            }
        }
    }

    /// Adds the messages published since the last call to the pending ones.
    async fn read_log(&self) -> Result<(), StoreError> {
        loop {
            let next = self.state().next;
            if !self.log.has(self.topic, next).await? {
                return Ok(());
            }
            let mut state = self.state();
            state.pending.insert(next, 0);
            state.next = next + 1;
        }
    }

    fn due(
        &self,
        not_before: &BTreeMap<u64, Instant>,
        outstanding: &std::collections::BTreeSet<u64>,
    ) -> Vec<u64> {
        let now = Instant::now();
        let is_due = |number: &&u64| {
            !outstanding.contains(number) && not_before.get(number).is_none_or(|due| *due <= now)
        };
        self.state()
            .pending
            .keys()
            .filter(is_due)
            .copied()
            .collect()
    }

    /// Delivers a message once and records the outcome.
    async fn attempt(&self, number: u64) {
        let failed = self
            .state()
            .pending
            .get(&number)
            .copied()
            .unwrap_or_default();
        let message = match self.log.read(self.topic, number).await {
            Ok(Some(message)) => message,
            Ok(None) => return self.settle(number).await,
            Err(error) => {
                tracing::error!(subscription = %self.name, error = %error, "cannot read a bus message");
                return self.fail(number, failed + 1).await;
            }
        };
        let outcome = push(
            &self.http,
            &self.subscription.endpoint,
            &self.name,
            &message,
            failed + 1,
        )
        .await;
        match outcome {
            Delivery::Acknowledged => self.settle(number).await,
            Delivery::Refused(reason) if failed + 1 >= self.policy.maximum_attempts => {
                self.dead_letter_message(number, message, failed + 1, reason)
                    .await;
            }
            Delivery::Refused(reason) => {
                tracing::warn!(subscription = %self.name, message_id = %message.message_id.0, attempt = failed + 1, reason, "push failed, will be retried");
                self.fail(number, failed + 1).await;
            }
        }
    }

    /// Dead-letters a message, with the attributes that Pub/Sub adds and the last failure.
    async fn dead_letter_message(
        &self,
        number: u64,
        message: LoggedMessage,
        attempts: u32,
        reason: String,
    ) {
        let function = self.subscription.function;
        let mut attributes = message.attributes;
        attributes.insert(
            dead_letter::DELIVERY_COUNT_ATTRIBUTE.to_owned(),
            attempts.to_string(),
        );
        attributes.insert(
            dead_letter::SUBSCRIPTION_ATTRIBUTE.to_owned(),
            self.name.clone(),
        );
        attributes.insert(
            dead_letter::PROJECT_ATTRIBUTE.to_owned(),
            "local".to_owned(),
        );
        attributes.insert(
            dead_letter::PUBLISH_TIME_ATTRIBUTE.to_owned(),
            message.published_at.to_string(),
        );
        attributes.insert(
            dead_letter::REASON_ATTRIBUTE.to_owned(),
            format!("failed after {attempts} attempts: {reason}"),
        );
        let data = message.data.to_bytes();
        tracing::error!(subscription = %self.name, message_id = %message.message_id.0, attempts, reason, "message dead-lettered");
        match self
            .publisher
            .publish(Topic::DeadLetter(function), Message { data, attributes })
            .await
        {
            Ok(_) => {
                self.dead_letters.fetch_add(1, Ordering::SeqCst);
                self.settle(number).await;
            }
            Err(error) => {
                tracing::error!(error = %error, "cannot publish a dead letter");
                self.fail(number, attempts).await;
            }
        }
    }

    async fn settle(&self, number: u64) {
        self.state().pending.remove(&number);
        self.save().await;
        self.settled.fetch_add(1, Ordering::SeqCst);
    }

    async fn fail(&self, number: u64, failed_attempts: u32) {
        self.state().pending.insert(number, failed_attempts);
        self.save().await;
    }

    async fn save(&self) {
        let state = self.state().clone();
        let path = state_path(&self.name);
        if let Err(error) = write_json(self.log.store(), &path, &state, Condition::Always).await {
            // After a restart, the messages are delivered again, which is idempotent.
            tracing::error!(subscription = %self.name, error = %error, "cannot store the subscription state");
        }
    }

    pub(super) async fn replay(&self, replay: Replay) -> Result<usize, StoreError> {
        let (mut messages, end) = (0, self.state().next);
        for number in 0..end {
            let message = self.log.read(self.topic, number).await?;
            if message
                .is_some_and(|message| (replay.from..replay.to).contains(&message.published_at))
            {
                self.state().pending.insert(number, 0);
                messages += 1;
            }
        }
        self.save().await;
        self.changed.notify_one();
        Ok(messages)
    }

    pub(super) async fn is_busy(&self) -> bool {
        let (next, is_pending) = {
            let state = self.state();
            (state.next, !state.pending.is_empty())
        };
        is_pending || self.log.has(self.topic, next).await.unwrap_or(true)
    }

    fn state(&self) -> parking_lot::MutexGuard<'_, State> {
        self.state.lock()
    }
}

fn state_path(name: &str) -> ObjectPath {
    ObjectPath::new(format_args!("bus/subscriptions/{name}.json"))
}
