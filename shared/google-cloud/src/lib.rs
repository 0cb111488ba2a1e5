#![doc = include_str!("../README.md")]

mod bigquery;
mod credentials;
mod gcs;
mod mlflow;
mod open_data;
mod pubsub;
mod retry;
mod settings;

use retry::{Attempts, client_backoff};

pub use bigquery::BigQueryWarehouse;
pub use credentials::{Tokens, access_tokens, credentials};
pub use gcs::GcsStore;
pub use mlflow::MlflowRegistry;
pub use open_data::{DATASET, ExploreClient, export_path};
pub use pubsub::PubSubPublisher;
pub use retry::{
    ATTEMPT_TIME_LIMIT, CONNECT_TIMEOUT, FIRST_DELAY, HttpError, LONGEST_DELAY, MAX_ATTEMPTS,
    TIME_LIMIT, client_policy, http_client, retried, send, send_while,
};
pub use settings::{CloudSettings, EmulatorHost, MlflowLogin};
