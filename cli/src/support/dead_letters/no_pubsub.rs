//! The functions of `pubsub.rs` in a build without the feature `cloud`: each returns an error.

use bytes::Bytes;
use google_cloud::CloudSettings;
use runtime::NoClients;
use shared::{address::ProjectId, event::Function};

use super::DeadLetter;

pub(super) struct Topics(NoClients);

impl Topics {
    pub(super) async fn open(_: &ProjectId, _: &CloudSettings) -> anyhow::Result<Self> {
        Ok(Self(NoClients))
    }

    pub(super) async fn take(&self, _: Function) -> anyhow::Result<Vec<DeadLetter>> {
        Err(self.0.into())
    }

    pub(super) async fn extend(&self, _: &[DeadLetter]) -> anyhow::Result<()> {
        Err(self.0.into())
    }

    pub(super) async fn release(&self, _: &[DeadLetter]) -> anyhow::Result<()> {
        Err(self.0.into())
    }

    pub(super) async fn republish(&self, _: &DeadLetter, _: Bytes) -> anyhow::Result<()> {
        Err(self.0.into())
    }
}
