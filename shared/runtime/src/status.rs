//! The replies to deliveries and their HTTP statuses.

use axum::http::StatusCode;

/// The maximum size of a request body in bytes.
///
/// A push has its payload in base64, so this corresponds to a message of about 7.5 MiB. Events have
/// a few hundred bytes.
pub const MAXIMUM_BODY_BYTES: usize = 10 * 1024 * 1024;

/// The result of a delivery. The order is from the best to the worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reply {
    /// This delivery handled the event.
    Done,
    /// An earlier delivery handled the event; its resulting events were published again.
    AlreadyDone,
    /// The message failed permanently and is in the dead-letter topic.
    DeadLettered,
    /// Another delivery is handling the event.
    InProgress,
    /// The delivery failed with a transient error and will be retried.
    Retry,
    /// The request is not authenticated as a push of the subscription; its body was not read.
    Unauthorized,
    /// The caller is authenticated, but is not the push account; the request's body was not read.
    Forbidden,
    /// The body exceeds [`MAXIMUM_BODY_BYTES`] and was not read.
    TooLarge,
}

impl Reply {
    /// Returns the worse of two replies: the reply to a batch is that of its worst event.
    #[must_use]
    pub fn worse(self, other: Self) -> Self {
        self.max(other)
    }

    /// Returns the HTTP status of the reply.
    ///
    /// Pub/Sub treats 204 as an acknowledgement and redelivers after any other status in this
    /// table. A dead-lettered message is therefore acknowledged; otherwise it would be redelivered
    /// for days.
    pub const fn status(self) -> StatusCode {
        match self {
            Self::Done | Self::AlreadyDone | Self::DeadLettered => StatusCode::NO_CONTENT,
            Self::InProgress | Self::Retry => StatusCode::SERVICE_UNAVAILABLE,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        }
    }
}
