//! What a delivery gets back: the one table.

use axum::http::StatusCode;

/// The largest body that is read. A push carries its payload in base64, so this is a message of about 7.5 MiB; events have
/// some hundred bytes.
pub const MAXIMUM_BODY_BYTES: usize = 10 * 1024 * 1024;

/// What came of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The event was handled, by this delivery.
    Done,
    /// The event was handled by an earlier delivery; its events were published again.
    AlreadyDone,
    /// The message can never be handled and is kept in the dead-letter topic.
    DeadLettered,
    /// Another delivery of the event is being handled.
    InProgress,
    /// Transient trouble: the same message may well succeed later.
    Retry,
    /// The request does not show that it is a push of ours; nothing of it was read.
    Unauthorized,
    /// The body is larger than [`MAXIMUM_BODY_BYTES`] and was not read.
    TooLarge,
}

impl Reply {
    /// Returns the status. Pub/Sub takes 204 for an acknowledgement and delivers again after anything else here.
    ///
    /// A hopeless message is answered with success, since with anything else it would be delivered for days.
    pub const fn status(self) -> StatusCode {
        match self {
            Self::Done | Self::AlreadyDone | Self::DeadLettered => StatusCode::NO_CONTENT,
            Self::InProgress | Self::Retry => StatusCode::SERVICE_UNAVAILABLE,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        }
    }
}
