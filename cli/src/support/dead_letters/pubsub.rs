//! Dead letters in subscriptions of Pub/Sub.

use bytes::Bytes;
use google_cloud::{CloudSettings, PubSubPublisher};
use shared::{
    address::ProjectId,
    bus::{Message, Publisher, dead_letter},
    event::Function,
};

use super::DeadLetter;
use crate::support::subscriptions::{Pulled, SubscriptionId, Subscriptions};

/// More are not shown at once: with a thousand dead letters the cause is one, and it is in the first of them.
const MAXIMUM_LETTERS: usize = 1_000;

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

    /// Takes what the subscription holds, oldest first; what is neither put back nor left comes back by itself when its
    /// acknowledgement deadline is over.
    pub(super) async fn take(&self, function: Function) -> anyhow::Result<Vec<DeadLetter>> {
        let pulled = self
            .subscriptions
            .pull(&SubscriptionId::of_dead_letters(function), MAXIMUM_LETTERS)
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

    /// Keeps letters that were taken for as long again as can be.
    pub(super) async fn keep(&self, dead_letters: &[DeadLetter]) -> anyhow::Result<()> {
        let Some(first) = dead_letters.first() else {
            return Ok(());
        };
        let handles: Vec<_> = dead_letters
            .iter()
            .map(|dead_letter| dead_letter.handle.as_str())
            .collect();
        self.subscriptions
            .keep(&SubscriptionId::of_dead_letters(first.function), &handles)
            .await
    }

    pub(super) async fn leave(&self, dead_letters: &[DeadLetter]) -> anyhow::Result<()> {
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
        let message = Message {
            data,
            attributes: dead_letter::restore(&dead_letter.attributes),
        };
        self.publisher
            .publish(dead_letter.function.input(), message)
            .await?;
        let subscription = SubscriptionId::of_dead_letters(dead_letter.function);
        self.subscriptions
            .acknowledge(&subscription, &[&dead_letter.handle])
            .await
    }
}
