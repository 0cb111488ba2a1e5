//! How often and how long a call over HTTP is tried: once per client, the same for all of them.
//!
//! Google's own clients are given the same numbers; the calls that they do not know (uploads to BigQuery, MLflow) go
//! through [`send`], those of a client that tries once through [`tried`]. Each repetition is a line of the log.

use std::{fmt, time::Duration};

use backon::{ExponentialBuilder, Retryable};
use google_cloud_gax::{
    error::Error as ClientError, retry_policy::RetryPolicy, retry_result::RetryResult,
    retry_state::RetryState, throttle_result::ThrottleResult,
};
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use tokio::time::timeout;

/// How long a connection may take to come about.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long one try may take.
pub const ATTEMPT_TIME_LIMIT: Duration = Duration::from_secs(60);
/// How long a call may take with all its tries; shorter than the deadline of a push subscription.
pub const TIME_LIMIT: Duration = Duration::from_secs(120);

/// How often a call is tried.
pub const MAX_ATTEMPTS: usize = 5;
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
    Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(ATTEMPT_TIME_LIMIT)
        .build()
}

/// Sends a request; on 429, 5xx and a connection that fails it is sent again, with growing, random pauses.
///
/// # Errors
/// What the service said in the end: a status that is none of success is an error too.
pub async fn send(request: RequestBuilder) -> Result<Response, HttpError> {
    send_while(request, HttpError::is_retryable).await
}

/// As [`send`], for a service that has other ways, too, to say that the same call may succeed a little later.
///
/// # Errors
/// As [`send`].
pub async fn send_while(
    request: RequestBuilder,
    is_retryable: impl Fn(&HttpError) -> bool,
) -> Result<Response, HttpError> {
    let call = || async {
        // Only a body that is streamed cannot be copied, and none is.
        let copy = request.try_clone().ok_or(HttpError::Once)?;
        let response = copy.send().await.map_err(HttpError::Connection)?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let text = response.text().await.unwrap_or_default();
        Err(HttpError::Status { status, text })
    };
    retried(|| name_of(&request), call, is_retryable).await
}

/// Tries a call as often and as long as [`send`] does, where the call itself is one try and may take for ever. `what` names
/// it in the log.
///
/// # Errors
/// What the call said in the end.
pub async fn retried<T, E, Call>(
    what: impl Fn() -> String,
    call: impl Fn() -> Call,
    is_retryable: impl Fn(&E) -> bool,
) -> Result<T, E>
where
    E: fmt::Display + From<HttpError>,
    Call: Future<Output = Result<T, E>>,
{
    retried_within((ATTEMPT_TIME_LIMIT, TIME_LIMIT), what, call, is_retryable).await
}

/// As [`tried`], with limits of time for one try and for all.
async fn retried_within<T, E, Call>(
    (of_one, of_all): (Duration, Duration),
    what: impl Fn() -> String,
    call: impl Fn() -> Call,
    is_retryable: impl Fn(&E) -> bool,
) -> Result<T, E>
where
    E: fmt::Display + From<HttpError>,
    Call: Future<Output = Result<T, E>>,
{
    let too_slow = |limit| Err(HttpError::TimeLimit { limit }.into());
    let attempt = || {
        let call = timeout(of_one, call());
        async move { call.await.unwrap_or_else(|_| too_slow(of_one)) }
    };
    let mut failed = 0;
    let note = |error: &E, pause| {
        failed += 1;
        log_retry(&what(), failed, error, pause);
    };
    let tries = attempt.retry(backoff()).when(is_retryable).notify(note);
    timeout(of_all, tries)
        .await
        .unwrap_or_else(|_| too_slow(of_all))
}

/// Names a request for the log: its method and its address, without a query.
fn name_of(request: &RequestBuilder) -> String {
    let Some(Ok(request)) = request.try_clone().map(RequestBuilder::build) else {
        return "a request".to_owned();
    };
    let mut url = request.url().clone();
    url.set_query(None);
    format!("{} {url}", request.method())
}

/// Returns the pauses between the tries of a call: growing, random, few.
pub fn backoff() -> ExponentialBuilder {
    ExponentialBuilder::default()
        .with_min_delay(FIRST_DELAY)
        .with_max_delay(LONGEST_DELAY)
        .with_max_times(MAX_ATTEMPTS - 1)
        .with_jitter()
}

/// Logs that a call is tried again after so many failed attempts and a pause.
pub fn log_retry(what: &str, attempt: usize, error: &impl fmt::Display, pause: Duration) {
    tracing::info!(what, attempt, %error, pause_ms = pause.as_millis(), "trying again");
}

/// A policy of one of Google's clients, which by themselves do not log that they try again.
#[derive(Debug)]
pub struct LoggedRetryPolicy<P> {
    what: &'static str,
    policy: P,
}

impl<P> LoggedRetryPolicy<P> {
    /// Names the client in the log.
    pub const fn new(what: &'static str, policy: P) -> Self {
        Self { what, policy }
    }
}

