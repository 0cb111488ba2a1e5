//! The registry of an MLflow server.

use std::sync::Arc;

use async_trait::async_trait;
use reqwest::Url;

use super::{Alias, ModelVersion, Registry, RegistryError, Run, Version};
use crate::{address::OpenError, clock::Clock, cloud::CloudSettings, store::Store};

/// A registry on an MLflow server.
pub struct MlflowRegistry {}

impl MlflowRegistry {
    /// Sets up the client of a server; nothing is sent yet.
    ///
    /// # Errors
    /// When the machine's TLS cannot be set up.
    pub fn open(
        _url: &Url,
        _cloud: &CloudSettings,
        _store: Arc<dyn Store>,
        _clock: Arc<dyn Clock>,
    ) -> Result<Self, OpenError> {
        todo!()
    }
}

#[async_trait]
impl Registry for MlflowRegistry {
    async fn register(&self, _run: &Run) -> Result<Version, RegistryError> {
        todo!()
    }
    async fn version(&self, _version: Version) -> Result<ModelVersion, RegistryError> {
        todo!()
    }
    async fn versions(&self) -> Result<Vec<ModelVersion>, RegistryError> {
        todo!()
    }
    async fn alias(&self, _alias: Alias) -> Result<Option<Version>, RegistryError> {
        todo!()
    }
    async fn move_alias(&self, _alias: Alias, _expected: Option<Version>, _to: Version) -> Result<(), RegistryError> {
        todo!()
    }
}
