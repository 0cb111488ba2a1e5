//! Dead letters: messages that a function could not use, kept with their reason until somebody looks.

mod local;
mod pubsub;

use std::collections::BTreeMap;

use bytes::Bytes;
use shared::{
    Timestamp,
    address::{Address, ProjectId},
    bus::dead_letter,
    cloud::CloudSettings,
    event::Function,
    settings::{PortAddresses, ProcessVariables},
};

use crate::{arguments::PlaceArguments, state::State};

/// The dead letters of all functions.
pub enum DeadLetters {
    /// Those in the log of the embedded bus.
    Local(local::Log),
    /// Those in the subscriptions of Pub/Sub.
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
}

impl DeadLetters {
    /// Opens those of a place.
    ///
    /// # Errors
    /// When the place cannot be opened.
    pub async fn open(place: &PlaceArguments) -> anyhow::Result<Self> {
        if !place.cloud {
            return Ok(Self::Local(local::Log::open(&State::at(&place.state)?)?));
        }
        match PortAddresses::read(&ProcessVariables)?.bus {
            Address::PubSub(project) => Self::of_project(&project, &CloudSettings::read(&ProcessVariables)?).await,
            Address::File(folder) => Ok(Self::Local(local::Log::in_folder(&folder)?)),
            other => anyhow::bail!("there are no dead letters in {other}"),
        }
    }

    /// Opens those in the subscriptions of a project.
    ///
    /// # Errors
    /// When there are no credentials.
    pub async fn of_project(project: &ProjectId, cloud: &CloudSettings) -> anyhow::Result<Self> {
        Ok(Self::PubSub(pubsub::Topics::open(project, cloud).await?))
    }

    /// Returns those of a function, oldest first, and leaves them where they are.
    ///
    /// # Errors
    /// When the bus fails.
    pub async fn of(&self, function: Function) -> anyhow::Result<Vec<DeadLetter>> {
        let letters = self.take(function).await?;
        self.leave(&letters).await?;
        Ok(letters)
    }

    /// Takes those of a function, oldest first, to be put back or left.
    ///
    /// # Errors
    /// When the bus fails.
    pub async fn take(&self, function: Function) -> anyhow::Result<Vec<DeadLetter>> {
        match self {
            Self::Local(log) => log.letters(function).await,
            Self::PubSub(topics) => topics.take(function).await,
        }
    }

    /// Leaves letters of one function that were taken.
    ///
    /// # Errors
    /// When the bus fails.
    pub async fn leave(&self, letters: &[DeadLetter]) -> anyhow::Result<()> {
        match self {
            Self::Local(_) => Ok(()),
            Self::PubSub(topics) => topics.leave(letters).await,
        }
    }

    /// Publishes a letter, with this payload, to the topic that its function reads, and takes it off the dead letters.
    ///
    /// In this order, so that a failure between the two leaves it there: then it may come twice, but is not lost.
    ///
    /// # Errors
    /// When the bus fails.
    pub async fn put_back(&self, letter: &DeadLetter, data: Bytes) -> anyhow::Result<()> {
        match self {
            Self::Local(log) => log.put_back(letter, data).await,
            Self::PubSub(topics) => topics.put_back(letter, data).await,
        }
    }
}
