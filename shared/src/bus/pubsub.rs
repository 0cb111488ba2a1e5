//! Topics of Pub/Sub.

use async_trait::async_trait;

use super::{BusError, Message, MessageId, Publisher};
use crate::{
    address::{OpenError, ProjectId},
    cloud::CloudSettings,
    event::Topic,
};

/// Publishes to the topics of a project.
pub struct PubSubPublisher {}

impl PubSubPublisher {
    /// Opens the topics of a project.
    ///
    /// # Errors
    /// When there are no credentials.
    pub async fn open(_project: &ProjectId, _cloud: &CloudSettings) -> Result<Self, OpenError> {
        todo!()
    }
}

#[async_trait]
impl Publisher for PubSubPublisher {
    async fn publish(&self, _topic: Topic, _message: Message) -> Result<MessageId, BusError> {
        todo!()
    }
}
