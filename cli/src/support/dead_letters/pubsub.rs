//! Dead letters in Pub/Sub subscriptions.

use bytes::Bytes;
use google_cloud::{CloudSettings, PubSubPublisher};
use shared::{address::ProjectId, bus::Publisher, event::Function};

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
        let Some((subscription, handles)) = leased(dead_letters) else {
            return Ok(());
        };
        self.subscriptions
            .extend_deadlines(&subscription, &handles)
            .await
    }

    /// Releases leased dead letters.
    pub(super) async fn release(&self, dead_letters: &[DeadLetter]) -> anyhow::Result<()> {
        let Some((subscription, handles)) = leased(dead_letters) else {
            return Ok(());
        };
        self.subscriptions.release(&subscription, &handles).await
    }

    pub(super) async fn republish(
        &self,
        dead_letter: &DeadLetter,
        data: Bytes,
    ) -> anyhow::Result<()> {
        let (topic, message) = dead_letter.message_to_republish(data);
        self.publisher.publish(topic, message).await?;
        let subscription = SubscriptionId::of_dead_letters(dead_letter.function);
        self.subscriptions
            .acknowledge(&subscription, &[&dead_letter.handle])
            .await
    }
}

/// Returns the subscription and the handles of leased dead letters, all of the same function, or
/// `None` without any.
fn leased(dead_letters: &[DeadLetter]) -> Option<(SubscriptionId, Vec<&str>)> {
    let subscription = SubscriptionId::of_dead_letters(dead_letters.first()?.function);
    let handles = dead_letters
        .iter()
        .map(|dead_letter| dead_letter.handle.as_str());
    Some((subscription, handles.collect()))
}
