//! The champion, and the history of the alias `champion`.

use serde::{Deserialize, Serialize};

use super::{Registry, RegistryError, Version};
use crate::event::EventId;

/// The number of promotions by events that a registry remembers.
///
/// A tag of MLflow, which has at most 5,000 characters, has room for that many of the longest ids.
/// Sixteen promotions take months, and a message is delivered again for a week at most.
pub const REMEMBERED_PROMOTIONS: usize = 16;

/// The alias `champion` with its history, read in one call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChampionState {
    /// The version that the alias `champion` points to.
    pub champion: Option<Version>,
    /// The champion before the last change. It is known even if that change was interrupted.
    pub previous: Option<Version>,
    /// The number of changes of the alias so far; 0 if no change is recorded.
    pub changes: u64,
    /// The promotion that made the present champion, if it is recorded.
    pub last_change: Option<ChampionChange>,
    /// The event that decided on that promotion. `None` if an operator did, and for promotions that
    /// an earlier program version recorded.
    pub promoted_by: Option<EventId>,
    /// The last promotions that events decided on, oldest first, including those that later changes
    /// have replaced. A registry remembers [`REMEMBERED_PROMOTIONS`] of them.
    pub event_promotions: Vec<EventPromotion>,
    /// The last champion, if its version was deleted from the registry.
    pub deleted: Option<Version>,
}

impl ChampionState {
    /// Returns the champion.
    ///
    /// # Errors
    /// Returns an error that names the reason if there is no champion, or if its version was
    /// deleted.
    pub fn usable(&self) -> Result<Version, ChampionError> {
        match (self.deleted, self.champion) {
            (Some(version), _) => Err(ChampionError::Deleted { version }),
            (None, Some(version)) => Ok(version),
            (None, None) if self.changes > 0 || self.previous.is_some() => {
                Err(ChampionError::Unset)
            }
            (None, None) => Err(ChampionError::Missing),
        }
    }

    /// Returns the promotions by events that a registry records with its next change: the known
    /// ones and `further`, without the oldest if they are more than [`REMEMBERED_PROMOTIONS`].
    pub fn event_promotions_with(&self, further: Option<EventPromotion>) -> Vec<EventPromotion> {
        let mut promotions = self.event_promotions.clone();
        promotions.extend(further);
        let surplus = promotions.len().saturating_sub(REMEMBERED_PROMOTIONS);
        promotions.drain(..surplus);
        promotions
    }
}

/// A promotion that an event decided on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventPromotion {
    /// The event.
    pub event: EventId,
    /// The version that became champion.
    pub to: Version,
}

/// A recorded promotion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChampionChange {
    /// The replaced champion; `None` for the first champion.
    pub from: Option<Version>,
    /// The new champion.
    pub to: Version,
    /// `true` if an operator rolled back.
    #[serde(default)]
    pub is_rollback: bool,
}

/// Returns the champion.
///
/// # Errors
/// Returns [`ChampionError::Missing`] if no version was ever champion,
/// [`ChampionError::Deleted`] or [`ChampionError::Unset`] if the registry lost its champion.
pub async fn champion(registry: &dyn Registry) -> Result<Version, ChampionError> {
    registry.champion_state().await?.usable()
}

/// Returns the reason why the functions cannot use the champion, with the next command, or `None` if
/// they can.
///
/// # Errors
/// Returns an error if the registry fails.
pub async fn find_champion_problem(
    registry: &dyn Registry,
) -> Result<Option<String>, RegistryError> {
    let version = match champion(registry).await {
        Ok(version) => version,
        Err(ChampionError::Registry(error)) => return Err(error),
        Err(error) => return Ok(Some(error.to_string())),
    };
    let reason = match registry.version(version).await {
        Ok(_) => return Ok(None),
        Err(RegistryError::Unusable { source, .. }) => source.to_string(),
        Err(error @ RegistryError::NotFound { .. }) => error.to_string(),
        Err(error) => return Err(error),
    };
    Ok(Some(format!(
        "the champion is version {version}, which the functions cannot use: {reason}; choose another one with \
         `bike-traffic rollback --to VERSION`"
    )))
}

/// The champion cannot be determined.
#[derive(Debug, thiserror::Error)]
pub enum ChampionError {
    /// No version was ever champion.
    #[error("there is no champion; train one with `bike-traffic train`")]
    Missing,
    /// The champion's version was deleted from the registry.
    #[error(
        "the champion is version {version}, which was deleted from the registry; choose another one with \
         `bike-traffic rollback --to VERSION`, or train one with `bike-traffic train` if no version is left"
    )]
    Deleted {
        /// The deleted version.
        version: Version,
    },
    /// The alias was removed from the registry.
    #[error(
        "the registry had a champion, but no version has the alias `champion`; choose one with \
         `bike-traffic rollback --to VERSION`, or train one with `bike-traffic train` if no version is left"
    )]
    Unset,
    /// The registry failed.
    #[error(transparent)]
    Registry(#[from] RegistryError),
}
