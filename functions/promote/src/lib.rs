#![doc = include_str!("../README.md")]

mod page;

use std::sync::Arc;

use forecasting::{
    metrics::Scores,
    policy::{Policy, ScorePair},
};
use report::publish::{PageAddress, Pages, week_of};
use runtime::{Context, Error, Handler, Outcome, check_store};
use serde_json::json;
use shared::{
    audit::{AuditEntry, ChampionDecision, Compared},
    evaluation::Evaluation,
    event::{ChallengerEvaluated, ChampionDecided, EventId, Function, Topic},
    notifier::Notification,
    ports::Ports,
    registry::{
        Kept, Promoted, Promotion, Registry, RegistryError, Version, VersionDecision, champion,
        promote,
    },
    settings::{SettingsError, Variables, optional},
    store::{Store, read_json},
};

/// The handler of evaluated challengers.
pub struct Promote {
    policy: Policy,
    store: Arc<dyn Store>,
    registry: Arc<dyn Registry>,
    /// `None` for a handler without pages.
    pages: Option<Pages>,
}

/// Creates the handler from the variable `POLICY`. It writes pages.
///
/// # Errors
/// Returns an error if `POLICY` is invalid.
pub fn build(variables: &dyn Variables, ports: &Ports) -> Result<Promote, SettingsError> {
    let policy = optional(variables, "POLICY")?.unwrap_or_default();
    Ok(Promote::new(policy, ports).with_pages(ports))
}

impl Promote {
    /// Creates the handler with a policy and the ports it uses.
    pub fn new(policy: Policy, ports: &Ports) -> Self {
        Self {
            policy,
            store: Arc::clone(&ports.store),
            registry: Arc::clone(&ports.registry),
            pages: None,
        }
    }

    /// Writes the page of the week, that of its month and the on-call page after each decision.
    #[must_use]
    pub fn with_pages(self, ports: &Ports) -> Self {
        Self {
            pages: Some(Pages::of(ports)),
            ..self
        }
    }

    /// Reads the evaluation of an event, and checks that it compares the same versions on the same
    /// rows.
    async fn evaluation(&self, event: &ChallengerEvaluated) -> Result<Evaluation, Error> {
        let (evaluation, _) = read_json::<Evaluation>(&*self.store, &event.evaluation).await?;
        if (evaluation.champion, evaluation.challenger) == (event.champion, event.challenger) {
            return check_scores(evaluation, event);
        }
        Err(Error::permanent(format!(
            "the evaluation {} compares versions {} and {}, but the event names {} and {}",
            event.evaluation,
            evaluation.champion,
            evaluation.challenger,
            event.champion,
            event.challenger
        )))
    }

    async fn decide(&self, evaluation: &Evaluation, context: &Context) -> Result<Decision, Error> {
        let promotion = match Promotion::judge(&self.policy, evaluation) {
            Ok(promotion) => promotion.decided_by(&context.event_id),
            Err(Kept { reason }) => {
                return Ok(Decision::kept(champion(&*self.registry).await?, reason));
            }
        };
        context.fence.check().await?;
        match promote(&*self.registry, &promotion).await? {
            Promoted::Done => Ok(Decision {
                name: "promoted",
                champion: evaluation.challenger,
                reason: promotion.reason().to_owned(),
                is_repetition: false,
            }),
            Promoted::Already => {
                let champion = evaluation.challenger;
                let reason = format!("version {champion} is the champion already");
                Ok(Decision {
                    is_repetition: true,
                    ..Decision::kept(champion, reason)
                })
            }
            Promoted::Stale { champion: found } => {
                let present = self.present(found).await?;
                let reason = stale(present, evaluation.champion);
                Ok(Decision::kept(present, reason))
            }
            Promoted::Overtaken {
                champion: found,
                is_rollback,
            } => {
                let present = self.present(found).await?;
                Ok(Decision {
                    name: "promoted",
                    champion: present,
                    reason: overtaken(promotion.reason(), present, is_rollback),
                    is_repetition: false,
                })
            }
        }
    }

    /// Returns the champion that was found. The error names one that was deleted.
    async fn present(&self, found: Option<Version>) -> Result<Version, Error> {
        match found {
            Some(present) => Ok(present),
            None => Ok(champion(&*self.registry).await?),
        }
    }

    /// Shows the decision beside the challenger in the registry.
    ///
    /// A challenger that was deleted since the comparison is no longer shown.
    async fn show(
        &self,
        decision: &Decision,
        evaluation: &Evaluation,
        page: Option<&PageAddress>,
    ) -> Result<(), Error> {
        let challenger = evaluation.challenger;
        let fresh = evaluation.comparison.fresh.as_ref();
        let shown = VersionDecision {
            decision: decision.name.to_owned(),
            reason: decision.reason.clone(),
            fresh_mae: fresh.map(|fresh| fresh.scores.challenger.mae),
            page: page.map(|page| page.url.clone()),
        };
        match self.registry.record_decision(challenger, &shown).await {
            Err(RegistryError::NotFound { version }) => {
                tracing::warn!(%version, "the challenger was deleted; its decision is not shown");
                Ok(())
            }
            recorded => Ok(recorded?),
        }
    }
}