impl<P: RetryPolicy> RetryPolicy for LoggedRetryPolicy<P> {
    fn on_error(&self, state: &RetryState, error: ClientError) -> RetryResult {
        let result = self.policy.on_error(state, error);
        if let RetryResult::Continue(error) = &result {
            tracing::info!(what = self.what, attempt = state.attempt_count, %error, "trying again");
        }
        result
    }

    fn on_throttle(&self, state: &RetryState, error: ClientError) -> ThrottleResult {
        self.policy.on_throttle(state, error)
    }

    fn remaining_time(&self, state: &RetryState) -> Option<Duration> {
        self.policy.remaining_time(state)
    }
}

/// Why a service did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// It could not be reached, or did not answer in time.
    #[error("the service does not answer")]
    Connection(#[source] reqwest::Error),
    /// It answered no.
    #[error("the service answered {status}: {}", Truncated(.text))]
    Status {
        /// With which status.
        status: StatusCode,
        /// And which text.
        text: String,
    },
    /// A try, or all tries together, took too long.
    #[error("the service has not answered within {} s", .limit.as_secs())]
    TimeLimit {
        /// How long it could have taken.
        limit: Duration,
    },
    /// The request cannot be sent more than once.
    #[error("the request cannot be repeated")]
    Once,
}

impl HttpError {
    /// Returns the status, if there was an answer.
    pub const fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Status { status, .. } => Some(*status),
            Self::Connection(_) | Self::TimeLimit { .. } | Self::Once => None,
        }
    }

    /// Tells whether the same call may succeed a little later.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Connection(_) | Self::TimeLimit { .. } => true,
            Self::Status { status, .. } => {
                *status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error()
            }
            Self::Once => false,
        }
    }
}

/// The beginning of a text, on one line.
struct Truncated<'a>(&'a str);

impl fmt::Display for Truncated<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = |character: char| {
            if character.is_control() {
                ' '
            } else {
                character
            }
        };
        self.0
            .chars()
            .take(SHOWN_CHARACTERS)
            .map(line)
            .try_for_each(|character| fmt::Write::write_char(formatter, character))
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{self, Write},
        sync::{
            Arc, Mutex,
            atomic::{AtomicUsize, Ordering},
        },
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
        tokio::spawn(
            async move { axum::serve(listener, Router::new().route("/", get(answer))).await },
        );
        (address, calls)
    }

    #[tokio::test]
    async fn passing_trouble_is_waited_out() {
        for status in [
            StatusCode::TOO_MANY_REQUESTS,
            StatusCode::SERVICE_UNAVAILABLE,
        ] {
            let (address, calls) = server(status, 2).await;
            send(http_client().unwrap().get(address)).await.unwrap();
            assert_eq!(calls.load(Ordering::SeqCst), 3, "{status}");
        }
    }

    #[tokio::test]
    async fn a_no_is_a_no() {
        let (address, calls) = server(StatusCode::NOT_FOUND, 2).await;
        let http_error = send(http_client().unwrap().get(address)).await.unwrap_err();
        assert_eq!(
            (calls.load(Ordering::SeqCst), http_error.status()),
            (1, Some(StatusCode::NOT_FOUND))
        );
        assert_eq!(
            http_error.to_string(),
            "the service answered 404 Not Found: no really"
        );
    }

    #[tokio::test]
    async fn a_call_that_hangs_is_tried_again_and_given_up() {
        let (of_one, of_all) = (Duration::from_millis(10), Duration::from_secs(1));
        let calls = AtomicUsize::new(0);
        let hang = || {
            calls.fetch_add(1, Ordering::SeqCst);
            std::future::pending::<Result<(), HttpError>>()
        };
        let what = || "a call that hangs".to_owned();
        let http_error = retried_within((of_one, of_all), what, hang, HttpError::is_retryable)
            .await
            .unwrap_err();
        assert!(
            matches!(http_error, HttpError::TimeLimit { .. }),
            "{http_error}"
        );
        assert!(
            (2..=MAX_ATTEMPTS).contains(&calls.load(Ordering::SeqCst)),
            "{calls:?}"
        );
    }

    /// What has been logged.
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn a_repetition_is_a_line_of_the_log() {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        let _guard = tracing::subscriber::set_default(subscriber);
        let (address, _) = server(StatusCode::SERVICE_UNAVAILABLE, 2).await;
        send(
            http_client()
                .unwrap()
                .get(format!("{address}?token=secret")),
        )
        .await
        .unwrap();
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        let logged: Vec<_> = text
            .lines()
            .filter(|line| line.contains("trying again"))
            .collect();
        assert_eq!(logged.len(), 2, "{text}");
        for (line, attempt) in logged.iter().zip(["attempt=1", "attempt=2"]) {
            assert!(
                line.contains(" INFO ") && line.contains(attempt) && line.contains("pause_ms="),
                "{line}"
            );
            assert!(
                line.contains(&format!("GET {address}")) && !line.contains("secret"),
                "{line}"
            );
        }
    }
}
