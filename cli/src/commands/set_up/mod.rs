//! `bike-traffic set-up`: creates the bucket, datasets, topics and subscriptions on emulators.
//!
//! On Google Cloud, terraform creates them. All functions here are idempotent.

mod pubsub;
mod storage;
mod tables;

use std::{collections::BTreeMap, fmt, str::FromStr};

use anyhow::{Context, bail};
use clap::Args;
use google_cloud::CloudSettings;
use serde::Serialize;
use shared::{
    address::Address,
    event::Function,
    settings::{PortAddresses, ProcessVariables},
};

pub use pubsub::{Delivery, subscriptions};
pub use storage::bucket;
pub use tables::tables;

use crate::support::{progress, stdout};

/// Options of `set-up`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  make emulators && source state/emulators/env
  export GCS_BUCKET=bike-traffic GOOGLE_CLOUD_PROJECT=local
  bike-traffic set-up --push ingest=http://127.0.0.1:8080/
  export PUSH_AUDIENCE=off OPEN_DATA_URL=https://opendata.paris.fr
  target/release/ingest

A repeated set-up changes only the push endpoints.")]
pub struct SetUpArguments {
    /// Push the messages of a function to a URL; can be repeated, once per function.
    #[arg(long, value_name = "FUNCTION=URL")]
    pub push: Vec<Endpoint>,
    /// Print the report as JSON.
    #[arg(long)]
    pub json: bool,
}

/// The report of a set-up.
#[derive(Clone, Debug, Serialize)]
struct SetUp {
    /// The name of the bucket.
    bucket: String,
    /// The project of the datasets.
    datasets_of: String,
    /// The project of the topics and subscriptions.
    topics_of: String,
    /// The push endpoints by function; the other functions have no push subscription.
    pushed_to: BTreeMap<Function, String>,
}

impl fmt::Display for SetUp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            bucket,
            datasets_of,
            topics_of,
            pushed_to,
        } = self;
        writeln!(
            formatter,
            "set up gs://{bucket}, the datasets of {datasets_of} and the topics of {topics_of}"
        )?;
        let mut pushed_to = pushed_to.iter();
        pushed_to.try_for_each(|(function, url)| {
            writeln!(formatter, "messages for {function} are pushed to {url}")
        })
    }
}

/// The push endpoint of a function, for example `ingest=http://127.0.0.1:8080/`.
#[derive(Clone, Debug)]
pub struct Endpoint {
    function: Function,
    url: reqwest::Url,
}

impl FromStr for Endpoint {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let (function, url) = text.split_once('=').context(
            "missing `=`; write FUNCTION=URL, for example ingest=http://127.0.0.1:8080/",
        )?;
        Ok(Self {
            function: function.parse()?,
            url: url
                .parse()
                .with_context(|| format!("`{url}` is not a valid URL"))?,
        })
    }
}

/// Runs the command.
pub(crate) async fn command(arguments: SetUpArguments) -> anyhow::Result<()> {
    let (addresses, cloud) = (
        PortAddresses::read(&ProcessVariables)?,
        CloudSettings::read(&ProcessVariables)?,
    );
    let (Address::Bucket(name), Address::BigQuery(warehouse), Address::PubSub(bus)) =
        (&addresses.store, &addresses.warehouse, &addresses.bus)
    else {
        bail!(
            "cannot set up files or memory, which need no set-up; for emulators, run \
             `export GCS_BUCKET=bike-traffic GOOGLE_CLOUD_PROJECT=local`"
        );
    };
    let emulators = [
        &cloud.storage_emulator,
        &cloud.bigquery_emulator,
        &cloud.pubsub_emulator,
    ];
    if emulators.iter().any(|emulator| emulator.is_none()) {
        bail!(
            "cannot set up Google Cloud; run `make deploy` instead, or \
             `make emulators && source state/emulators/env` for emulators"
        );
    }
    let url_of = |endpoint: Endpoint| (endpoint.function, endpoint.url.to_string());
    let endpoints: BTreeMap<_, _> = arguments.push.into_iter().map(url_of).collect();
    progress::noting("creating the bucket", bucket(bus, name, &cloud)).await?;
    progress::noting("creating the tables", tables(warehouse, &cloud)).await?;
    let created = subscriptions(bus, &endpoints, &cloud, Delivery::default());
    progress::noting("creating topics and subscriptions", created).await?;
    let (bucket, datasets_of, topics_of) =
        (name.to_string(), warehouse.to_string(), bus.to_string());
    stdout::print(
        &SetUp {
            bucket,
            datasets_of,
            topics_of,
            pushed_to: endpoints,
        },
        arguments.json,
    )
}
