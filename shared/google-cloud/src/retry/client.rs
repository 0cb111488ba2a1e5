//! The retry policy of Google's clients.

use std::time::Duration;

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

use super::{FIRST_DELAY, LONGEST_DELAY, MAX_ATTEMPTS, TIME_LIMIT};
use crate::http_error::chain;

/// Returns the delays of [`Attempts`](super::Attempts), for Google's clients.
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

/// Returns the limits of [`Attempts`](super::Attempts) for Google's clients. `errors` selects the
/// retryable errors, and `name` identifies the client in the log.
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
            let (name, error) = (self.name, chain(error));
            tracing::info!(name, attempt = state.attempt_count, error, "retrying call");
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
