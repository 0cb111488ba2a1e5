//! The registry with one JSON object in a store.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::{Alias, AliasChange, MODEL, ModelVersion, Registry, RegistryError, Run, Version};
use crate::{
    address::ObjectPath,
    store::{Condition, Store, StoreError, read_json, write_json},
};

/// A registry stored at `registry/bike-traffic-champion.json`. Every change is a compare-and-swap
/// of that object.
#[derive(Clone)]
pub struct EmbeddedRegistry {
    store: Arc<dyn Store>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Contents {
    versions: Vec<ModelVersion>,
    aliases: BTreeMap<Alias, Version>,
}

impl EmbeddedRegistry {
    /// Creates a registry with its object in `store`.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }

    async fn read(&self, verb: &'static str) -> Result<(Contents, Condition), RegistryError> {
        match read_json(&*self.store, &path()).await {
            Ok((contents, generation)) => Ok((contents, Condition::Unchanged(generation))),
            Err(StoreError::NotFound { .. }) => Ok((Contents::default(), Condition::Absent)),
            Err(source) => Err(RegistryError::Unavailable {
                verb,
                source: source.into(),
            }),
        }
    }

    /// Applies a change by compare-and-swap, and retries it on the new contents after a lost race.
    async fn change<T: Send>(
        &self,
        verb: &'static str,
        change: impl Fn(&mut Contents) -> Result<T, RegistryError> + Send + Sync,
    ) -> Result<T, RegistryError> {
        loop {
            let (mut contents, condition) = self.read(verb).await?;
            let result = change(&mut contents)?;
            match write_json(&*self.store, &path(), &contents, condition).await {
                Ok(_) => return Ok(result),
                Err(StoreError::ConditionFailed { .. }) => {}
                Err(source) => {
                    return Err(RegistryError::Unavailable {
                        verb,
                        source: source.into(),
                    });
                }
            }
        }
    }
}

#[async_trait]
impl Registry for EmbeddedRegistry {
    async fn register(&self, run: &Run) -> Result<Version, RegistryError> {
        let verb = "register a version";
        if let Some(known) = self
            .read(verb)
            .await?
            .0
            .versions
            .iter()
            .find(|known| known.run.name == run.name)
        {
            return Ok(known.version);
        }
        self.change(verb, |contents| {
            if let Some(known) = contents
                .versions
                .iter()
                .find(|known| known.run.name == run.name)
            {
                return Ok(known.version);
            }
            let last = contents.versions.last().map_or(0, |last| last.version.0);
            let version = Version(last + 1);
            contents.versions.push(ModelVersion {
                version,
                run: run.clone(),
            });
            Ok(version)
        })
        .await
    }

    async fn version(&self, version: Version) -> Result<ModelVersion, RegistryError> {
        let versions = self.versions().await?;
        versions
            .into_iter()
            .find(|known| known.version == version)
            .ok_or(RegistryError::NotFound { version })
    }

    async fn versions(&self) -> Result<Vec<ModelVersion>, RegistryError> {
        Ok(self.read("list the versions").await?.0.versions)
    }

    async fn alias(&self, alias: Alias) -> Result<Option<Version>, RegistryError> {
        Ok(self
            .read("read an alias")
            .await?
            .0
            .aliases
            .get(&alias)
            .copied())
    }

    async fn move_alias(&self, change: AliasChange) -> Result<(), RegistryError> {
        let (alias, expected, to) = (change.alias(), change.expected(), change.to());
        self.change("move an alias", |contents| {
            let found = contents.aliases.get(&alias).copied();
            if found != expected {
                return Err(RegistryError::AliasMoved {
                    alias,
                    expected,
                    found,
                });
            }
            if contents.versions.iter().all(|known| known.version != to) {
                return Err(RegistryError::NotFound { version: to });
            }
            contents.aliases.insert(alias, to);
            Ok(())
        })
        .await
    }
}

fn path() -> ObjectPath {
    ObjectPath::new(format_args!("registry/{MODEL}.json"))
}
