//! `bike-traffic set-up`: creates the bucket, datasets, topics and subscriptions on emulators.
//!
//! On Google Cloud, terraform creates them. All functions here are idempotent.

#[cfg(feature = "cloud")]
mod create;
#[cfg(feature = "cloud")]
mod emulators;
#[cfg(feature = "cloud")]
mod pubsub;
#[cfg(feature = "cloud")]
mod storage;
#[cfg(feature = "cloud")]
mod tables;

use std::str::FromStr;

use anyhow::Context;
use clap::Args;
use shared::event::Function;

#[cfg(feature = "cloud")]
pub(crate) use {
    create::{command, set_up},
    emulators::{Emulators, NoEmulators},
};
#[cfg(feature = "cloud")]
pub use {
    pubsub::{Delivery, subscriptions},
    storage::bucket,
    tables::tables,
};

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

/// The push endpoint of a function, for example `ingest=http://127.0.0.1:8080/`.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// The function that receives its messages there.
    pub function: Function,
    /// The address of the function's service.
    pub url: reqwest::Url,
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

/// Returns the error of a build without clients.
#[cfg(not(feature = "cloud"))]
pub(crate) async fn command(_: SetUpArguments) -> anyhow::Result<()> {
    Err(runtime::NoClients.into())
}
