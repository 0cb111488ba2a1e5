#![doc = include_str!("../README.md")]

mod bigquery;
mod credentials;
mod gcs;
mod http_error;
mod id_token;
mod mlflow;
mod open_data;
mod pubsub;
mod retry;
mod settings;
mod webhook;

use retry::{
    ATTEMPT_TIME_LIMIT, Attempts, MAX_ATTEMPTS, TIME_LIMIT, client_backoff, client_policy, retried,
    send_json, send_json_while,
};

pub use bigquery::BigQueryWarehouse;
pub use credentials::{Tokens, access_tokens, credentials};
pub use gcs::GcsStore;
pub use http_error::HttpError;
pub use mlflow::MlflowRegistry;
pub use open_data::{DATASET, ExploreClient, export_path};
pub use pubsub::PubSubPublisher;
pub use retry::{http_client, send, send_while};
pub use settings::{CloudSettings, EmulatorHost, MlflowLogin};
pub use webhook::{InvalidWebhook, Webhook, WebhookAddress};
