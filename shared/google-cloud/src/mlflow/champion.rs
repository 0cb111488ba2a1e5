//! The alias `champion` and the record of its changes.
//!
//! A call of MLflow moves one alias. A promotion moves two, and counts the change. So it first
//! writes a record into a tag of the registered model, then moves `champion`, then `previous`, and
//! then marks the record as complete. An interruption between any two of these calls loses nothing:
//! - If `champion` does not point to the recorded version yet, the change has not happened.
//! - If it does, but the record is incomplete, the record has the champion before the change. The
//!   next change completes it.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shared::{
    event::EventId,
    registry::{
        Alias, ChampionChange, ChampionState, EventPromotion, Promoted, Promotion, PromotionStep,
        Registry, RegistryError, Version,
    },
};

use super::{MlflowError, MlflowRegistry, lock::Held, unavailable, wire};
use crate::Attempts;

/// The tag of the registered model with the last change of the alias `champion`.
const RECORD_TAG: &str = "bike_traffic.champion";

/// The last change of the alias `champion`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    /// The number of changes, including this one.
    changes: u64,
    from: Option<Version>,
    to: Version,
    kind: Kind,
    /// The event that decided; `None` for an operator, and in records of earlier program versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    event: Option<EventId>,
    /// The last promotions before this change that events decided on, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    earlier: Vec<EventPromotion>,
    /// `true` once all aliases have moved.
    is_complete: bool,
}

/// The kind of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    /// The alias `champion` moves alone.
    Alias,
    /// `champion` and `previous` move.
    Promotion,
    /// `champion` and `previous` move because an operator rolled back.
    Rollback,
}

impl Record {
    fn of(promotion: &Promotion, present: &ChampionState) -> Self {
        let change = promotion.change();
        let kind = if change.is_rollback {
            Kind::Rollback
        } else {
            Kind::Promotion
        };
        Self {
            changes: present.changes.saturating_add(1),
            from: change.from,
            to: change.to,
            kind,
            event: promotion.event().cloned(),
            earlier: present.event_promotions_with(None),
            is_complete: false,
        }
    }

    /// Returns the record of a change that moves only the alias `champion`.
    pub(super) fn of_alias(to: Version, present: &ChampionState) -> Self {
        Self {
            changes: present.changes.saturating_add(1),
            from: present.champion,
            to,
            kind: Kind::Alias,
            event: None,
            earlier: present.event_promotions_with(None),
            is_complete: false,
        }
    }

    fn promotion(&self) -> Option<ChampionChange> {
        let is_rollback = match self.kind {
            Kind::Alias => return None,
            Kind::Promotion => false,
            Kind::Rollback => true,
        };
        Some(ChampionChange {
            from: self.from,
            to: self.to,
            is_rollback,
        })
    }

    /// Returns the promotions by events up to this change, if it `has_happened`.
    fn event_promotions(&self, has_happened: bool) -> Vec<EventPromotion> {
        let is_own = has_happened && !matches!(self.kind, Kind::Rollback);
        let own = self.event.clone().filter(|_| is_own);
        let own = own.map(|event| EventPromotion { event, to: self.to });
        self.earlier.iter().cloned().chain(own).collect()
    }

    /// Returns the state that results from the aliases found and this record.
    fn state(&self, champion: Option<Version>, previous: Option<Version>) -> ChampionState {
        let state = ChampionState {
            champion,
            previous,
            ..ChampionState::default()
        };
        if champion == Some(self.to) {
            let last_change = self.promotion();
            let recorded = last_change.filter(|_| !self.is_complete);
            return ChampionState {
                changes: self.changes,
                previous: recorded.and_then(|change| change.from).or(previous),
                last_change,
                promoted_by: self.event.clone(),
                event_promotions: self.event_promotions(true),
                ..state
            };
        }
        let changes = if !self.is_complete && champion == self.from {
            self.changes.saturating_sub(1)
        } else {
            // Another program moved or removed the alias since.
            self.changes.saturating_add(1)
        };
        ChampionState {
            changes,
            // A complete change happened, although the alias was moved since.
            event_promotions: self.event_promotions(self.is_complete),
            ..state
        }
    }
}

impl MlflowRegistry {
    /// Reads the alias `champion` with its record, in one call.
    pub(super) async fn read_champion(
        &self,
    ) -> Result<(ChampionState, Option<Record>), MlflowError> {
        let query = [("name", self.model.as_str())];
        let reply: Result<wire::ModelResponse, _> =
            self.api.get("mlflow/registered-models/get", &query).await;
        let model = match reply {
            Ok(reply) => reply.registered_model,
            // Nothing was registered yet. Any other status 404 comes from a server in trouble.
            Err(error) if error.is(wire::MISSING) => return Ok(Default::default()),
            Err(error) => return Err(error),
        };
        let champion = model.alias(Alias::Champion)?;
        let previous = model.alias(Alias::Previous)?;
        let record = self.record(&model);
        let state = match &record {
            Some(record) => record.state(champion, previous),
            None => ChampionState {
                champion,
                previous,
                ..ChampionState::default()
            },
        };
        Ok((state, record))
    }

