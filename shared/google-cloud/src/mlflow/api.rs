//! Calls to the REST API of an MLflow server.

use bytes::Bytes;
use reqwest::{Client, Method, RequestBuilder, Response, Url};
use secrecy::ExposeSecret;
use serde::de::DeserializeOwned;
use serde_json::Value;
use shared::address::without_credentials;

use super::MlflowError;
use crate::{HttpError, MlflowLogin};

/// A client of an MLflow server.
///
/// Calls are identified by their path below `/api/2.0/`.
pub(super) struct Api {
    client: Client,
    server: Url,
    login: MlflowLogin,
}

impl Api {
    /// Creates a client. A login in the URL applies only if `login` is [`MlflowLogin::None`].
    pub(super) fn new(url: &Url, login: &MlflowLogin) -> reqwest::Result<Self> {
        let server = if matches!(login, MlflowLogin::None) {
            url.clone()
        } else {
            without_credentials(url)
        };
        Ok(Self {
            client: crate::http_client()?,
            server,
            login: login.clone(),
        })
    }

    /// Sends a GET request, with retries.
    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        call: &str,
        query: &[(&str, &str)],
    ) -> Result<T, MlflowError> {
        let response = crate::send_json(self.request(Method::GET, call).query(query)).await;
        response.map_err(|source| self.refused(call, source))
    }

    /// Sends an idempotent POST request, with retries.
    pub(super) async fn post<T: DeserializeOwned>(
        &self,
        call: &str,
        body: &Value,
    ) -> Result<T, MlflowError> {
        let response = crate::send_json(self.request(Method::POST, call).json(body)).await;
        response.map_err(|source| self.refused(call, source))
    }

    /// Sends an idempotent PATCH request, with retries.
    pub(super) async fn patch(&self, call: &str, body: &Value) -> Result<(), MlflowError> {
        let response = crate::send(self.request(Method::PATCH, call).json(body)).await;
        response
            .map(drop)
            .map_err(|source| self.refused(call, source))
    }

    /// Sends a POST request that is not idempotent, without retries. If it fails, the server may
    /// still have processed it.
    pub(super) async fn post_once<T: DeserializeOwned>(
        &self,
        call: &str,
        body: &Value,
    ) -> Result<T, MlflowError> {
        let response = send_once(self.request(Method::POST, call).json(body)).await;
        self.parse(call, response).await
    }

    /// Uploads an artifact file through the server; `path` is relative to `mlflow-artifacts:/`.
    pub(super) async fn put_artifact(&self, path: &str, bytes: Bytes) -> Result<(), MlflowError> {
        let call = format!("mlflow-artifacts/artifacts/{path}");
        let response = crate::send(self.request(Method::PUT, &call).body(bytes)).await;
        response
            .map(drop)
            .map_err(|source| self.refused(&call, source))
    }

    fn request(&self, method: Method, call: &str) -> RequestBuilder {
        let mut url = self.server.clone();
        // Only URLs that cannot be a base, such as `mailto:`, have no path segments.
        if let Ok(mut segments) = url.path_segments_mut() {
            segments
                .pop_if_empty()
                .extend(["api", "2.0"])
                .extend(call.split('/'));
        }
        let request = self.client.request(method, url);
        match &self.login {
            MlflowLogin::None => request,
            MlflowLogin::Password { user, password } => {
                request.basic_auth(user, Some(password.expose_secret()))
            }
            MlflowLogin::Token(token) => request.bearer_auth(token.expose_secret()),
        }
    }

    async fn parse<T: DeserializeOwned>(
        &self,
        call: &str,
        response: Result<Response, HttpError>,
    ) -> Result<T, MlflowError> {
        let response = response.map_err(|source| self.refused(call, source))?;
        let bytes = response
            .bytes()
            .await
            .map_err(|source| self.refused(call, HttpError::Connection(source)))?;
        let malformed = |source| MlflowError::Response {
            call: call.to_owned(),
            server: self.server_name(),
            source,
        };
        serde_json::from_slice(&bytes).map_err(malformed)
    }

    fn refused(&self, call: &str, source: HttpError) -> MlflowError {
        MlflowError::Refused {
            call: call.to_owned(),
            server: self.server_name(),
            source,
        }
    }

    /// Returns the address of the server, without credentials and with a slash at the end.
    pub(super) fn server_name(&self) -> String {
        without_credentials(&self.server).to_string()
    }
}

async fn send_once(request: RequestBuilder) -> Result<Response, HttpError> {
    let response = request.send().await.map_err(HttpError::Connection)?;
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    Err(HttpError::Status {
        status,
        text: response.text().await.unwrap_or_default(),
    })
}
