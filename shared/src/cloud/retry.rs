//! How often and how long a call over HTTP is tried: once per client, the same for all of them.
//!
//! Google's own clients are given the same numbers; the calls that they do not know (uploads to BigQuery, MLflow) go
//! through [`send`].

use std::{fmt, future::IntoFuture, time::Duration};

use backon::{ExponentialBuilder, Retryable};
use reqwest::{Client, RequestBuilder, Response, StatusCode};

/// How long a connection may take to come about.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long one try may take.
pub const TRY_TIME_LIMIT: Duration = Duration::from_secs(60);
/// How long a call may take with all its tries; shorter than the deadline of a push subscription.
pub const TIME_LIMIT: Duration = Duration::from_secs(120);

/// How often a call is tried.
pub const TRIES: usize = 5;
/// The pause before the second try, doubled before each further one; chance makes each a little different.
pub const FIRST_DELAY: Duration = Duration::from_millis(200);
/// The longest pause between two tries.
pub const LONGEST_DELAY: Duration = Duration::from_secs(10);
/// How much of a service's answer goes into an error.
const SHOWN_CHARACTERS: usize = 500;

/// Makes a client with the time limits.
///
/// # Errors
/// When the machine's TLS cannot be set up.
pub fn http_client() -> reqwest::Result<Client> {
    Client::builder().connect_timeout(CONNECT_TIMEOUT).timeout(TRY_TIME_LIMIT).build()
}

/// Sends a request; on 429, 5xx and a connection that fails it is sent again, with growing, random pauses.
///
/// # Errors
/// What the service said in the end: a status that is none of success is an error too.
pub async fn send(request: RequestBuilder) -> Result<Response, Refusal> {
    send_while(request, Refusal::may_pass).await
}

/// As [`send`], for a service that has other ways, too, to say that the same call may succeed a little later.
///
/// # Errors
/// As [`send`].
pub async fn send_while(request: RequestBuilder, may_pass: impl Fn(&Refusal) -> bool) -> Result<Response, Refusal> {
    let attempt = || async {
        // Only a body that is streamed cannot be copied, and none is.
        let copy = request.try_clone().ok_or(Refusal::Once)?;
        let response = copy.send().await.map_err(Refusal::Connection)?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let text = response.text().await.unwrap_or_default();
        Err(Refusal::Status { status, text })
    };
    let tries = attempt.retry(pauses()).when(may_pass).notify(note_repetition);
    tokio::time::timeout(TIME_LIMIT, tries.into_future()).await.unwrap_or(Err(Refusal::TimeLimit))
}

/// Returns the pauses between the tries of a call: growing, random, few.
pub fn pauses() -> ExponentialBuilder {
    ExponentialBuilder::default()
        .with_min_delay(FIRST_DELAY)
        .with_max_delay(LONGEST_DELAY)
        .with_max_times(TRIES - 1)
        .with_jitter()
}

/// Logs that a call is tried again.
pub fn note_repetition(error: &impl fmt::Display, pause: Duration) {
    tracing::debug!(%error, pause_ms = pause.as_millis(), "trying again");
}

/// Why a service did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// It could not be reached, or did not answer in time.
    #[error("the service does not answer")]
    Connection(#[source] reqwest::Error),
    /// It answered no.
    #[error("the service answered {status}: {}", Shown(.text))]
    Status {
        /// With which status.
        status: StatusCode,
        /// And which text.
        text: String,
    },
    /// All tries together took too long.
    #[error("the service has not answered within {} s", TIME_LIMIT.as_secs())]
    TimeLimit,
    /// The request cannot be sent more than once.
    #[error("the request cannot be repeated")]
    Once,
}

impl Refusal {
    /// Returns the status, if there was an answer.
    pub const fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Status { status, .. } => Some(*status),
            Self::Connection(_) | Self::TimeLimit | Self::Once => None,
        }
    }

    /// Tells whether the same call may succeed a little later.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Connection(_) | Self::TimeLimit => true,
            Self::Status { status, .. } => *status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error(),
            Self::Once => false,
        }
    }
}

/// The beginning of a text, on one line.
struct Shown<'a>(&'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = |letter: char| if letter.is_control() { ' ' } else { letter };
        self.0.chars().take(SHOWN_CHARACTERS).map(line).try_for_each(|letter| fmt::Write::write_char(formatter, letter))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use axum::{Router, routing::get};
    use tokio::net::TcpListener;

    use super::*;

    /// Serves a status for the first calls and 200 afterwards; returns its address and the number of calls so far.
    async fn server(status: StatusCode, refusals: usize) -> (String, Arc<AtomicUsize>) {
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&calls);
        let answer = move || async move {
            if counted.fetch_add(1, Ordering::SeqCst) < refusals {
                (status, "no\nreally")
            } else {
                (StatusCode::OK, "")
            }
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}/", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, Router::new().route("/", get(answer))).await });
        (address, calls)
    }

    #[tokio::test]
    async fn passing_trouble_is_waited_out() {
        for status in [StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE] {
            let (address, calls) = server(status, 2).await;
            send(http_client().unwrap().get(address)).await.unwrap();
            assert_eq!(calls.load(Ordering::SeqCst), 3, "{status}");
        }
    }

    #[tokio::test]
    async fn a_no_is_a_no() {
        let (address, calls) = server(StatusCode::NOT_FOUND, 2).await;
        let refusal = send(http_client().unwrap().get(address)).await.unwrap_err();
        assert_eq!((calls.load(Ordering::SeqCst), refusal.status()), (1, Some(StatusCode::NOT_FOUND)));
        assert_eq!(refusal.to_string(), "the service answered 404 Not Found: no really");
    }
}
