//! The error type of handlers: permanent or transient.

use std::{error::Error as StdError, fmt};

use shared::{
    audit::AuditEntry,
    bus::dead_letter::truncate,
    error_text::with_causes,
    event::{Event, encode},
    ledger::RecordedEvent,
    retryability::{Classify, Retryability},
};

use crate::redact::redact;

/// The maximum size of an error text. Errors may quote a message of several megabytes, and Cloud
/// Logging limits an entry to 256 kB.
const LONGEST_TEXT_BYTES: usize = 100_000;

/// An error that occurred while handling an event.
#[derive(Debug)]
pub struct Error {
    retryability: Retryability,
    /// The description of the failed operation; `None` if the cause describes it.
    attempt: Option<String>,
    cause: Option<Box<dyn StdError + Send + Sync>>,
    /// The events of the work that was done nevertheless.
    events: Vec<RecordedEvent>,
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.attempt, &self.cause) {
            (Some(attempt), _) => formatter.write_str(attempt),
            (None, Some(cause)) => cause.fmt(formatter),
            (None, None) => formatter.write_str("cannot handle the event"),
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        let cause: &(dyn StdError + 'static) = self.cause.as_deref()?;
        if self.attempt.is_some() {
            Some(cause)
        } else {
            cause.source()
        }
    }
}

impl Error {
    /// Creates a permanent error, which a retry cannot fix. `attempt` describes the failure and its
    /// remedy.
    pub fn permanent(attempt: impl Into<String>) -> Self {
        Self {
            retryability: Retryability::Permanent,
            attempt: Some(attempt.into()),
            cause: None,
            events: Vec::new(),
        }
    }

    /// Creates a transient error, which may not recur on the next delivery.
    pub fn transient(attempt: impl Into<String>) -> Self {
        Self {
            retryability: Retryability::Transient,
            ..Self::permanent(attempt)
        }
    }

    /// Sets the cause of the error. An attempt with the text of the cause is left out, so that no
    /// chain has the same sentence twice.
    #[must_use]
    pub fn caused_by(self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        let cause = source.into();
        let text = cause.to_string();
        Self {
            retryability: self.retryability,
            attempt: self.attempt.filter(|attempt| *attempt != text),
            cause: Some(cause),
            events: self.events,
        }
    }

    /// Adds an event of work that was done although the message becomes a dead letter. The event is
    /// published before the dead letter. A transient error publishes nothing, because the next
    /// delivery repeats the work.
    #[must_use]
    pub fn publish<E: Event>(mut self, event: &E) -> Self {
        self.events.push(RecordedEvent {
            topic: E::TOPIC,
            data: String::from_utf8_lossy(&encode(event)).into_owned(),
        });
        self
    }

    /// Returns the events to publish.
    pub fn events(&self) -> &[RecordedEvent] {
        &self.events
    }

    /// Returns whether the error is permanent or transient.
    pub const fn retryability(&self) -> Retryability {
        self.retryability
    }

    /// Returns the error and its causes on one line, separated by colons and without credentials.
    pub fn chain(&self) -> String {
        redact(&with_causes(self)).into_owned()
    }

    /// Creates the audit entry of a dead-lettered message.
    pub(super) fn into_dead_letter(self) -> AuditEntry {
        let error_message = Some(truncate(&self.chain(), LONGEST_TEXT_BYTES));
        AuditEntry {
            error_message,
            ..AuditEntry::new(
                "dead-lettered",
                truncate(&redact(&self.to_string()), LONGEST_TEXT_BYTES),
            )
        }
    }
}

impl<E: Classify + Send + Sync + 'static> From<E> for Error {
    fn from(error: E) -> Self {
        // The text of the error already names the operation and the object.
        Self {
            retryability: error.retryability(),
            attempt: None,
            cause: Some(Box::new(error)),
            events: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use shared::store::StoreError;

    use super::*;

    #[test]
    fn chain_names_each_cause_once() {
        let disk = std::io::Error::other("disk full");
        let error = Error::from(StoreError::Unavailable {
            verb: "write",
            address: "memory://a".to_owned(),
            source: disk.into(),
        });
        assert_eq!(
            error.chain(),
            "cannot write the object memory://a: disk full"
        );
        assert_eq!(error.retryability(), Retryability::Transient);
    }

    #[test]
    fn attempt_that_repeats_its_cause_is_left_out() {
        let disk = || std::io::Error::other("disk full");
        let error = Error::transient("disk full").caused_by(disk());
        assert_eq!(error.chain(), "disk full");
        let quoting = Error::permanent("cannot write: disk full").caused_by(disk());
        assert_eq!(quoting.chain(), "cannot write: disk full");
    }

    #[test]
    fn echoed_authorization_is_not_part_of_the_chain() {
        let answer = std::io::Error::other("401: no: Bearer tok-geheim-en");
        let error = Error::permanent("cannot read Basic dTpw").caused_by(answer);
        assert_eq!(error.chain(), "cannot read Basic …: 401: no: Bearer …");
        let entry = error.into_dead_letter();
        assert_eq!(entry.reason, "cannot read Basic …");
    }

    #[test]
    fn retryability_follows_the_cause() {
        let address = || "memory://a".to_owned();
        assert_eq!(
            Error::from(StoreError::NotFound { address: address() }).retryability(),
            Retryability::Permanent
        );
        assert_eq!(
            Error::from(StoreError::ConditionFailed { address: address() }).retryability(),
            Retryability::Transient
        );
    }
}
