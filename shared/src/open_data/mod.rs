//! The open data of Paris: the counts of a day as published by the city.

mod reply;

use async_trait::async_trait;
use bytes::Bytes;
use forecasting::time::Day;

use crate::retryability::{Classify, Retryability};

pub use reply::{MAXIMUM_RECORDS, Response, ResponseError, parse_response, shortened};

/// The port for the published counts.
#[async_trait]
pub trait OpenData: Send + Sync {
    /// Returns the published counts of a day as JSON for [`parse_response`].
    async fn day(&self, day: Day) -> Result<Bytes, OpenDataError>;
}

/// The error type of [`OpenData`], with one variant per reaction of the caller.
#[derive(Debug, thiserror::Error)]
pub enum OpenDataError {
    /// The service has rejected the request. A retry cannot succeed.
    #[error("the open data service rejected {url} with status {status}: {answer}")]
    Refused {
        /// The requested URL.
        url: String,
        /// The HTTP status code.
        status: u16,
        /// The start of the response body.
        answer: String,
    },
    /// The response is larger than the counts of a day can be.
    #[error("the response from {url} exceeds {limit_bytes} bytes")]
    TooLarge {
        /// The requested URL.
        url: String,
        /// The limit in bytes.
        limit_bytes: usize,
    },
    /// The service redirects to another host, which is not followed.
    #[error(
        "{url} redirects to another host, `{location}`, with status {status}; if the service has \
         moved there, set OPEN_DATA_URL to its new URL"
    )]
    Redirected {
        /// The requested URL.
        url: String,
        /// The HTTP status code.
        status: u16,
        /// The target of the redirect.
        location: String,
    },
    /// The service is not available.
    #[error("cannot fetch {url}")]
    Unavailable {
        /// The requested URL.
        url: String,
        /// The cause.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl Classify for OpenDataError {
    fn retryability(&self) -> Retryability {
        match self {
            Self::Unavailable { .. } => Retryability::Transient,
            // Only 301 and 308 are permanent redirects. Others may lead to a maintenance page.
            Self::Redirected { status, .. } if !matches!(status, 301 | 308) => {
                Retryability::Transient
            }
            Self::Refused { .. } | Self::TooLarge { .. } | Self::Redirected { .. } => {
                Retryability::Permanent
            }
        }
    }
}
