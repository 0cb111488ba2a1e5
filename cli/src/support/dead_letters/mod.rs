//! Dead letters: messages that a function could not handle, stored with the reason of the failure.

mod local;
#[cfg(feature = "cloud")]
mod pubsub;
#[cfg(not(feature = "cloud"))]
#[path = "no_pubsub.rs"]
mod pubsub;

use std::{collections::BTreeMap, sync::Arc};

use anyhow::Context;
use bytes::Bytes;
use google_cloud::CloudSettings;
use shared::{
    Timestamp,
    address::{Address, ObjectPath, ProjectId},
    bus::{
        Message,
        dead_letter::{self, Offloaded},
    },
    clock::SystemClock,
    event::{Function, Topic},
    settings::{PortAddresses, ProcessVariables},
    store::{Store, read_json},
};

use crate::{args::TargetArguments, support::state::State};

/// The dead letters of all functions.
pub struct DeadLetters {
    bus: Bus,
    /// The store of messages that are too large for a dead letter.
    store: Arc<dyn Store>,
}

/// The bus that holds the dead letters.
enum Bus {
    /// The log of the embedded bus.
    Local(local::Log),
    /// The dead-letter subscriptions of Pub/Sub.
    PubSub(pubsub::Topics),
}

/// A dead letter.
#[derive(Clone, Debug)]
pub struct DeadLetter {
    /// The function that could not handle the message.
    pub function: Function,
    /// The handle of the bus for a leased dead letter.
    #[cfg_attr(
        not(feature = "cloud"),
        expect(dead_code, reason = "only Pub/Sub leases dead letters")
    )]
    handle: String,
    /// The message id that the bus assigned.
    pub message_id: String,
    /// The publish time of the dead letter.
    pub since: Timestamp,
    /// The attributes of the message, including the reason of the failure.
    pub attributes: BTreeMap<String, String>,
    /// The payload; incomplete if [`DeadLetter::object`] returns a path.
    pub data: Bytes,
}

impl DeadLetter {
    /// Returns the reason of the failure.
    pub fn reason(&self) -> String {
        dead_letter::reason(&self.attributes)
    }

    /// Returns the message to republish, with payload `data`, and the topic that the function reads.
    fn message_to_republish(&self, data: Bytes) -> (Topic, Message) {
        let topic = self.function.topic_of(&data);
        let attributes = dead_letter::restore(&self.attributes);
        (topic, Message { data, attributes })
    }

    /// Returns the path of the object with the message if it is too large for a dead letter.
    pub fn object(&self) -> Option<&str> {
        self.attributes
            .get(dead_letter::OBJECT_ATTRIBUTE)
            .map(String::as_str)
    }
}

