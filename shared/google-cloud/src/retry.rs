//! The retry policy of all calls.
//!
//! [`Attempts`] counts the attempts of one call, waits between them and logs each retry. [`send`]
//! and [`retried`] build on it, as do calls that check something between two attempts. Google's own
//! clients retry by themselves, within the same limits.

#[cfg(feature = "clients")]
mod client;
#[cfg(feature = "clients")]
mod json;

use std::{error::Error as StdError, time::Duration};

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use reqwest::{Client, ClientBuilder, RequestBuilder, Response};
use tokio::time::{sleep, timeout};

#[cfg(feature = "clients")]
pub(crate) use {
    client::{client_backoff, client_policy},
    json::{send_json, send_json_while},
};

use crate::{HttpError, http_error::chain};

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
/// The number of unused connections to a service that stay open.
const IDLE_CONNECTIONS: usize = 8;

/// Creates an HTTP client that connects within 5 s and responds within 60 s, or fails.
///
/// # Errors
/// Returns an error if TLS cannot be initialized.
pub fn http_client() -> reqwest::Result<Client> {
    client_builder().build()
}

/// Returns a builder of HTTP clients with the time limits of [`http_client`].
pub(crate) fn client_builder() -> ClientBuilder {
    Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(ATTEMPT_TIME_LIMIT)
        .pool_max_idle_per_host(IDLE_CONNECTIONS)
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
    retried(|| name_of(&request), || attempt(&request), is_retryable).await
}

/// Sends a request once.
async fn attempt(request: &RequestBuilder) -> Result<Response, HttpError> {
    // Only streaming bodies cannot be cloned, and no caller uses them.
    let copy = request.try_clone().ok_or(HttpError::Once)?;
    let response = copy.send().await.map_err(HttpError::Connection)?;
    if response.status().is_success() {
        return Ok(response);
    }
    let status = response.status();
    let text = response.text().await.unwrap_or_default();
    Err(HttpError::Status { status, text })
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
    E: StdError + From<HttpError> + 'static,
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
    E: StdError + From<HttpError> + 'static,
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

    /// Logs the error of an attempt with its causes, and waits until the next attempt may start.
    ///
    /// # Errors
    /// Returns `error` if `is_retryable` returns `false`, or if it was the last attempt.
    pub(crate) async fn pause<E: StdError + 'static>(
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
        let error = chain(&error);
        tracing::info!(
            name,
            attempt = self.failed,
            error,
            pause_ms,
            "retrying call"
        );
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

#[cfg(test)]
mod tests;
