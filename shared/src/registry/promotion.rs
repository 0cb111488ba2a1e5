//! Changes of aliases. The alias `champion` moves by a [`Promotion`] only.

use forecasting::policy::Policy;

use super::{
    Alias, ChampionChange, ChampionState, EventPromotion, Registry, RegistryError, Version,
};
use crate::{evaluation::Evaluation, event::EventId};

/// The right to make a version champion.
///
/// There are two ways to get one: [`Promotion::judge`], for a challenger that passes the acting
/// policy, and [`Promotion::by_operator`], for a person with a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Promotion {
    from: Option<Version>,
    to: Version,
    /// The number of changes of the alias `champion` when the promotion was decided, if known.
    changes: Option<u64>,
    is_rollback: bool,
    /// The event that decides; `None` for an operator.
    event: Option<EventId>,
    reason: String,
}

/// The effect of a promotion on the registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PromotionStep {
    /// Both aliases move.
    Move,
    /// The version is champion, but the change was not recorded: only `previous` moves.
    SetPrevious(Version),
    /// The version is champion. An interrupted change must be completed, if there is one.
    Nothing,
    /// The champion changed after the promotion was decided, or the promotion was carried out
    /// before. Nothing moves.
    Refuse,
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
            changes: evaluation.champion_changes,
            is_rollback: false,
            event: None,
            reason,
        })
    }

    /// Names the event that decides. The registry records it, so that a repetition of the event
    /// recognises its own promotion, and another event about the same challenger does not claim it.
    #[must_use]
    pub fn decided_by(self, event: &EventId) -> Self {
        Self {
            event: Some(event.clone()),
            ..self
        }
    }

    /// Creates the promotion that an operator requests.
    ///
    /// `from` is the champion that the operator saw; `None` for the first champion.
    pub fn by_operator(operator: &Operator, from: Option<Version>, to: Version) -> Self {
        Self {
            from,
            to,
            changes: None,
            is_rollback: false,
            event: None,
            reason: format!("requested by {}", operator.name()),
        }
    }

    /// Creates the return to an earlier version that an operator requests.
    ///
    /// `seen` is the state of the registry that the operator saw. Any later change of the champion
    /// makes the rollback stale.
    pub fn rollback(operator: &Operator, seen: &ChampionState, to: Version) -> Self {
        Self {
            changes: Some(seen.changes),
            is_rollback: true,
            ..Self::by_operator(operator, seen.champion, to)
        }
    }

    /// Returns the version to make champion.
    pub const fn to(&self) -> Version {
        self.to
    }

    /// Returns the record of the promotion.
    pub const fn change(&self) -> ChampionChange {
        ChampionChange {
            from: self.from,
            to: self.to,
            is_rollback: self.is_rollback,
        }
    }

    /// Returns the event that decides; `None` for an operator.
    pub const fn event(&self) -> Option<&EventId> {
        self.event.as_ref()
    }

    /// Returns the record of the promotion by its event; `None` for a rollback, and for an operator.
    pub fn of_event(&self) -> Option<EventPromotion> {
        let event = self.event.clone().filter(|_| !self.is_rollback)?;
        let to = self.to;
        Some(EventPromotion { event, to })
    }

    /// Returns the outcome of the promotion on a registry that was in the state `before`.
    pub fn outcome(&self, before: &ChampionState) -> Promoted {
        let champion = before.champion;
        let (is_refused, is_anothers) = (
            self.step(before) == PromotionStep::Refuse,
            self.is_anothers(before),
        );
        if (is_refused || is_anothers) && self.is_carried_out(before) {
            let is_rollback = before.last_change.is_some_and(|last| last.is_rollback);
            return Promoted::Overtaken {
                champion,
                is_rollback,
            };
        }
        match (is_refused, is_anothers) {
            (true, _) => Promoted::Stale { champion },
            (false, true) => Promoted::Already,
            (false, false) => Promoted::Done,
        }
    }

    /// Returns `true` if the event of this promotion has made the version champion before the state
    /// `present`, although the champion may have changed since.
    fn is_carried_out(&self, present: &ChampionState) -> bool {
        self.of_event()
            .is_some_and(|own| present.event_promotions.contains(&own))
    }

    /// Returns `true` if the version is champion in the state `present`, but not by the event of
    /// this promotion: another event promoted it, or an operator rolled back to it.
    ///
    /// A change that an earlier program version recorded, without its event, counts as that of this
    /// event.
    fn is_anothers(&self, present: &ChampionState) -> bool {
        let Some(event) = &self.event else {
            return false;
        };
        if present.champion != Some(self.to) {
            return false;
        }
        let is_rollback = present.last_change.is_some_and(|last| last.is_rollback);
        let promoted_by = present.promoted_by.as_ref();
        is_rollback || promoted_by.is_some_and(|other| other != event)
    }

    /// Returns the effect of the promotion on a registry in the state `present`.
    ///
    /// It compares the number of changes, not only the version: if the champion was promoted and
    /// rolled back since the decision, the rollback wins.
    pub fn step(&self, present: &ChampionState) -> PromotionStep {
        if present.champion == Some(self.to) {
            let is_recorded = present
                .last_change
                .is_some_and(|change| change.to == self.to);
            let missing = self
                .from
                .filter(|from| !is_recorded && present.previous != Some(*from));
            return missing.map_or(PromotionStep::Nothing, PromotionStep::SetPrevious);
        }
        let is_unchanged = self
            .changes
            .is_none_or(|changes| changes == present.changes);
        if present.champion == self.from && is_unchanged && !self.is_carried_out(present) {
            PromotionStep::Move
        } else {
            PromotionStep::Refuse
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
    /// The version was champion already, by another event or a rollback. Only promotions that
    /// [name their event](Promotion::decided_by) are told apart from others.
    Already,
    /// Another version became champion since the promotion was decided; nothing was changed.
    Stale {
        /// The present champion.
        champion: Option<Version>,
    },
    /// The event of the promotion made the version champion in an earlier call, and the champion
    /// changed since; nothing was changed. Only promotions that
    /// [name their event](Promotion::decided_by) are told apart from others.
    Overtaken {
        /// The present champion.
        champion: Option<Version>,
        /// `true` if the last change was the rollback of an operator.
        is_rollback: bool,
    },
}

/// Carries out a promotion: `champion` moves to the new version, and `previous` to the old one.
///
/// A repeated call completes what an interrupted one left undone, and changes nothing else.
///
/// # Errors
/// Returns the errors of [`Registry::promote`].
pub async fn promote(
    registry: &dyn Registry,
    promotion: &Promotion,
) -> Result<Promoted, RegistryError> {
    registry.promote(promotion).await
}

/// Completes the last promotion if it was interrupted between the moves of the two aliases. Changes
/// nothing otherwise, nor if the champion has changed since `state` was read.
///
/// # Errors
/// Returns the errors of [`Registry::promote`].
pub async fn complete_last_change(
    registry: &dyn Registry,
    state: &ChampionState,
) -> Result<(), RegistryError> {
    let Some(ChampionChange {
        from,
        to,
        is_rollback,
    }) = state.last_change
    else {
        return Ok(());
    };
    let repeated = Promotion {
        from,
        to,
        // A change since `state` was read, such as a rollback, must not be undone.
        changes: Some(state.changes),
        is_rollback,
        event: state.promoted_by.clone(),
        reason: String::new(),
    };
    registry.promote(&repeated).await.map(|_| ())
}
