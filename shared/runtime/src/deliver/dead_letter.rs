//! Dead letters of permanently failing messages.

use jiff::Timestamp;
use serde_json::json;
use shared::{
    audit::AuditEntry,
    bus::{Message, dead_letter::DeadLetter},
    event::{EventId, Topic},
    ledger::{Claim, RecordedOutcome},
    notifier::Notification,
    program::Program,
    store::{Condition, StoreError},
};

use super::{Service, retry};
use crate::{Context, Envelope, Error, Fence, Handler, Reply, traces};

/// A message that the function rejects, and the claim on its event.
#[derive(Clone, Copy)]
pub(super) struct Rejection<'a> {
    pub(super) context: &'a Context,
    /// `true` if an earlier message of the event is a dead letter already.
    pub(super) is_dead_letter: bool,
}

/// Returns the outcome of an event that failed permanently.
pub(super) fn failure(error: Error, at: Timestamp) -> RecordedOutcome {
    RecordedOutcome {
        at,
        events: error.events().to_vec(),
        entry: error.into_dead_letter(),
        notification: None,
        is_failure: true,
    }
}

impl<H: Handler> Service<H> {
    /// Makes a message without a valid event a dead letter, unless it is one already.
    pub(super) async fn reject(&self, envelope: Envelope, error: Error) -> Reply {
        let now = self.ports.clock.now();
        let checksum = envelope.checksum().to_string();
        let (event_id, claim) = self.claim_message(&envelope, &checksum, now).await;
        let event_id = &event_id;
        let (fence, is_dead_letter) = match claim {
            // The dead letter of another message with the same id does not stand for this one.
            Ok(Claim::Acquired(lease)) => {
                let is_dead_letter = lease.dead_letter() == Some(checksum.as_str());
                (self.fence(event_id, lease), is_dead_letter)
            }
            // An event has taken the id of this message. The dead letter needs no entry of its own.
            Ok(Claim::Completed(_)) => (Fence::default(), false),
            Ok(Claim::DeadLettered { at, .. }) => {
                tracing::info!(event_id = %event_id, at = %at, "message is a dead letter");
                return Reply::DeadLettered;
            }
            Ok(Claim::InProgress { expires }) => {
                tracing::info!(event_id = %event_id, expires = %expires, "message is being handled by another delivery");
                return Reply::InProgress;
            }
            Err(error) => return retry("cannot read the ledger", error.into()),
        };
        let context = Context {
            event_id: event_id.clone(),
            published_at: envelope.published_at.unwrap_or(now),
            first_started_at: now,
            now,
            fence,
        };
        let rejection = Rejection {
            context: &context,
            is_dead_letter,
        };
        let outcome = failure(error, now);
        self.dead_letter(rejection, envelope, outcome).await
    }

    /// Claims a message without a valid event. Also returns its event id: that of its message id, or
    /// one of its own if another message with this message id is a dead letter. A sender of
    /// CloudEvents may use an id twice, and each message has an audit row.
    async fn claim_message(
        &self,
        envelope: &Envelope,
        checksum: &str,
        now: Timestamp,
    ) -> (EventId, Result<Claim, StoreError>) {
        let event_id = envelope.event_id();
        let claim = self.ledger.claim(&event_id, now).await;
        let Ok(Claim::DeadLettered { message: known, .. }) = &claim else {
            return (event_id, claim);
        };
        if known == checksum {
            return (event_id, claim);
        }
        if known.is_empty() {
            // An earlier version has not recorded which message failed.
            let claim = self.ledger.claim_again(&event_id, now).await;
            return (event_id, claim);
        }
        tracing::warn!(event_id = %event_id, checksum, known, "two messages have one message id");
        let event_id = envelope.event_id_with_checksum();
        let claim = self.ledger.claim(&event_id, now).await;
        (event_id, claim)
    }

    /// Publishes a permanently failing message as a dead letter, with the reason, and records it in
    /// the ledger.
    ///
    /// Like any outcome, the failure is recorded in the ledger before the audit row. The audit row
    /// is written before the dead letter is published. Writing the same row again changes nothing,
    /// but publishing again creates a second dead letter. So the events of work that was done are
    /// published before it. The state `dead-lettered` comes last: an
    /// entry in this state without a dead letter would lose the message.
    ///
    /// The event is shown after that, because pages show the state. The delivery has no lease then.
    pub(super) async fn dead_letter(
        &self,
        rejection: Rejection<'_>,
        envelope: Envelope,
        outcome: RecordedOutcome,
    ) -> Reply {
        let Rejection {
            context,
            is_dead_letter,
        } = rejection;
        let fence = &context.fence;
        let work = self.record_dead_letter(rejection, envelope, outcome);
        match self.while_renewing(fence, work).await {
            Ok((reason, entry)) => {
                let event_id = &context.event_id;
                let store = &*self.ports.store;
                let new = Notification::of_dead_letter(H::FUNCTION, event_id, &reason, store);
                let without_lease = Context {
                    fence: Fence::default(),
                    ..context.clone()
                };
                tokio::join!(
                    self.notify(Some(new).filter(|_| !is_dead_letter)),
                    self.show(&without_lease, entry)
                );
                Reply::DeadLettered
            }
            Err(error) => {
                fence.release(&error.chain()).await;
                retry("cannot record the dead letter", error)
            }
        }
    }

    /// Returns the reason in the dead letter, and the entry in the audit log.
    async fn record_dead_letter(
        &self,
        rejection: Rejection<'_>,
        envelope: Envelope,
        outcome: RecordedOutcome,
    ) -> Result<(String, AuditEntry), Error> {
        let Context {
            event_id, fence, ..
        } = rejection.context;
        let now = self.ports.clock.now();
        let checksum = envelope.checksum().to_string();
        let Envelope {
            attributes,
            data,
            published_at,
            ..
        } = envelope;
        fence.record(&outcome).await?;
        let RecordedOutcome {
            at,
            mut entry,
            events,
            ..
        } = outcome;
        traces::record_decision(&entry.decision);
        let reason = entry.error_message.clone().unwrap_or_default();
        if rejection.is_dead_letter {
            tracing::error!(event_id = %event_id, error = %reason, "event failed again, its dead letter is kept");
        } else {
            tracing::error!(event_id = %event_id, error = %reason, "moving message to dead-letter topic");
        }
        // With the time of arrival, a message without a publish time is recognized as republished.
        let dead_letter = DeadLetter::new(
            H::FUNCTION,
            event_id,
            &reason,
            published_at.or(Some(now)),
            Message { data, attributes },
        );
        if let Some((path, contents)) = dead_letter.offloaded {
            entry.detail = json!({ "message": path });
            let store = &self.ports.store;
            store.write(&path, contents, Condition::Always).await?;
        }
        let entry = entry.made_by(&Program::current(), published_at.unwrap_or(now));
        let environment = &self.settings.environment;
        let row = entry.into_row(at, H::FUNCTION, event_id.clone(), environment);
        self.ports.warehouse.record(&row).await?;
        self.try_publish(&events).await?;
        if !rejection.is_dead_letter {
            let topic = Topic::DeadLetter(H::FUNCTION);
            let publisher = &self.ports.publisher;
            publisher.publish(topic, dead_letter.message).await?;
        }
        fence.dead_letter(&reason, &checksum).await?;
        Ok((reason, row.entry))
    }
}
