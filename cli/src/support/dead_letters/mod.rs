//! Dead letters: messages that a function could not use, kept with their reason until somebody looks.

mod local;
mod pubsub;

use std::{collections::BTreeMap, sync::Arc};

use anyhow::Context;
use bytes::Bytes;
use google_cloud::CloudSettings;
use shared::{
    Timestamp,
    address::{Address, ObjectPath, ProjectId},
    bus::dead_letter::{self, Offloaded},
    clock::SystemClock,
    event::Function,
    settings::{PortAddresses, ProcessVariables},
    store::{Store, read_json},
};

use crate::{args::TargetArguments, support::state::State};

/// The dead letters of all functions.
pub struct DeadLetters {
    bus: Bus,
    /// Has the messages that are too large for a letter.
    store: Arc<dyn Store>,
}

/// Where the letters are.
enum Bus {
    /// In the log of the embedded bus.
    Local(local::Log),
    /// In the subscriptions of Pub/Sub.
    PubSub(pubsub::Topics),
}

/// A dead letter.
#[derive(Clone, Debug)]
pub struct DeadLetter {
    /// The function that could not use it.
    pub function: Function,
    /// What the bus knows it by while it is taken.
    handle: String,
    /// The id that the bus gave it.
    pub message_id: String,
    /// When it became a dead letter.
    pub since: Timestamp,
    /// What the bus shows without its payload.
    pub attributes: BTreeMap<String, String>,
    /// Its payload.
    pub data: Bytes,
}

impl DeadLetter {
    /// Says why it could not be used.
    pub fn reason(&self) -> String {
        dead_letter::reason(&self.attributes)
    }

    /// Returns the path of the object that has the message, where it is too large for a letter.
    pub fn object(&self) -> Option<&str> {
        self.attributes
            .get(dead_letter::OBJECT_ATTRIBUTE)
            .map(String::as_str)
    }
}

impl DeadLetters {
    /// Opens those of a place.
    ///
    /// # Errors
    /// When the place cannot be opened.
    pub async fn open(place: &TargetArguments) -> anyhow::Result<Self> {
        if !place.cloud {
            let state = State::at(&place.state)?;
            let store = state.open(Arc::new(SystemClock))?.store;
            return Ok(Self {
                bus: Bus::Local(local::Log::open(&state)?),
                store,
            });
        }
        let (addresses, cloud) = (
            PortAddresses::read(&ProcessVariables)?,
            CloudSettings::read(&ProcessVariables)?,
        );
        let store = runtime::open_store(&addresses.store, &cloud).await?;
        match addresses.bus {
            Address::PubSub(project) => Self::of_project(&project, &cloud, store).await,
            Address::File(folder) => Ok(Self {
                bus: Bus::Local(local::Log::in_folder(&folder)?),
                store,
            }),
            other => anyhow::bail!("there are no dead letters in {other}"),
        }
    }

    /// Opens those in the subscriptions of a project; the store has what is too large for a letter.
    ///
    /// # Errors
    /// When there are no credentials.
    pub async fn of_project(
        project: &ProjectId,
        cloud: &CloudSettings,
        store: Arc<dyn Store>,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            bus: Bus::PubSub(pubsub::Topics::open(project, cloud).await?),
            store,
        })
    }

    /// Returns those of a function, oldest first, and leaves them where they are.
    ///
    /// # Errors
    /// When the bus fails.
    pub async fn of(&self, function: Function) -> anyhow::Result<Vec<DeadLetter>> {
        let dead_letters = self.take(function).await?;
        self.leave(&dead_letters).await?;
        Ok(dead_letters)
    }

    /// As [`DeadLetters::of`], of all functions at once and in their order: each takes a while to show that there are none.
    ///
    /// # Errors
    /// When the bus fails.
    pub async fn of_all(&self) -> anyhow::Result<[Vec<DeadLetter>; Function::ALL.len()]> {
        let [first, second, third, fourth, fifth, sixth] =
            Function::ALL.map(|function| self.of(function));
        Ok(tokio::try_join!(first, second, third, fourth, fifth, sixth)?.into())
    }

    /// Takes those of a function, oldest first, to be put back or left.
    ///
    /// # Errors
    /// When the bus fails.
    pub async fn take(&self, function: Function) -> anyhow::Result<Vec<DeadLetter>> {
        match &self.bus {
            Bus::Local(log) => log.dead_letters(function).await,
            Bus::PubSub(topics) => topics.take(function).await,
        }
    }

    /// Leaves letters of one function that were taken.
    ///
    /// # Errors
    /// When the bus fails.
    pub async fn leave(&self, dead_letters: &[DeadLetter]) -> anyhow::Result<()> {
        match &self.bus {
            Bus::Local(_) => Ok(()),
            Bus::PubSub(topics) => topics.leave(dead_letters).await,
        }
    }

    /// Keeps letters of one function that were taken, as long again as the bus allows.
    ///
    /// # Errors
    /// When the bus fails.
    pub async fn keep(&self, dead_letters: &[DeadLetter]) -> anyhow::Result<()> {
        match &self.bus {
            Bus::Local(_) => Ok(()),
            Bus::PubSub(topics) => topics.keep(dead_letters).await,
        }
    }

    /// Returns a letter with the message that it only names, where the message is too large for a letter.
    ///
    /// # Errors
    /// When the message cannot be read.
    pub async fn whole(&self, dead_letter: &DeadLetter) -> anyhow::Result<DeadLetter> {
        let mut whole = dead_letter.clone();
        if let Some(object) = dead_letter.object() {
            let cannot = || {
                format!(
                    "cannot read the message of the dead letter {}",
                    dead_letter.message_id
                )
            };
            let path: ObjectPath = object.parse().with_context(cannot)?;
            let (message, _) = read_json::<Offloaded>(&*self.store, &path)
                .await
                .with_context(cannot)?;
            whole.attributes.extend(message.attributes);
            whole.data = message.data.to_bytes();
        }
        Ok(whole)
    }

    /// Publishes a letter, with this payload, to the topic that its function reads, and takes it off the dead letters.
    ///
    /// In this order, so that a failure between the two leaves it there: then it may come twice, but is not lost.
    ///
    /// # Errors
    /// When the bus fails.
    pub async fn republish(&self, dead_letter: &DeadLetter, data: Bytes) -> anyhow::Result<()> {
        match &self.bus {
            Bus::Local(log) => log.republish(dead_letter, data).await,
            Bus::PubSub(topics) => topics.republish(dead_letter, data).await,
        }
    }
}