/// Returns the evaluation if its scores on the fixed test set are possible: both of the same rows,
/// and no error below 0.
fn check_scores(evaluation: Evaluation, event: &ChallengerEvaluated) -> Result<Evaluation, Error> {
    let ScorePair {
        champion,
        challenger,
        ..
    } = &evaluation.comparison.fixed_test;
    let is_possible = |scores: &Scores| scores.rows > 0 && scores.mae >= 0.0;
    if is_possible(champion) && is_possible(challenger) && champion.rows == challenger.rows {
        return Ok(evaluation);
    }
    Err(Error::permanent(format!(
        "cannot use the evaluation {}: MAE {} on {} rows of the champion, {} on {} rows of the challenger; \
         judge the week again with `bike-traffic drift-check --week {} --request --again`",
        event.evaluation, champion.mae, champion.rows, challenger.mae, challenger.rows, event.week
    )))
}

/// Returns the reason for a stale evaluation.
fn stale(present: Version, compared: Version) -> String {
    if present == compared {
        return format!(
            "stale: version {present} is champion again, but the champion changed after the comparison"
        );
    }
    format!(
        "stale: the champion is version {present}, the challenger was compared with version {compared}"
    )
}

/// Returns the reason of a promotion after which the champion has changed again.
fn overtaken(reason: &str, present: Version, is_rollback: bool) -> String {
    if is_rollback {
        format!("{reason}; rolled back since to version {present}")
    } else {
        format!("{reason}; version {present} became champion since")
    }
}

impl Handler for Promote {
    const FUNCTION: Function = Function::Promote;
    const PUBLISHES: &'static [Topic] = &[Topic::ChampionDecided];
    type Event = ChallengerEvaluated;

    async fn handle(
        &self,
        event: ChallengerEvaluated,
        context: &Context,
    ) -> Result<Outcome, Error> {
        let evaluation = self.evaluation(&event).await?;
        let decision = self.decide(&evaluation, context).await?;
        let page = self.pages.as_ref();
        let page = page.map(|pages| pages.address_of_week(event.week));
        // The decision about the event that made the challenger champion is shown already.
        if !decision.is_repetition {
            context.fence.check().await?;
            self.show(&decision, &evaluation, page.as_ref()).await?;
        }
        let decided = ChampionDecided {
            event_id: EventId::of(
                Function::Promote,
                event.event_id.subject_of_week(event.week),
            ),
            champion: decision.champion,
            challenger: event.challenger,
            promoted: decision.name == "promoted",
            reason: decision.reason.clone(),
        };
        let (name, reason) = (decision.name, &decision.reason);
        let notification = Notification::of_week(event.week, name, reason, &*self.store);
        let is_repetition = decision.is_repetition;
        let fixed_test = &evaluation.comparison.fixed_test;
        let entry = AuditEntry::from(ChampionDecision {
            decision: decision.name,
            reason: decision.reason,
            champion: decision.champion,
            challenger: Some(event.challenger),
            scores: Some(fixed_test.challenger),
            compared: Some(Compared::new(event.champion, &fixed_test.champion)),
            detail: json!({
                "week": event.week,
                "page": page,
                "evaluated_against": event.champion,
                "verdicts": self.policy.judge_challenger(&evaluation.comparison),
            }),
        });
        let outcome = Outcome::new(entry).publish(&decided);
        Ok(if is_repetition {
            outcome
        } else {
            outcome.notify(notification)
        })
    }

    async fn show(&self, context: &Context, entry: &AuditEntry) {
        let Some(pages) = &self.pages else { return };
        let week = week_of(&context.event_id, entry);
        let fence = &context.fence;
        pages.update(week, move || fence.check()).await;
        if let (Some(week), Some(challenger)) = (week, entry.challenger_version)
            && let Err(error) = page::attach(pages.ports(), fence, week, challenger).await
        {
            tracing::warn!(error = %error.chain(), "cannot attach page to the challenger's run");
        }
    }

    /// Checks that store and registry answer, and that there is a champion. Only the pages need the
    /// warehouse.
    async fn ready(&self) -> Result<(), Error> {
        check_store(&*self.store).await?;
        champion(&*self.registry).await?;
        Ok(())
    }
}

/// The decision name, the champion after the decision, and the reason.
struct Decision {
    name: &'static str,
    champion: Version,
    reason: String,
    /// `true` if another event has made the challenger champion.
    is_repetition: bool,
}

impl Decision {
    fn kept(champion: Version, reason: String) -> Self {
        Self {
            name: "kept",
            champion,
            reason,
            is_repetition: false,
        }
    }
}

#[cfg(test)]
mod tests;
