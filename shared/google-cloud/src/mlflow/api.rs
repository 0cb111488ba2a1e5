//! Calls to the REST API of an MLflow server.

use bytes::Bytes;
use reqwest::{Client, Method, RequestBuilder, Response, Url};
use serde::de::DeserializeOwned;
use serde_json::Value;
use shared::address::without_credentials;

use super::{MlflowError, login::Login};
use crate::HttpError;

/// A client of an MLflow server.
///
/// Calls are identified by their path below `/api/2.0/`.
pub(super) struct Api {
    client: Client,
    server: Url,
    login: Login,
}

impl Api {
    /// Creates a client. A login in the URL applies only if `login` is [`Login::None`].
    pub(super) fn new(url: &Url, login: Login) -> reqwest::Result<Self> {
        Ok(Self {
            client: login.client(url)?,
            server: login.server(url),
            login,
        })
    }

    /// Sends a GET request, with retries.
    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        call: &str,
        query: &[(&str, &str)],
    ) -> Result<T, MlflowError> {
        let request = self.request(Method::GET, call).query(query);
        self.send(call, request, crate::send_json).await
    }

    /// Sends an idempotent POST request, with retries.
    pub(super) async fn post<T: DeserializeOwned>(
        &self,
        call: &str,
        body: &Value,
    ) -> Result<T, MlflowError> {
        let request = self.request(Method::POST, call).json(body);
        self.send(call, request, crate::send_json).await
    }

    /// Sends an idempotent PATCH request, with retries.
    pub(super) async fn patch(&self, call: &str, body: &Value) -> Result<(), MlflowError> {
        let request = self.request(Method::PATCH, call).json(body);
        self.send(call, request, crate::send).await.map(drop)
    }

    /// Sends a POST request that is not idempotent, without retries. If it fails, the server may
    /// still have processed it.
    pub(super) async fn post_once<T: DeserializeOwned>(
        &self,
        call: &str,
        body: &Value,
    ) -> Result<T, MlflowError> {
        let request = self.request(Method::POST, call).json(body);
        let response = self.send(call, request, send_once).await?;
        self.parse(call, response).await
    }

    /// Uploads an artifact file through the server; `path` is relative to `mlflow-artifacts:/`.
    pub(super) async fn put_artifact(&self, path: &str, bytes: Bytes) -> Result<(), MlflowError> {
        let call = format!("mlflow-artifacts/artifacts/{path}");
        let request = self.request(Method::PUT, &call).body(bytes);
        self.send(&call, request, crate::send).await.map(drop)
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
        self.client.request(method, url)
    }

    /// Sends a request with the login. Repeats it once with a new token if the server has rejected
    /// the token, which it does before it processes the request.
    async fn send<T, Sent>(
        &self,
        call: &str,
        request: RequestBuilder,
        send: impl Fn(RequestBuilder) -> Sent,
    ) -> Result<T, MlflowError>
    where
        Sent: Future<Output = Result<T, HttpError>>,
    {
        let mut is_repeated = false;
        loop {
            // Only streaming bodies cannot be cloned, and no call has one.
            let copy = request.try_clone();
            let copy = copy.ok_or_else(|| self.refused(call, HttpError::Once))?;
            match send(self.login.authorize(copy).await?).await {
                Ok(value) => return Ok(value),
                Err(error) if !is_repeated && self.login.renew(&error) => is_repeated = true,
                Err(error) => return Err(self.rejected(call, error).await),
            }
        }
    }

    async fn parse<T: DeserializeOwned>(
        &self,
        call: &str,
        response: Response,
    ) -> Result<T, MlflowError> {
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

    async fn rejected(&self, call: &str, source: HttpError) -> MlflowError {
        match self.login.remedy(&source).await {
            None => self.refused(call, source),
            Some(remedy) => MlflowError::Denied {
                call: call.to_owned(),
                server: self.server_name(),
                remedy: remedy.into(),
                source,
            },
        }
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
