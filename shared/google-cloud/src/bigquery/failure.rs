//! Why BigQuery did not do what was asked.

use std::{fmt, time::Duration};

use gcp_bigquery_client::{
    error::{BQError, ResponseError},
    model::error_proto::ErrorProto,
};
use google_cloud_auth::errors::CredentialsError;
use reqwest::StatusCode;

use super::rows::RowError;
use crate::HttpError;

/// Reasons for which the same call or job may succeed a little later, whatever the status is: BigQuery sends some with
/// 403. After <https://cloud.google.com/bigquery/docs/error-messages>.
const PASSING_REASONS: [&str; 7] = [
    "backendError",
    "internalError",
    "jobBackendError",
    "jobInternalError",
    "jobRateLimitExceeded",
    "rateLimitExceeded",
    "tableUnavailable",
];

/// Why BigQuery did not do what was asked; whoever wraps it says which table it was about.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// Nobody says who we are.
    #[error("cannot get an access token")]
    Token(#[source] CredentialsError),
    /// The service could not be reached, did not answer in time, or not in its language.
    #[error("the service does not answer as it should")]
    Connection(#[source] reqwest::Error),
    /// It answered no.
    #[error("the service answered {status}: {}", Reasons(.reasons))]
    Refused {
        status: u16,
        reasons: Vec<ErrorProto>,
    },
    /// It, or something on the way to it, answered no and does not say why.
    #[error(transparent)]
    Unexplained(HttpError),
    /// A query was accepted and failed.
    #[error("the query failed: {}", Reasons(.reasons))]
    Query { reasons: Vec<ErrorProto> },
    /// A load job was accepted and failed.
    #[error("the load job {id} failed: {}", Reasons(.reasons))]
    Job {
        id: String,
        reasons: Vec<ErrorProto>,
    },
    /// A job was accepted and nobody knows yet how it ends.
    #[error("the job {id} is not done after {} s", .waited.as_secs())]
    Slow { id: String, waited: Duration },
    /// Every id that the load job could have is taken.
    #[error("the load job {id} and those before it failed or were replaced by others")]
    Used { id: String },
    /// A reply lacks what its documentation says is always there.
    #[error("the service's answer has no {what}")]
    Incomplete { what: &'static str },
    /// The client itself fails.
    #[error("cannot call the service")]
    Client(#[source] BQError),
    /// A row does not hold what its columns promise.
    #[error(transparent)]
    Row(#[from] RowError),
}

impl Failure {
    /// Tells whether the same call may succeed a little later.
    pub(super) fn is_retryable(&self) -> bool {
        match self {
            Self::Connection(_) => true,
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

    /// Reads what a refusal says, if it is BigQuery that says it and not something on the way.
    pub(super) fn explained(http_error: &HttpError) -> Option<Self> {
        let HttpError::Status { status, text } = http_error else {
            return None;
        };
        let said = serde_json::from_str::<ResponseError>(text).ok()?;
        Some(Self::Refused {
            status: status.as_u16(),
            reasons: reasons_of(said),
        })
    }

    /// Tells whether the service answered with a status.
    pub(super) fn is_status(&self, expected: StatusCode) -> bool {
        matches!(self, Self::Refused { status, .. } if *status == expected)
    }

    /// Tells whether a query names daily tables of which there is none, in a dataset that exists.
    pub(super) fn is_no_daily_table(&self) -> bool {
        let (Self::Query { reasons } | Self::Refused { reasons, .. }) = self else {
            return false;
        };
        reasons
            .iter()
            .filter_map(|reason| reason.message.as_deref())
            .any(|message| {
                // The second is how the emulator says it.
                message.contains("does not match any table")
                    || message.contains("Not found: Table") && message.contains("daily_*")
            })
    }
}

impl From<HttpError> for Failure {
    fn from(http_error: HttpError) -> Self {
        match (Self::explained(&http_error), http_error) {
            (Some(refused), _) => refused,
            (None, HttpError::Connection(source)) => Self::Connection(source),
            (None, other) => Self::Unexplained(other),
        }
    }
}

impl From<BQError> for Failure {
    fn from(error: BQError) -> Self {
        match error {
            BQError::RequestError(source) => Self::Connection(source),
            BQError::ResponseError { error } => Self::Refused {
                status: error.error.code.try_into().unwrap_or_default(),
                reasons: reasons_of(error),
            },
            other => Self::Client(other),
        }
    }
}

fn reasons_of(said: ResponseError) -> Vec<ErrorProto> {
    let reason = said
        .error
        .errors
        .first()
        .and_then(|first| first.get("reason"))
        .cloned();
    vec![ErrorProto {
        reason,
        message: Some(said.error.message),
        ..ErrorProto::default()
    }]
}

fn is_retryable(reasons: &[ErrorProto]) -> bool {
    reasons
        .iter()
        .filter_map(|reason| reason.reason.as_deref())
        .any(|reason| PASSING_REASONS.contains(&reason))
}

/// Reasons on one line, with what to do about them.
struct Reasons<'a>(&'a [ErrorProto]);

impl fmt::Display for Reasons<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut known: Vec<(&str, &str)> = Vec::new();
        for error in self.0 {
            let said = (
                error.reason.as_deref().unwrap_or("no reason"),
                error.message.as_deref().unwrap_or_default(),
            );
            // Jobs say the error that ended them twice.
            if known.contains(&said) {
                continue;
            }
            let (reason, message) = said;
            let separator = if known.is_empty() { "" } else { "; " };
            write!(
                formatter,
                "{separator}{reason}: {}{}",
                message.replace(char::is_control, " "),
                advice(reason)
            )?;
            known.push(said);
        }
        Ok(())
    }
}

fn advice(reason: &str) -> &'static str {
    match reason {
        "accessDenied" => {
            " (the dataset must exist, and the account needs roles/bigquery.jobUser on the project and \
             roles/bigquery.dataEditor on the dataset, or roles/bigquery.dataViewer to read only)"
        }
        "notFound" => {
            " (terraform makes the datasets and the audit log; BQ_LOCATION must say where they are)"
        }
        _ => "",
    }
}
