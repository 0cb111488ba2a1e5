//! Dead letters in Pub/Sub subscriptions.

use bytes::Bytes;
use google_cloud::{CloudSettings, PubSubPublisher};
use shared::{
    address::ProjectId,
    bus::{Message, Publisher, dead_letter},
    event::Function,
};

use super::DeadLetter;
use crate::support::subscriptions::{Pulled, SubscriptionId, Subscriptions};

/// The maximum number of dead letters to read. A thousand dead letters usually have one cause.
const MAX_DEAD_LETTERS: usize = 1_000;

/// The dead-letter subscriptions of a project.
pub(super) struct Topics {
    subscriptions: Subscriptions,
    publisher: PubSubPublisher,
}

impl Topics {
    pub(super) async fn open(project: &ProjectId, cloud: &CloudSettings) -> anyhow::Result<Self> {
        let publisher = PubSubPublisher::open(project, cloud).await?;
        Ok(Self {
            subscriptions: Subscriptions::open(project, cloud)?,
            publisher,
        })
    }

    /// Leases the dead letters of a function, oldest first.
    ///
    /// Dead letters that are neither republished nor released are delivered again after their
    /// acknowledgement deadline.
    pub(super) async fn take(&self, function: Function) -> anyhow::Result<Vec<DeadLetter>> {
        let pulled = self
            .subscriptions
            .pull(&SubscriptionId::of_dead_letters(function), MAX_DEAD_LETTERS)
            .await?;
        let dead_letter = |pulled: Pulled| DeadLetter {
            function,
            handle: pulled.ack_id,
            message_id: pulled.message_id,
            since: pulled.published_at,
            attributes: pulled.attributes,
            data: pulled.data,
        };
        Ok(pulled.into_iter().map(dead_letter).collect())
    }

    /// Extends the lease of dead letters to the maximum.
    pub(super) async fn extend(&self, dead_letters: &[DeadLetter]) -> anyhow::Result<()> {
        let Some(first) = dead_letters.first() else {
            return Ok(());
        };
        let handles: Vec<_> = dead_letters
            .iter()
            .map(|dead_letter| dead_letter.handle.as_str())
            .collect();
        self.subscriptions
            .extend_deadlines(&SubscriptionId::of_dead_letters(first.function), &handles)
            .await
    }

    /// Releases leased dead letters.
    pub(super) async fn release(&self, dead_letters: &[DeadLetter]) -> anyhow::Result<()> {
        let Some(first) = dead_letters.first() else {
            return Ok(());
        };
        let handles: Vec<_> = dead_letters
            .iter()
            .map(|dead_letter| dead_letter.handle.as_str())
            .collect();
        self.subscriptions
            .release(&SubscriptionId::of_dead_letters(first.function), &handles)
            .await
    }

    pub(super) async fn republish(
        &self,
        dead_letter: &DeadLetter,
        data: Bytes,
    ) -> anyhow::Result<()> {
        let topic = dead_letter.function.topic_of(&data);
        let message = Message {
            data,
            attributes: dead_letter::restore(&dead_letter.attributes),
        };
        self.publisher.publish(topic, message).await?;
        let subscription = SubscriptionId::of_dead_letters(dead_letter.function);
        self.subscriptions
            .acknowledge(&subscription, &[&dead_letter.handle])
            .await
    }
}
