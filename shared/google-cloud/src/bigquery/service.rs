//! The connection to BigQuery: credentials, endpoint, and retries.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use gcp_bigquery_client::{
    Client, auth::Authenticator, client_builder::ClientBuilder, error::BQError,
};
use reqwest::RequestBuilder;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use shared::address::ProjectId;
use tokio::time::{Instant, sleep};

use super::failure::Failure;
use crate::{CloudSettings, HttpError, Tokens};

const ORIGIN: &str = "https://bigquery.googleapis.com";
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The connection of a project. Created once per process.
pub(super) struct Service {
    pub(super) project: ProjectId,
    /// The location of jobs. If `None`, BigQuery runs them in the location of the datasets.
    pub(super) location: Option<String>,
    /// The client for queries. It does not support load jobs by upload.
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
        let tokens = Tokens::for_emulator(emulator)?;
        let http = crate::http_client()?;
        let origin = emulator.map_or_else(|| ORIGIN.to_owned(), crate::EmulatorHost::origin);
        let client = ClientBuilder::new()
            .with_v2_base_url(format!("{origin}/bigquery/v2"))
            .with_client(http.clone())
            .build_from_authenticator(Arc::new(TokenAuthenticator(tokens.clone())))
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

    /// Returns the name of a table in the project.
    pub(super) fn table(&self, dataset: &'static str, name: impl Into<String>) -> Table {
        Table {
            project: self.project.clone(),
            dataset,
            name: name.into(),
        }
    }

    /// Returns a GET request for a resource of the project, as in `/datasets`.
    pub(super) fn get(&self, path: &str) -> RequestBuilder {
        self.http.get(format!(
            "{}/bigquery/v2/projects/{}{path}",
            self.origin, self.project
        ))
    }

    /// Returns a POST request for a resource of the project.
    pub(super) fn post(&self, path: &str) -> RequestBuilder {
        self.http.post(format!(
            "{}/bigquery/v2/projects/{}{path}",
            self.origin, self.project
        ))
    }

    /// Returns a POST request for an upload to the project.
    pub(super) fn upload(&self, path: &str) -> RequestBuilder {
        self.http.post(format!(
            "{}/upload/bigquery/v2/projects/{}{path}",
            self.origin, self.project
        ))
    }

    /// Sends a request and parses the reply, with retries.
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
        Ok(crate::send_json_while(request, is_retryable).await?)
    }
}

/// The name of a table, displayed as in SQL and in BigQuery's console.
pub(super) struct Table {
    project: ProjectId,
    pub(super) dataset: &'static str,
    pub(super) name: String,
}

impl Table {
    /// Returns the JSON reference to the table.
    pub(super) fn reference(&self) -> Value {
        json!({ "projectId": self.project.as_str(), "datasetId": self.dataset, "tableId": self.name })
    }
}

impl fmt::Display for Table {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}.{}", self.project, self.dataset, self.name)
    }
}

/// The growing delays between polls of a job, with a total time limit.
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

    /// Waits until the next poll.
    ///
    /// # Errors
    /// Returns an error if the job is not done within [`crate::TIME_LIMIT`].
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

/// The credentials in the form that the client requires.
#[derive(Clone)]
struct TokenAuthenticator(Tokens);

#[async_trait]
impl Authenticator for TokenAuthenticator {
    async fn access_token(&self) -> Result<String, BQError> {
        // The only variant of the client's error that can contain a foreign source.
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
