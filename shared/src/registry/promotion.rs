//! Changes of aliases. The alias `champion` moves by a [`Promotion`] only.

use forecasting::policy::Policy;

use super::{Alias, Registry, RegistryError, Version};
use crate::evaluation::Evaluation;

/// The right to make a version champion.
///
/// There are two ways to get one: [`Promotion::judge`], for a challenger that passes the acting
/// policy, and [`Promotion::by_operator`], for a person with a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Promotion {
    from: Option<Version>,
    to: Version,
    reason: String,
}

/// The reason why a challenger does not become champion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The verdict of the acting policy, in a sentence.
    pub reason: String,
}

impl Promotion {
    /// Judges an evaluation by the acting policy.
    ///
    /// # Errors
    /// Returns the reason if the policy keeps the champion.
    pub fn judge(policy: &Policy, evaluation: &Evaluation) -> Result<Self, Kept> {
        let verdicts = policy.judge_challenger(&evaluation.comparison);
        let verdict = verdicts.acting();
        let reason = verdict.reason.clone();
        if !verdict.promote {
            return Err(Kept { reason });
        }
        Ok(Self {
            from: Some(evaluation.champion),
            to: evaluation.challenger,
            reason,
        })
    }

    /// Creates the promotion that an operator requests.
    ///
    /// `from` is the champion that the operator saw; `None` for the first champion.
    pub fn by_operator(operator: &Operator, from: Option<Version>, to: Version) -> Self {
        Self {
            from,
            to,
            reason: format!("requested by {}", operator.name()),
        }
    }

    /// Returns the reason, in a sentence.
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

/// A person who runs a command of `bike-traffic`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operator(String);

impl Operator {
    /// Creates an operator. A blank name becomes `unknown`.
    pub fn named(name: &str) -> Self {
        let name = name.trim();
        Self(if name.is_empty() { "unknown" } else { name }.to_owned())
    }

    /// Returns the name.
    pub fn name(&self) -> &str {
        &self.0
    }

    /// Creates the change of the alias `champion` that the operator requests.
    pub fn champion_change(&self, from: Option<Version>, to: Version) -> AliasChange {
        AliasChange::champion(&Promotion::by_operator(self, from, to))
    }
}

/// A compare-and-swap of an alias: it moves to a version if it still points to the expected one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AliasChange {
    alias: Alias,
    expected: Option<Version>,
    to: Version,
}

impl AliasChange {
    /// Moves the alias `champion` as a promotion allows.
    pub fn champion(promotion: &Promotion) -> Self {
        Self {
            alias: Alias::Champion,
            expected: promotion.from,
            to: promotion.to,
        }
    }

    /// Moves the alias `challenger`.
    pub fn challenger(expected: Option<Version>, to: Version) -> Self {
        Self {
            alias: Alias::Challenger,
            expected,
            to,
        }
    }

    /// Moves the alias `previous`.
    pub fn previous(expected: Option<Version>, to: Version) -> Self {
        Self {
            alias: Alias::Previous,
            expected,
            to,
        }
    }

    /// Returns the alias.
    pub fn alias(&self) -> Alias {
        self.alias
    }

    /// Returns the version that the alias must point to before the change, if any.
    pub fn expected(&self) -> Option<Version> {
        self.expected
    }

    /// Returns the version that the alias points to after the change.
    pub fn to(&self) -> Version {
        self.to
    }
}

/// The outcome of a promotion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Promoted {
    /// The version is champion.
    Done,
    /// Another version became champion since the promotion was decided; nothing was changed.
    Stale {
        /// The present champion.
        champion: Option<Version>,
    },
}

/// Carries out a promotion: `champion` moves to the new version, and `previous` to the old one.
///
/// A repeated call completes what an interrupted one left undone, and changes nothing else.
///
/// # Errors
/// Returns an error if the version does not exist, or the registry is not available.
pub async fn promote(
    registry: &dyn Registry,
    promotion: &Promotion,
) -> Result<Promoted, RegistryError> {
    match registry.move_alias(AliasChange::champion(promotion)).await {
        // An interrupted call moved the alias already.
        Err(RegistryError::AliasMoved { found, .. }) if found == Some(promotion.to) => {}
        Err(RegistryError::AliasMoved { found, .. }) => {
            return Ok(Promoted::Stale { champion: found });
        }
        moved => moved?,
    }
    let Some(from) = promotion.from else {
        return Ok(Promoted::Done);
    };
    let previous = registry.alias(Alias::Previous).await?;
    if previous != Some(from) {
        registry
            .move_alias(AliasChange::previous(previous, from))
            .await?;
    }
    Ok(Promoted::Done)
}

/// Returns the champion.
///
/// # Errors
/// Returns [`ChampionError::Missing`] if no version is champion.
pub async fn champion(registry: &dyn Registry) -> Result<Version, ChampionError> {
    let champion = registry.alias(Alias::Champion).await?;
    champion.ok_or(ChampionError::Missing)
}

/// The champion cannot be determined.
#[derive(Debug, thiserror::Error)]
pub enum ChampionError {
    /// No version is champion.
    #[error("there is no champion; train one with `bike-traffic train`")]
    Missing,
    /// The registry failed.
    #[error(transparent)]
    Registry(#[from] RegistryError),
}
