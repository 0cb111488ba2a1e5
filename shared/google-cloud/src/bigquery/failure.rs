//! Errors of BigQuery.

use std::{fmt, time::Duration};

use gcp_bigquery_client::{
    error::{BQError, ResponseError},
    model::error_proto::ErrorProto,
};
use google_cloud_auth::errors::CredentialsError;
use reqwest::StatusCode;
use shared::warehouse::tables::RowError;

use crate::HttpError;

/// The reasons of transient errors, independent of the status: BigQuery sends some of them with
/// 403. See <https://cloud.google.com/bigquery/docs/error-messages>.
const TRANSIENT_REASONS: [&str; 7] = [
    "backendError",
    "internalError",
    "jobBackendError",
    "jobInternalError",
    "jobRateLimitExceeded",
    "rateLimitExceeded",
    "tableUnavailable",
];

/// The cause of a failed request. The wrapping error names the table.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// There are no valid credentials.
    #[error("cannot get an access token")]
    Token(#[source] CredentialsError),
    /// The service rejected the request and gave reasons.
    #[error("the service responded with {status}: {}", Reasons(.reasons))]
    Refused {
        status: u16,
        reasons: Vec<ErrorProto>,
    },
    /// The service could not be reached or timed out, or its response is not in BigQuery's format,
    /// for example that of a proxy.
    #[error(transparent)]
    Unexplained(HttpError),
    /// A query has no valid response: not BigQuery's JSON, or a truncated one.
    #[error("no valid response from the service")]
    Response(#[source] reqwest::Error),
    /// The query was accepted but failed.
    #[error("the query failed: {}", Reasons(.reasons))]
    Query { reasons: Vec<ErrorProto> },
    /// The load job was accepted but failed.
    #[error("the load job {id} failed: {}", Reasons(.reasons))]
    Job {
        id: String,
        reasons: Vec<ErrorProto>,
    },
    /// The job did not finish within the time limit; its outcome is unknown.
    #[error("the job {id} is not done after {} s", .waited.as_secs())]
    Slow { id: String, waited: Duration },
    /// Other processes took each free id of the load job.
    #[error("other processes took each free id up to {id}; the next attempt continues from there")]
    Used { id: String },
    /// The reply lacks a field that the documentation guarantees.
    #[error("the response of the service has no {what}")]
    Incomplete { what: &'static str },
    /// The client itself failed.
    #[error("cannot call the service")]
    Client(#[source] BQError),
    /// A row does not match the schema.
    #[error(transparent)]
    Row(#[from] RowError),
}

impl Failure {
    /// Returns `true` if a retry may succeed.
    pub(super) fn is_retryable(&self) -> bool {
        match self {
            Self::Response(_) => true,
            Self::Unexplained(http_error) => http_error.is_retryable(),
            Self::Refused { status, reasons } => {
                let status = StatusCode::from_u16(*status).unwrap_or_default();
                status == StatusCode::TOO_MANY_REQUESTS
                    || status.is_server_error()
                    || is_retryable(reasons)
            }
            Self::Query { reasons } | Self::Job { reasons, .. } => is_retryable(reasons),
            Self::Token(error) => error.is_transient(),
            Self::Slow { .. }
            | Self::Used { .. }
            | Self::Incomplete { .. }
            | Self::Client(_)
            | Self::Row(_) => false,
        }
    }

    /// Parses BigQuery's reasons from a rejected request. Returns `None` if the response is not in
    /// BigQuery's error format, for example from a proxy.
    pub(super) fn explained(http_error: &HttpError) -> Option<Self> {
        let HttpError::Status { status, text } = http_error else {
            return None;
        };
        let response = serde_json::from_str::<ResponseError>(text).ok()?;
        Some(Self::Refused {
            status: status.as_u16(),
            reasons: reasons_of(response),
        })
    }

    /// Returns `true` if the service responded with this status.
    pub(super) fn is_status(&self, expected: StatusCode) -> bool {
        match self {
            Self::Refused { status, .. } => *status == expected,
            Self::Unexplained(http_error) => http_error.status() == Some(expected),
            _ => false,
        }
    }

    /// Returns `true` if the service rejected the statement itself. It also rejects a statement on
    /// daily tables because of another table with their prefix.
    pub(super) fn is_invalid_query(&self) -> bool {
        let (Self::Query { reasons } | Self::Refused { reasons, .. }) = self else {
            return false;
        };
        reasons
            .iter()
            .any(|reason| matches!(reason.reason.as_deref(), Some("invalid" | "invalidQuery")))
    }

    /// Returns `true` if the dataset exists but no daily table matches the query.
    pub(super) fn is_missing_daily_tables(&self) -> bool {
        let (Self::Query { reasons } | Self::Refused { reasons, .. }) = self else {
            return false;
        };
        reasons
            .iter()
            .filter_map(|reason| reason.message.as_deref())
            .any(|message| {
                // The second form is the emulator's message.
                message.contains("does not match any table")
                    || message.contains("Not found: Table") && message.contains('*')
            })
    }
}

impl From<HttpError> for Failure {
    fn from(http_error: HttpError) -> Self {
        Self::explained(&http_error).unwrap_or(Self::Unexplained(http_error))
    }
}

impl From<BQError> for Failure {
    fn from(error: BQError) -> Self {
        match error {
            BQError::RequestError(source) if source.is_decode() => Self::Response(source),
            BQError::RequestError(source) => Self::Unexplained(HttpError::Connection(source)),
            BQError::ResponseError { error } => Self::Refused {
                status: error.error.code.try_into().unwrap_or_default(),
                reasons: reasons_of(error),
            },
            other => Self::Client(other),
        }
    }
}

fn reasons_of(response: ResponseError) -> Vec<ErrorProto> {
    let reason = response
        .error
        .errors
        .first()
        .and_then(|first| first.get("reason"))
        .cloned();
    vec![ErrorProto {
        reason,
        message: Some(response.error.message),
        ..ErrorProto::default()
    }]
}

fn is_retryable(reasons: &[ErrorProto]) -> bool {
    reasons
        .iter()
        .filter_map(|reason| reason.reason.as_deref())
        .any(|reason| TRANSIENT_REASONS.contains(&reason))
}

/// Displays reasons on one line, with advice.
struct Reasons<'a>(&'a [ErrorProto]);

impl fmt::Display for Reasons<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut written: Vec<(&str, &str)> = Vec::new();
        for error in self.0 {
            let pair = (
                error.reason.as_deref().unwrap_or("no reason"),
                error.message.as_deref().unwrap_or_default(),
            );
            // Jobs list their final error twice.
            if written.contains(&pair) {
                continue;
            }
            let (reason, message) = pair;
            let separator = if written.is_empty() { "" } else { "; " };
            write!(
                formatter,
                "{separator}{reason}: {}{}",
                message.replace(char::is_control, " "),
                advice(reason)
            )?;
            written.push(pair);
        }
        Ok(())
    }
}

fn advice(reason: &str) -> &'static str {
    match reason {
        "accessDenied" => {
            " (check that the dataset exists, and grant the account roles/bigquery.jobUser on the project and \
             roles/bigquery.dataEditor on the dataset, or roles/bigquery.dataViewer for reading only)"
        }
        "notFound" => {
            " (run `terraform apply` to create the datasets and the audit log, and set BQ_LOCATION to their location)"
        }
        _ => "",
    }
}
