//! The service: who we are to it, where it is, and calls that are tried again.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use gcp_bigquery_client::{
    Client, auth::Authenticator, client_builder::ClientBuilder, error::BQError,
};
use reqwest::{RequestBuilder, Response};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use shared::address::ProjectId;
use tokio::time::{Instant, sleep};

use super::failure::Failure;
use crate::{CloudSettings, HttpError, Tokens};

const ORIGIN: &str = "https://bigquery.googleapis.com";
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// BigQuery, as a project uses it. Built once.
pub(super) struct Service {
    pub(super) project: ProjectId,
    /// Where jobs run, if that is not left to BigQuery, which then runs them where the datasets are.
    pub(super) location: Option<String>,
    /// Makes queries. Loads by upload are not among its calls.
    pub(super) client: Client,
    http: reqwest::Client,
    origin: String,
    tokens: Tokens,
}

impl Service {
    pub(super) async fn open(
        project: &ProjectId,
        cloud: &CloudSettings,
    ) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let emulator = cloud.bigquery_emulator.as_ref();
        let tokens = Tokens::of(emulator)?;
        let http = crate::http_client()?;
        let origin = emulator.map_or_else(|| ORIGIN.to_owned(), crate::EmulatorHost::origin);
        let client = ClientBuilder::new()
            .with_v2_base_url(format!("{origin}/bigquery/v2"))
            .with_client(http.clone())
            .build_from_authenticator(Arc::new(Identity(tokens.clone())))
            .await?;
        let location = cloud.bigquery_location.clone();
        Ok(Self {
            project: project.clone(),
            location,
            client,
            http,
            origin,
            tokens,
        })
    }

    /// Names a table of the project.
    pub(super) fn table(&self, dataset: &'static str, name: impl Into<String>) -> Table {
        Table {
            project: self.project.clone(),
            dataset,
            name: name.into(),
        }
    }

    /// Begins a request for something of the project, as in `/datasets`.
    pub(super) fn get(&self, path: &str) -> RequestBuilder {
        self.http.get(format!(
            "{}/bigquery/v2/projects/{}{path}",
            self.origin, self.project
        ))
    }

    /// As [`Service::get`], to make something.
    pub(super) fn post(&self, path: &str) -> RequestBuilder {
        self.http.post(format!(
            "{}/bigquery/v2/projects/{}{path}",
            self.origin, self.project
        ))
    }

    /// As [`Service::post`], to upload.
    pub(super) fn upload(&self, path: &str) -> RequestBuilder {
        self.http.post(format!(
            "{}/upload/bigquery/v2/projects/{}{path}",
            self.origin, self.project
        ))
    }

    /// Sends a request, several times if need be, and reads the reply.
    pub(super) async fn send<Reply: DeserializeOwned>(
        &self,
        request: RequestBuilder,
    ) -> Result<Reply, Failure> {
        let request = self
            .tokens
            .authorize(request)
            .await
            .map_err(Failure::Token)?;
        let is_retryable = |http_error: &HttpError| {
            http_error.is_retryable()
                || Failure::explained(http_error).is_some_and(|failure| failure.is_retryable())
        };
        let response: Response = crate::send_while(request, is_retryable).await?;
        response.json().await.map_err(Failure::Connection)
    }
}

/// The name of a table; it is written as in SQL and in BigQuery's console.
pub(super) struct Table {
    project: ProjectId,
    pub(super) dataset: &'static str,
    pub(super) name: String,
}

impl Table {
    /// Names the table in a request.
    pub(super) fn reference(&self) -> Value {
        json!({ "projectId": self.project.as_str(), "datasetId": self.dataset, "tableId": self.name })
    }
}

impl fmt::Display for Table {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}.{}", self.project, self.dataset, self.name)
    }
}

/// The time that a job is waited for, in growing pauses.
pub(super) struct PollBackoff {
    began: Instant,
    pause: Duration,
}

impl PollBackoff {
    pub(super) fn begin() -> Self {
        Self {
            began: Instant::now(),
            pause: FIRST_PAUSE,
        }
    }

    /// Lets a while pass.
    ///
    /// # Errors
    /// When enough has passed.
    pub(super) async fn pause(&mut self, job: &str) -> Result<(), Failure> {
        let waited = self.began.elapsed();
        if waited >= crate::TIME_LIMIT {
            return Err(Failure::Slow {
                id: job.to_owned(),
                waited,
            });
        }
        sleep(self.pause).await;
        self.pause = (self.pause * 3 / 2).min(LONGEST_PAUSE);
        Ok(())
    }
}

/// Who we are, as the client asks it.
#[derive(Clone)]
struct Identity(Tokens);

#[async_trait]
impl Authenticator for Identity {
    async fn access_token(&self) -> Result<String, BQError> {
        // Of the client's errors this is the one that can hold another.
        let failed = |source| {
            BQError::InvalidApplicationDefaultCredentialsAuthenticator(std::io::Error::other(
                source,
            ))
        };
        Ok(self
            .0
            .token()
            .await
            .map_err(failed)?
            .unwrap_or_else(|| "emulator".to_owned()))
    }
}
