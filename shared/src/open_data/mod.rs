//! The open data of Paris: the counts of a day, as the city publishes them.

mod reply;

use async_trait::async_trait;
use bytes::Bytes;
use forecasting::time::Day;

pub use reply::{ReplyError, read_reply};

/// The publisher of counts.
#[async_trait]
pub trait OpenData: Send + Sync {
    /// Returns the published counts of a day, as they came: JSON, to be read by [`read_reply`].
    async fn day(&self, day: Day) -> Result<Bytes, OpenDataError>;
}

/// What a caller does differently.
#[derive(Debug, thiserror::Error)]
pub enum OpenDataError {
    /// The service says that the request is wrong, which no repetition mends.
    #[error("the open data service refused {url} with status {status}: {answer}")]
    Refused {
        /// What was asked.
        url: String,
        /// The HTTP status.
        status: u16,
        /// The beginning of the answer.
        answer: String,
    },
    /// The reply is larger than a day can be.
    #[error("the reply to {url} is larger than {limit_bytes} bytes")]
    TooLarge {
        /// What was asked.
        url: String,
        /// The limit.
        limit_bytes: usize,
    },
    /// The service is away, busy or broken at present.
    #[error("cannot fetch {url}")]
    Unavailable {
        /// What was asked.
        url: String,
        /// Why not.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}
