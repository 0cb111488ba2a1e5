//! Dead letters in the log of the embedded bus.
//!
//! The log is append-only, so a marker object is stored for each republished dead letter.

use std::{path::Path, sync::Arc};

use anyhow::Context;
use bytes::Bytes;
use shared::{
    address::ObjectPath,
    bus::{LogPublisher, LoggedMessage, Publisher},
    clock::{Clock, SystemClock},
    event::{Function, Topic},
    store::{Condition, FileStore, Store, StoreError, read_json},
};

use super::DeadLetter;
use crate::support::{embedded_bus, state::State};

/// The log of the embedded bus.
pub(super) struct Log {
    store: Arc<dyn Store>,
    publisher: LogPublisher,
}

impl Log {
    pub(super) fn open(state: &State) -> anyhow::Result<Self> {
        Ok(Self::new(state.open_bus_store()?))
    }

    pub(super) fn in_folder(folder: &Path) -> anyhow::Result<Self> {
        let store = FileStore::open(folder)
            .with_context(|| format!("cannot open the bus in {}", folder.display()))?;
        Ok(Self::new(Arc::new(store)))
    }

    fn new(store: Arc<dyn Store>) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        Self {
            publisher: LogPublisher::new(Arc::clone(&store), clock),
            store,
        }
    }

    pub(super) async fn dead_letters(&self, function: Function) -> anyhow::Result<Vec<DeadLetter>> {
        let mut dead_letters = Vec::new();
        for path in self
            .store
            .list(&format!("bus/topics/{}/", Topic::DeadLetter(function)))
            .await?
        {
            let (message, _) = read_json::<LoggedMessage>(&*self.store, &path).await?;
            if self
                .store
                .generation(&marker(&message.message_id.0)?)
                .await?
                .is_some()
            {
                continue;
            }
            dead_letters.push(DeadLetter {
                function,
                handle: message.message_id.0.clone(),
                message_id: message.message_id.0,
                since: message.published_at,
                attributes: message.attributes,
                data: message.data.to_bytes(),
            });
        }
        Ok(dead_letters)
    }

    pub(super) async fn waiting(&self, function: Function) -> Result<usize, StoreError> {
        embedded_bus::waiting(&*self.store, function).await
    }

    pub(super) async fn republish(
        &self,
        dead_letter: &DeadLetter,
        data: Bytes,
    ) -> anyhow::Result<()> {
        let (topic, message) = dead_letter.message_to_republish(data);
        let published = self.publisher.publish(topic, message).await?;
        self.store
            .write(
                &marker(&dead_letter.message_id)?,
                published.0.into(),
                Condition::Always,
            )
            .await?;
        Ok(())
    }
}

/// Returns the path of the marker of a republished dead letter.
fn marker(message_id: &str) -> anyhow::Result<ObjectPath> {
    Ok(format!("bus/put-back/{message_id}").parse()?)
}
