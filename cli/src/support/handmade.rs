//! A registry of versions without a run of bike-traffic, for tests.

use std::sync::Arc;

use async_trait::async_trait;
use shared::registry::{
    Alias, AliasChange, ChampionState, ModelVersion, Promoted, Promotion, Registry, RegistryError,
    Run, Version, VersionDecision,
};

/// A registry in which a person registered every version by hand, without a run.
pub(crate) struct Handmade(pub(crate) Arc<dyn Registry>);

#[async_trait]
impl Registry for Handmade {
    async fn register(&self, run: &Run) -> Result<Version, RegistryError> {
        self.0.register(run).await
    }

    async fn version(&self, version: Version) -> Result<ModelVersion, RegistryError> {
        Err(RegistryError::Unusable {
            version,
            source: "it has no run of bike-traffic".into(),
        })
    }

    async fn versions(&self) -> Result<Vec<ModelVersion>, RegistryError> {
        Ok(Vec::new())
    }

    async fn alias(&self, alias: Alias) -> Result<Option<Version>, RegistryError> {
        self.0.alias(alias).await
    }

    async fn move_alias(&self, change: AliasChange) -> Result<(), RegistryError> {
        self.0.move_alias(change).await
    }

    async fn champion_state(&self) -> Result<ChampionState, RegistryError> {
        self.0.champion_state().await
    }

    async fn promote(&self, promotion: &Promotion) -> Result<Promoted, RegistryError> {
        self.0.promote(promotion).await
    }

    async fn record_decision(
        &self,
        version: Version,
        decision: &VersionDecision,
    ) -> Result<(), RegistryError> {
        self.0.record_decision(version, decision).await
    }
}
