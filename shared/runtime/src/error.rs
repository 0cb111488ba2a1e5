//! Errors of handlers, and which of them pass.

use std::{error::Error as StdError, fmt};

use shared::{
    audit::AuditEntry,
    bus::dead_letter::cut,
    retryability::{Classify, Retryability},
};

/// Errors quote what they are about, which may be a message of megabytes; a line of the log has at most 256 kB.
const LONGEST_TEXT_BYTES: usize = 100_000;

/// Why an event could not be handled.
#[derive(Debug)]
pub struct Error {
    retryability: Retryability,
    /// What was attempted; `None` where the cause says it well enough.
    attempt: Option<String>,
    cause: Option<Box<dyn StdError + Send + Sync>>,
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.attempt, &self.cause) {
            (Some(attempt), _) => formatter.write_str(attempt),
            (None, Some(cause)) => cause.fmt(formatter),
            (None, None) => formatter.write_str("the event could not be handled"),
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
    /// Makes an error that no repetition helps against, from a sentence that says what is wrong and what to do.
    pub fn permanent(attempt: impl Into<String>) -> Self {
        Self {
            retryability: Retryability::Permanent,
            attempt: Some(attempt.into()),
            cause: None,
        }
    }

    /// Makes an error that may be gone on the next delivery.
    pub fn transient(attempt: impl Into<String>) -> Self {
        Self {
            retryability: Retryability::Transient,
            ..Self::permanent(attempt)
        }
    }

    /// Adds the cause.
    #[must_use]
    pub fn caused_by(self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self {
            cause: Some(source.into()),
            ..self
        }
    }

    /// Tells whether it helps to try again.
    pub const fn retryability(&self) -> Retryability {
        self.retryability
    }

    /// Returns the error and all its causes on one line.
    pub fn chain(&self) -> String {
        let (mut text, mut next) = (self.to_string(), self.source());
        while let Some(cause) = next {
            text = format!("{text}: {cause}");
            next = cause.source();
        }
        text
    }

    /// Makes the entry of a message that becomes a dead letter.
    pub(super) fn into_dead_letter(self) -> AuditEntry {
        let error_message = Some(cut(&self.chain(), LONGEST_TEXT_BYTES));
        AuditEntry {
            error_message,
            ..AuditEntry::new("dead-lettered", cut(&self.to_string(), LONGEST_TEXT_BYTES))
        }
    }
}

impl<E: Classify + Send + Sync + 'static> From<E> for Error {
    fn from(error: E) -> Self {
        // The error's own text says what was attempted on which object.
        Self {
            retryability: error.retryability(),
            attempt: None,
            cause: Some(Box::new(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use shared::store::StoreError;

    use super::*;

    #[test]
    fn the_chain_names_every_cause_once() {
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
    fn what_cannot_be_understood_is_hopeless_and_what_is_away_passes() {
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
