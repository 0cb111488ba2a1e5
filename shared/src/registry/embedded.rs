//! The registry with one JSON object in a store.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::{
    Alias, AliasChange, ChampionChange, ChampionState, EventPromotion, MODEL, ModelVersion,
    Promoted, Promotion, PromotionStep, Registry, RegistryError, Run, Version, VersionDecision,
};
use crate::{
    address::ObjectPath,
    event::EventId,
    store::{Condition, Store, StoreError, read_json, write_json},
};

/// A registry stored at `registry/bike-traffic-champion.json`. Every change is a compare-and-swap
/// of that object.
#[derive(Clone)]
pub struct EmbeddedRegistry {
    store: Arc<dyn Store>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Contents {
    versions: Vec<ModelVersion>,
    aliases: BTreeMap<Alias, Version>,
    /// The number of changes of the alias `champion`.
    #[serde(default, skip_serializing_if = "is_zero")]
    changes: u64,
    /// The promotion that made the present champion. A move of the alias alone clears it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_change: Option<ChampionChange>,
    /// The event that decided on that promotion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    promoted_by: Option<EventId>,
    /// The last promotions that events decided on, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    event_promotions: Vec<EventPromotion>,
}

impl Contents {
    fn has(&self, version: Version) -> bool {
        self.versions.iter().any(|known| known.version == version)
    }

    fn check(&self, version: Version) -> Result<(), RegistryError> {
        if self.has(version) {
            Ok(())
        } else {
            Err(RegistryError::NotFound { version })
        }
    }

    fn champion_state(&self) -> ChampionState {
        let alias = |alias: Alias| self.aliases.get(&alias).copied();
        let champion = alias(Alias::Champion);
        let deleted = champion.filter(|version| !self.has(*version));
        ChampionState {
            champion,
            previous: alias(Alias::Previous),
            changes: self.changes,
            last_change: self.last_change.filter(|_| deleted.is_none()),
            promoted_by: self.promoted_by.clone().filter(|_| deleted.is_none()),
            event_promotions: self.event_promotions(),
            deleted,
        }
    }

    /// Returns the promotions by events. An earlier program version recorded only the last event.
    fn event_promotions(&self) -> Vec<EventPromotion> {
        let mut promotions = self.event_promotions.clone();
        let is_rollback = self.last_change.is_some_and(|last| last.is_rollback);
        let champion = self.aliases.get(&Alias::Champion).copied();
        let champion = champion.filter(|_| !is_rollback);
        if let Some((event, to)) = self.promoted_by.clone().zip(champion) {
            let last = EventPromotion { event, to };
            if !promotions.contains(&last) {
                promotions.push(last);
            }
        }
        promotions
    }

    fn set_previous(&mut self, version: Option<Version>) {
        if let Some(version) = version.filter(|version| self.has(*version)) {
            self.aliases.insert(Alias::Previous, version);
        }
    }

    fn promote(&mut self, promotion: &Promotion) -> Result<Promoted, RegistryError> {
        let state = self.champion_state();
        let change = promotion.change();
        match promotion.step(&state) {
            PromotionStep::Move => {
                self.check(change.to)?;
                self.aliases.insert(Alias::Champion, change.to);
                self.set_previous(change.from);
                self.changes += 1;
                self.last_change = Some(change);
                self.promoted_by = promotion.event().cloned();
                self.event_promotions = state.event_promotions_with(promotion.of_event());
            }
            PromotionStep::SetPrevious(from) => self.set_previous(Some(from)),
            PromotionStep::Nothing | PromotionStep::Refuse => {}
        }
        Ok(promotion.outcome(&state))
    }
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
    /// Writes nothing if the contents stay the same.
    async fn change<T: Send>(
        &self,
        verb: &'static str,
        change: impl Fn(&mut Contents) -> Result<T, RegistryError> + Send + Sync,
    ) -> Result<T, RegistryError> {
        loop {
            let (before, condition) = self.read(verb).await?;
            let mut contents = before.clone();
            let result = change(&mut contents)?;
            if contents == before {
                return Ok(result);
            }
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
        self.change("register a version", |contents| {
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
                decision: None,
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
            contents.check(to)?;
            let event_promotions = contents.event_promotions();
            contents.aliases.insert(alias, to);
            if alias == Alias::Champion {
                contents.event_promotions = event_promotions;
                contents.changes += 1;
                contents.last_change = None;
                contents.promoted_by = None;
            }
            Ok(())
        })
        .await
    }

    async fn champion_state(&self) -> Result<ChampionState, RegistryError> {
        Ok(self.read("read an alias").await?.0.champion_state())
    }

    async fn promote(&self, promotion: &Promotion) -> Result<Promoted, RegistryError> {
        self.change("promote a version", |contents| contents.promote(promotion))
            .await
    }

    async fn record_decision(
        &self,
        version: Version,
        decision: &VersionDecision,
    ) -> Result<(), RegistryError> {
        self.change("record a decision", |contents| {
            let mut versions = contents.versions.iter_mut();
            let found = versions.find(|known| known.version == version);
            found.ok_or(RegistryError::NotFound { version })?.decision = Some(decision.clone());
            Ok(())
        })
        .await
    }
}

/// Returns `true` for a number that is not written.
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

fn path() -> ObjectPath {
    ObjectPath::new(format_args!("registry/{MODEL}.json"))
}