    /// Reads the alias `champion` with its history, and finds out whether a missing champion was
    /// deleted.
    pub(super) async fn read_champion_state(&self) -> Result<ChampionState, MlflowError> {
        let (state, record) = self.read_champion().await?;
        let lost = record.filter(|_| state.champion.is_none() && state.changes > 0);
        let Some(lost) = lost else {
            return Ok(state);
        };
        // The server removes the aliases of a deleted version.
        let deleted = match self.read_version(lost.to).await? {
            None => Some(lost.to),
            Some(_) => None,
        };
        Ok(ChampionState { deleted, ..state })
    }

    fn record(&self, model: &wire::RegisteredModel) -> Option<Record> {
        let tag = model.tags.iter().find(|tag| tag.key == RECORD_TAG)?;
        match serde_json::from_str(&tag.value) {
            Ok(record) => Some(record),
            Err(error) => {
                tracing::warn!(
                    model = self.model,
                    tag = RECORD_TAG,
                    %error,
                    "ignoring malformed record of the champion's changes"
                );
                None
            }
        }
    }

    /// Carries out a promotion. The caller must hold the lock.
    pub(super) async fn promote_alone(
        &self,
        held: &Held,
        promotion: &Promotion,
    ) -> Result<Promoted, RegistryError> {
        let failed = |error: MlflowError| unavailable("promote a version", error);
        let (state, record) = self.read_champion().await.map_err(failed)?;
        let done = match promotion.step(&state) {
            PromotionStep::Move => {
                // Every check that can fail comes before the first change.
                self.version(promotion.to()).await?;
                let record = Record::of(promotion, &state);
                self.change_champion(held, record).await
            }
            PromotionStep::SetPrevious(from) => self.set_previous(held, from).await,
            PromotionStep::Nothing => match record {
                Some(record) => self.complete(held, record).await,
                None => Ok(()),
            },
            PromotionStep::Refuse => Ok(()),
        };
        done.map_err(failed)?;
        Ok(promotion.outcome(&state))
    }

    /// Moves the alias `champion`, and `previous` if the record is one of a promotion.
    pub(super) async fn change_champion(
        &self,
        held: &Held,
        record: Record,
    ) -> Result<(), MlflowError> {
        self.write_record(held, &record).await?;
        self.write_alias(held, Alias::Champion, record.to).await?;
        self.complete(held, record).await
    }

    async fn complete(&self, held: &Held, record: Record) -> Result<(), MlflowError> {
        if record.is_complete {
            return Ok(());
        }
        if let Some(from) = record.promotion().and_then(|change| change.from) {
            self.set_previous(held, from).await?;
        }
        let is_complete = true;
        self.write_record(
            held,
            &Record {
                is_complete,
                ..record
            },
        )
        .await
    }

    /// Moves the alias `previous`, unless the version was deleted.
    async fn set_previous(&self, held: &Held, version: Version) -> Result<(), MlflowError> {
        match self.write_alias(held, Alias::Previous, version).await {
            Err(error) if error.is(wire::MISSING) => {
                tracing::warn!(
                    model = self.model,
                    %version,
                    "the replaced champion was deleted; keeping the alias `previous`"
                );
                Ok(())
            }
            written => written,
        }
    }

    async fn write_record(&self, held: &Held, record: &Record) -> Result<(), MlflowError> {
        // Serialization cannot fail: the value consists of numbers and strings.
        let value = serde_json::to_string(record).unwrap_or_default();
        let body = json!({ "name": self.model, "key": RECORD_TAG, "value": value });
        self.write(held, "mlflow/registered-models/set-tag", &body)
            .await
    }

    /// Points an alias to a version.
    pub(super) async fn write_alias(
        &self,
        held: &Held,
        alias: Alias,
        to: Version,
    ) -> Result<(), MlflowError> {
        let body = json!({ "name": self.model, "alias": alias, "version": to.to_string() });
        self.write(held, "mlflow/registered-models/alias", &body)
            .await
    }

    /// Sends an idempotent change, with retries.
    ///
    /// Checks the lock before each attempt: a process that was suspended until the lock expired
    /// would otherwise overwrite the change of the next holder.
    async fn write(
        &self,
        held: &Held,
        call: &'static str,
        body: &Value,
    ) -> Result<(), MlflowError> {
        let mut attempts = Attempts::new(|| call.to_owned());
        loop {
            held.check().await?;
            match self.api.post_once::<wire::Nothing>(call, body).await {
                Ok(_) => return Ok(()),
                Err(error) => attempts.pause(error, MlflowError::is_retryable).await?,
            }
        }
    }
}

#[cfg(test)]
mod tests;
