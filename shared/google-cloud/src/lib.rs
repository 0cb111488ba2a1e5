#![doc = include_str!("../README.md")]

#[cfg(feature = "clients")]
mod bigquery;
#[cfg(feature = "clients")]
mod credentials;
#[cfg(feature = "clients")]
mod gcs;
mod http_error;
#[cfg(feature = "clients")]
mod id_token;
#[cfg(feature = "clients")]
mod mlflow;
mod open_data;
#[cfg(feature = "clients")]
mod pubsub;
mod retry;
mod settings;
mod webhook;

#[cfg(feature = "clients")]
use retry::{
    ATTEMPT_TIME_LIMIT, Attempts, MAX_ATTEMPTS, TIME_LIMIT, client_backoff, client_policy, retried,
    send_json, send_json_while,
};

pub use http_error::HttpError;
pub use open_data::{DATASET, ExploreClient, export_path};
pub use retry::{http_client, send, send_while};
pub use settings::{CloudSettings, EmulatorHost, MlflowLogin};
pub use webhook::{InvalidWebhook, Webhook, WebhookAddress};
#[cfg(feature = "clients")]
pub use {
    bigquery::BigQueryWarehouse,
    credentials::{Tokens, access_tokens, credentials},
    gcs::GcsStore,
    mlflow::MlflowRegistry,
    pubsub::PubSubPublisher,
};
