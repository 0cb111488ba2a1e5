//! The retry policy of all calls.
//!
//! [`Attempts`] counts the attempts of one call, waits between them and logs each retry. [`send`]
//! and [`retried`] build on it, as do calls that check something between two attempts. Google's own
//! clients retry by themselves: [`client_backoff`] and [`client_policy`] give them the same limits.

use std::{fmt, time::Duration};

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use google_cloud_gax::{
    error::Error as ClientError,
    exponential_backoff::{
        Error as BackoffError, ExponentialBackoff as ClientBackoff, ExponentialBackoffBuilder,
    },
    retry_policy::{RetryPolicy, RetryPolicyExt},
    retry_result::RetryResult,
    retry_state::RetryState,
    throttle_result::ThrottleResult,
};
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use tokio::time::{sleep, timeout};

/// The time limit for establishing a connection.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The time limit for one attempt.
pub(crate) const ATTEMPT_TIME_LIMIT: Duration = Duration::from_secs(60);
/// The time limit for all attempts of a call together. It is shorter than the acknowledgement
/// deadline of a push subscription.
pub(crate) const TIME_LIMIT: Duration = Duration::from_secs(120);

/// The maximum number of attempts per call.
pub(crate) const MAX_ATTEMPTS: usize = 5;
/// The delay before the second attempt. It doubles before each further attempt and has jitter.
pub(crate) const FIRST_DELAY: Duration = Duration::from_millis(200);
/// The maximum delay between two attempts.
pub(crate) const LONGEST_DELAY: Duration = Duration::from_secs(10);
/// The maximum number of characters of a response in an error.
const MAX_ERROR_CHARACTERS: usize = 500;

/// Creates an HTTP client that connects within 5 s and responds within 60 s, or fails.
///
/// # Errors
/// Returns an error if TLS cannot be initialized.
pub fn http_client() -> reqwest::Result<Client> {
    Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(ATTEMPT_TIME_LIMIT)
        .build()
}

/// Sends a request, and retries it after status 429 or 5xx and after connection errors.
///
/// # Errors
/// Returns the error of the last attempt. Every status other than 2xx is an error.
pub async fn send(request: RequestBuilder) -> Result<Response, HttpError> {
    send_while(request, HttpError::is_retryable).await
}

