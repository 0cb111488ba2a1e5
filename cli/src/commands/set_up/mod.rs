//! Makes on emulators what terraform makes on Google Cloud: the bucket, the datasets, topics and subscriptions.
//!
//! Everything here may be done again and then changes nothing.

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

use crate::support::stdout;

/// Options of `set-up`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  make emulators && source state/emulators/env
  export GCS_BUCKET=bike-traffic GOOGLE_CLOUD_PROJECT=local
  bike-traffic set-up --push ingest=http://127.0.0.1:8080/
  PUSH_AUDIENCE=off OPEN_DATA_URL=https://opendata.paris.fr target/release/ingest

It may be done again and then changes endpoints only.")]
pub struct SetUpArguments {
    /// Push the messages of a function to a URL; may be given for each function.
    #[arg(long, value_name = "FUNCTION=URL")]
    pub push: Vec<Endpoint>,
    /// Print the result as JSON.
    #[arg(long)]
    pub json: bool,
}

/// What is there after a set-up.
#[derive(Clone, Debug, Serialize)]
struct SetUp {
    /// The bucket.
    bucket: String,
    /// The project of the datasets.
    datasets_of: String,
    /// The project of the topics and subscriptions.
    topics_of: String,
    /// Where messages are pushed to; those of the other functions wait to be pulled.
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
            "gs://{bucket}, the datasets of {datasets_of} and the topics of {topics_of} are there"
        )?;
        let mut pushed_to = pushed_to.iter();
        pushed_to.try_for_each(|(function, url)| {
            writeln!(formatter, "messages to {function} are pushed to {url}")
        })
    }
}

/// Where a function listens, as `ingest=http://127.0.0.1:8080/`.
#[derive(Clone, Debug)]
pub struct Endpoint {
    function: Function,
    url: reqwest::Url,
}

impl FromStr for Endpoint {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let (function, url) = text
            .split_once('=')
            .context("it has no `=`, as in ingest=http://127.0.0.1:8080/")?;
        Ok(Self {
            function: function.parse()?,
            url: url.parse().with_context(|| format!("`{url}` is no URL"))?,
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
        bail!("set GCS_BUCKET and GOOGLE_CLOUD_PROJECT: files and memory need no set-up");
    };
    let emulators = [
        &cloud.storage_emulator,
        &cloud.bigquery_emulator,
        &cloud.pubsub_emulator,
    ];
    if emulators.iter().any(|emulator| emulator.is_none()) {
        bail!(
            "this is for emulators (`make emulators`); on Google Cloud, `make deploy` makes all of it"
        );
    }
    let pushed = |endpoint: Endpoint| (endpoint.function, endpoint.url.to_string());
    let endpoints: BTreeMap<_, _> = arguments.push.into_iter().map(pushed).collect();
    bucket(bus, name, &cloud).await?;
    tables(warehouse, &cloud).await?;
    subscriptions(bus, &endpoints, &cloud, Delivery::default()).await?;
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
