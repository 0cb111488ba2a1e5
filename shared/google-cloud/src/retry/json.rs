//! Calls with a response in JSON.

use reqwest::RequestBuilder;
use serde::de::DeserializeOwned;

use super::{attempt, name_of, retried};
use crate::HttpError;

/// Sends a request like [`send`](super::send) and parses the response as JSON. Also retries a
/// response with status 2xx that is truncated or not the expected JSON, such as a page of a proxy.
///
/// # Errors
/// Returns the error of the last attempt, as [`send`](super::send) does.
pub(crate) async fn send_json<T: DeserializeOwned>(
    request: RequestBuilder,
) -> Result<T, HttpError> {
    send_json_while(request, HttpError::is_retryable).await
}

/// Sends a request like [`send_json`], but retries while `is_retryable` returns `true`.
///
/// # Errors
/// Returns the error of the last attempt, as [`send`](super::send) does.
pub(crate) async fn send_json_while<T: DeserializeOwned>(
    request: RequestBuilder,
    is_retryable: impl Fn(&HttpError) -> bool,
) -> Result<T, HttpError> {
    let call = || async {
        let response = attempt(&request).await?;
        let status = response.status();
        let body = response.bytes().await.map_err(HttpError::Connection)?;
        serde_json::from_slice(&body).map_err(|source| HttpError::malformed(status, &body, source))
    };
    retried(|| name_of(&request), call, is_retryable).await
}