/// Sends a request like [`send`], but retries while `is_retryable` returns `true`.
///
/// # Errors
/// Returns the error of the last attempt, as [`send`] does.
pub async fn send_while(
    request: RequestBuilder,
    is_retryable: impl Fn(&HttpError) -> bool,
) -> Result<Response, HttpError> {
    let call = || async {
        // Only streaming bodies cannot be cloned, and no caller uses them.
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

/// Runs a call with the retry policy of [`send`]. `call` is a single attempt without a time limit
/// of its own, and `name` names it in the log.
///
/// # Errors
/// Returns the error of the last attempt.
pub(crate) async fn retried<T, E, Call>(
    name: impl Fn() -> String,
    call: impl Fn() -> Call,
    is_retryable: impl Fn(&E) -> bool,
) -> Result<T, E>
where
    E: fmt::Display + From<HttpError>,
    Call: Future<Output = Result<T, E>>,
{
    retried_within((ATTEMPT_TIME_LIMIT, TIME_LIMIT), name, call, is_retryable).await
}

/// Runs a call like [`retried`], with time limits for one attempt and for all attempts.
async fn retried_within<T, E, Call>(
    (attempt_limit, total_limit): (Duration, Duration),
    name: impl Fn() -> String,
    call: impl Fn() -> Call,
    is_retryable: impl Fn(&E) -> bool,
) -> Result<T, E>
where
    E: fmt::Display + From<HttpError>,
    Call: Future<Output = Result<T, E>>,
{
    let too_slow = |limit| Err(HttpError::TimeLimit { limit }.into());
    let attempts = async {
        let mut attempts = Attempts::new(name);
        loop {
            let attempt = timeout(attempt_limit, call()).await;
            match attempt.unwrap_or_else(|_| too_slow(attempt_limit)) {
                Ok(value) => return Ok(value),
                Err(error) => attempts.pause(error, &is_retryable).await?,
            }
        }
    };
    timeout(total_limit, attempts)
        .await
        .unwrap_or_else(|_| too_slow(total_limit))
}

/// The attempts of one call, at most [`MAX_ATTEMPTS`].
pub(crate) struct Attempts<N> {
    name: N,
    delays: ExponentialBackoff,
    failed: usize,
}

impl<N: Fn() -> String> Attempts<N> {
    /// Starts with the first attempt. `name` identifies the call in the log.
    pub(crate) fn new(name: N) -> Self {
        let delays = ExponentialBuilder::default()
            .with_min_delay(FIRST_DELAY)
            .with_max_delay(LONGEST_DELAY)
            .with_max_times(MAX_ATTEMPTS - 1)
            .with_jitter();
        Self {
            name,
            delays: delays.build(),
            failed: 0,
        }
    }

    /// Logs the error of an attempt and waits until the next attempt may start.
    ///
    /// # Errors
    /// Returns `error` if `is_retryable` returns `false`, or if it was the last attempt.
    pub(crate) async fn pause<E: fmt::Display>(
        &mut self,
        error: E,
        is_retryable: impl Fn(&E) -> bool,
    ) -> Result<(), E> {
        if !is_retryable(&error) {
            return Err(error);
        }
        let Some(pause) = self.delays.next() else {
            return Err(error);
        };
        self.failed += 1;
        let (name, pause_ms) = ((self.name)(), pause.as_millis());
        tracing::info!(name, attempt = self.failed, %error, pause_ms, "retrying call");
        sleep(pause).await;
        Ok(())
    }
}

/// Returns the method and the URL of a request, without the query.
fn name_of(request: &RequestBuilder) -> String {
    let Some(Ok(request)) = request.try_clone().map(RequestBuilder::build) else {
        return "request".to_owned();
    };
    let mut url = request.url().clone();
    url.set_query(None);
    format!("{} {url}", request.method())
}

/// Returns the delays of [`Attempts`], for Google's clients.
///
/// # Errors
/// Never with the delays of this module; the builder validates them.
pub(crate) fn client_backoff() -> Result<ClientBackoff, BackoffError> {
    ExponentialBackoffBuilder::new()
        .with_initial_delay(FIRST_DELAY)
        .with_maximum_delay(LONGEST_DELAY)
        .with_scaling(2.0)
        .build()
}

/// Returns the limits of [`Attempts`] for Google's clients. `errors` selects the retryable errors,
/// and `name` identifies the client in the log.
pub(crate) fn client_policy<P: RetryPolicy + 'static>(
    name: &'static str,
    errors: P,
) -> impl RetryPolicy + use<P> {
    let policy = errors
        .with_time_limit(TIME_LIMIT)
        .with_attempt_limit(MAX_ATTEMPTS as u32);
    LoggedRetryPolicy { name, policy }
}

/// A retry policy that logs each retry, which Google's clients do not do.
#[derive(Debug)]
struct LoggedRetryPolicy<P> {
    name: &'static str,
    policy: P,
}

impl<P: RetryPolicy> RetryPolicy for LoggedRetryPolicy<P> {
    fn on_error(&self, state: &RetryState, error: ClientError) -> RetryResult {
        let result = self.policy.on_error(state, error);
        if let RetryResult::Continue(error) = &result {
            tracing::info!(name = self.name, attempt = state.attempt_count, %error, "retrying call");
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

/// An error of an HTTP call.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The service could not be reached, or its response was interrupted.
    #[error("cannot reach the service")]
    Connection(#[source] reqwest::Error),
    /// The service responded with a status other than 2xx.
    #[error("the service responded with {status}: {}", Truncated(.text))]
    Status {
        /// The status of the response.
        status: StatusCode,
        /// The body of the response.
        text: String,
    },
    /// An attempt or all attempts together exceeded their time limit.
    #[error("no response from the service within {} s", .limit.as_secs())]
    TimeLimit {
        /// The exceeded time limit.
        limit: Duration,
    },
    /// The request has a streaming body, which cannot be sent again.
    #[error("cannot retry a request with a streaming body")]
    Once,
}

impl HttpError {
    /// Returns the HTTP status of the response, if there was one.
    pub const fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Status { status, .. } => Some(*status),
            Self::Connection(_) | Self::TimeLimit { .. } | Self::Once => None,
        }
    }

    /// Returns `true` if a retry may succeed.
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

/// Displays the first [`MAX_ERROR_CHARACTERS`] characters of a text on one line.
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
            .take(MAX_ERROR_CHARACTERS)
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

    /// Serves `status` for the first calls and 200 afterwards. Returns the URL and the number of
    /// calls.
    async fn server(status: StatusCode, failures: usize) -> (String, Arc<AtomicUsize>) {
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&calls);
        let answer = move || async move {
            if counted.fetch_add(1, Ordering::SeqCst) < failures {
                (status, "not\nfound")
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
    async fn status_429_and_503_are_retried() {
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
    async fn status_404_is_not_retried() {
        let (address, calls) = server(StatusCode::NOT_FOUND, 2).await;
        let http_error = send(http_client().unwrap().get(address)).await.unwrap_err();
        assert_eq!(
            (calls.load(Ordering::SeqCst), http_error.status()),
            (1, Some(StatusCode::NOT_FOUND))
        );
        assert_eq!(
            http_error.to_string(),
            "the service responded with 404 Not Found: not found"
        );
    }

    #[tokio::test]
    async fn hanging_call_is_retried_until_the_limit() {
        let (attempt_limit, total_limit) = (Duration::from_millis(10), Duration::from_secs(1));
        let calls = AtomicUsize::new(0);
        let hang = || {
            calls.fetch_add(1, Ordering::SeqCst);
            std::future::pending::<Result<(), HttpError>>()
        };
        let name = || "hanging call".to_owned();
        let http_error = retried_within(
            (attempt_limit, total_limit),
            name,
            hang,
            HttpError::is_retryable,
        )
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

    /// The log output.
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
    async fn each_retry_is_logged() {
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
            .filter(|line| line.contains("retrying call"))
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
