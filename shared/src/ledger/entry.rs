//! Entries of the ledger, as they are stored.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{audit::AuditEntry, event::Topic, notifier::Notification};

/// An entry of the ledger, stored at `ledger/FUNCTION/EVENT_ID.json`.
///
/// An entry that is not complete carries three facts through all changes of its state: the start of
/// the first handling, the dead letter of the event, and the outcome that a delivery has decided.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum Entry {
    /// A delivery is being handled.
    InProgress {
        /// The start of the handling.
        since: Timestamp,
        /// The start of the first handling of the event; `None` in entries of earlier versions.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        first: Option<Timestamp>,
        /// The end of the lease.
        expires: Timestamp,
        /// The checksum of the message that is a dead letter of the event, if there is one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        dead_letter: Option<String>,
        /// The outcome of the event, once it is decided.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        outcome: Option<Box<RecordedOutcome>>,
    },
    /// The last delivery failed; the next one can start immediately.
    Released {
        /// The time of the failure.
        at: Timestamp,
        /// The start of the first handling of the event; `None` in entries of earlier versions.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        first: Option<Timestamp>,
        /// The error, with all causes.
        reason: String,
        /// The checksum of the message that is a dead letter of the event, if there is one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        dead_letter: Option<String>,
        /// The outcome of the event, once it is decided.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        outcome: Option<Box<RecordedOutcome>>,
    },
    /// The event has been handled.
    Complete {
        /// The time of completion.
        at: Timestamp,
        /// The decision, as in the audit log.
        decision: String,
        /// The events that the handler published.
        events: Vec<RecordedEvent>,
    },
    /// The message failed permanently and was published as a dead letter.
    DeadLettered {
        /// The time of the failure.
        at: Timestamp,
        /// The error, with all causes.
        reason: String,
        /// The checksum of the message. It tells a repeated delivery of that message from another
        /// message with the same event.
        #[serde(default)]
        message: String,
    },
}

/// A published event, stored so that it can be published again byte for byte.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RecordedEvent {
    /// The topic it was published to.
    pub topic: Topic,
    /// The event as JSON text.
    pub data: String,
}

/// The outcome of an event. It is recorded before the audit row is written, so a delivery that
/// takes the event over writes the same row and publishes the same events.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RecordedOutcome {
    /// The time of the decision, as in the audit log.
    pub at: Timestamp,
    /// The decision and its reason, as in the audit log.
    pub entry: AuditEntry,
    /// The events to publish.
    #[serde(default)]
    pub events: Vec<RecordedEvent>,
    /// The message to people, which is sent once the event is complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notification: Option<Notification>,
    /// `true` if the event failed permanently, so its message becomes a dead letter.
    #[serde(default)]
    pub is_failure: bool,
}