impl DeadLetters {
    /// Opens the dead letters of a target.
    ///
    /// # Errors
    /// Returns an error if the target cannot be opened or has no dead letters.
    pub async fn open(target: &TargetArguments) -> anyhow::Result<Self> {
        if !target.cloud {
            let state = State::existing(&target.state)?;
            let store = state.open(Arc::new(SystemClock))?.store;
            return Ok(Self {
                bus: Bus::Local(local::Log::open(&state)?),
                store,
            });
        }
        runtime::require_clients()?;
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
            other => {
                anyhow::bail!("cannot read dead letters from {other}; use Pub/Sub or a local state")
            }
        }
    }

    /// Opens the dead letters of a Google Cloud project.
    ///
    /// `store` contains the messages that are too large for a dead letter.
    ///
    /// # Errors
    /// Returns an error if the credentials cannot be loaded.
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

    /// Returns the dead letters of a function, oldest first, without leasing them.
    ///
    /// # Errors
    /// Returns an error if the bus fails.
    pub async fn of(&self, function: Function) -> anyhow::Result<Vec<DeadLetter>> {
        let dead_letters = self.take(function).await?;
        self.leave(&dead_letters).await?;
        Ok(dead_letters)
    }

    /// Returns the dead letters of all functions, in the order of [`Function::ALL`].
    ///
    /// The functions are read concurrently, because reading an empty subscription takes seconds.
    ///
    /// # Errors
    /// Returns an error if the bus fails.
    pub async fn of_all(&self) -> anyhow::Result<[Vec<DeadLetter>; Function::ALL.len()]> {
        let [first, second, third, fourth, fifth, sixth] =
            Function::ALL.map(|function| self.of(function));
        Ok(tokio::try_join!(first, second, third, fourth, fifth, sixth)?.into())
    }

    /// Returns the dead letters of each function, or the error of reading them, in the order of
    /// [`Function::ALL`].
    pub async fn of_each(&self) -> [anyhow::Result<Vec<DeadLetter>>; Function::ALL.len()] {
        let [first, second, third, fourth, fifth, sixth] =
            Function::ALL.map(|function| self.of(function));
        tokio::join!(first, second, third, fourth, fifth, sixth).into()
    }

    /// Leases the dead letters of a function, oldest first.
    ///
    /// The caller republishes each with [`DeadLetters::republish`] or releases it with
    /// [`DeadLetters::leave`].
    ///
    /// # Errors
    /// Returns an error if the bus fails.
    pub async fn take(&self, function: Function) -> anyhow::Result<Vec<DeadLetter>> {
        match &self.bus {
            Bus::Local(log) => log.dead_letters(function).await,
            Bus::PubSub(topics) => topics.take(function).await,
        }
    }

    /// Returns the number of messages that wait for a function, or `None` for Pub/Sub, whose API does
    /// not count them.
    ///
    /// # Errors
    /// Returns an error if the log cannot be read.
    pub async fn waiting(&self, function: Function) -> anyhow::Result<Option<usize>> {
        match &self.bus {
            Bus::Local(log) => Ok(Some(log.waiting(function).await?)),
            Bus::PubSub(_) => Ok(None),
        }
    }

    /// Releases leased dead letters, all of the same function.
    ///
    /// # Errors
    /// Returns an error if the bus fails.
    pub async fn leave(&self, dead_letters: &[DeadLetter]) -> anyhow::Result<()> {
        match &self.bus {
            Bus::Local(_) => Ok(()),
            Bus::PubSub(topics) => topics.release(dead_letters).await,
        }
    }

    /// Extends the lease of dead letters, all of the same function, to the maximum of the bus.
    ///
    /// # Errors
    /// Returns an error if the bus fails.
    pub async fn keep(&self, dead_letters: &[DeadLetter]) -> anyhow::Result<()> {
        match &self.bus {
            Bus::Local(_) => Ok(()),
            Bus::PubSub(topics) => topics.extend(dead_letters).await,
        }
    }

    /// Returns a dead letter with its complete message.
    ///
    /// A message that is too large for a dead letter is read from the store.
    ///
    /// # Errors
    /// Returns an error if the message cannot be read.
    pub async fn whole(&self, dead_letter: &DeadLetter) -> anyhow::Result<DeadLetter> {
        let mut whole = dead_letter.clone();
        if let Some(object) = dead_letter.object() {
            let cannot_read = || {
                format!(
                    "cannot read the message of the dead letter {}",
                    dead_letter.message_id
                )
            };
            let path: ObjectPath = object.parse().with_context(cannot_read)?;
            let (message, _) = read_json::<Offloaded>(&*self.store, &path)
                .await
                .with_context(cannot_read)?;
            whole.attributes.extend(message.attributes);
            whole.data = message.data.to_bytes();
        }
        Ok(whole)
    }

    /// Republishes a dead letter with payload `data` to the topic of its function, and removes it.
    ///
    /// The message is published first: after a failure between the two steps it may be delivered
    /// twice, but it is never lost.
    ///
    /// # Errors
    /// Returns an error if the bus fails.
    pub async fn republish(&self, dead_letter: &DeadLetter, data: Bytes) -> anyhow::Result<()> {
        match &self.bus {
            Bus::Local(log) => log.republish(dead_letter, data).await,
            Bus::PubSub(topics) => topics.republish(dead_letter, data).await,
        }
    }
}
