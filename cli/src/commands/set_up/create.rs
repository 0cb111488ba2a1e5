//! The creation of everything on emulators, and its report.

use std::{collections::BTreeMap, fmt};

use anyhow::bail;
use serde::Serialize;
use shared::{event::Function, settings::ProcessVariables};

use super::{
    Delivery, Emulators, Endpoint, NoEmulators, SetUpArguments, bucket, subscriptions, tables,
};
use crate::support::{progress, stdout};

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

/// Runs the command.
pub(crate) async fn command(arguments: SetUpArguments) -> anyhow::Result<()> {
    let emulators = match Emulators::read(&ProcessVariables) {
        Ok(emulators) => emulators,
        Err(NoEmulators::Settings(error)) => return Err(error.into()),
        Err(NoEmulators::Embedded) => bail!(
            "cannot set up files or memory, which need no set-up; for emulators, run \
             `export GCS_BUCKET=bike-traffic GOOGLE_CLOUD_PROJECT=local`"
        ),
        Err(NoEmulators::GoogleCloud) => bail!(
            "cannot set up Google Cloud; run `make deploy` instead, or \
             `make emulators && source state/emulators/env` for emulators"
        ),
    };
    let url_of = |endpoint: Endpoint| (endpoint.function, endpoint.url.to_string());
    let endpoints: BTreeMap<_, _> = arguments.push.into_iter().map(url_of).collect();
    set_up(&emulators, &endpoints, Delivery::default()).await?;
    stdout::print(
        &SetUp {
            bucket: emulators.bucket.to_string(),
            datasets_of: emulators.datasets.to_string(),
            topics_of: emulators.topics.to_string(),
            pushed_to: endpoints,
        },
        arguments.json,
    )
}

/// Creates everything on the emulators that Terraform creates on Google Cloud. `endpoints` are the
/// push endpoints of functions.
///
/// # Errors
/// Returns an error if an emulator fails.
pub(crate) async fn set_up(
    emulators: &Emulators,
    endpoints: &BTreeMap<Function, String>,
    delivery: Delivery,
) -> anyhow::Result<()> {
    let Emulators {
        cloud,
        bucket: name,
        datasets,
        topics,
        ..
    } = emulators;
    progress::noting("creating the bucket", bucket(topics, name, cloud)).await?;
    progress::noting("creating the tables", tables(datasets, cloud)).await?;
    let created = subscriptions(topics, endpoints, cloud, delivery);
    progress::noting("creating topics and subscriptions", created).await
}
