//! The audit row of a training.

use serde_json::json;
use shared::{
    audit::{ChampionDecision, Compared},
    ports::Ports,
};

use super::{PromotionOutcome, Trained};
use crate::support::decision;

/// Records the decision in the audit log. A version that was already registered has its row.
pub(super) async fn record(
    ports: &Ports,
    trained: &Trained,
    promotion: PromotionOutcome,
    env: &str,
) -> anyhow::Result<()> {
    let Trained {
        version,
        run,
        scores,
        ..
    } = trained;
    let mae = scores.mae;
    let compared = |champion, champion_mae: f64, relation| {
        format!(
            "on the same fixed test set, the MAE {mae:.2} of version {version} is {relation} the MAE \
             {champion_mae:.2} of version {champion}"
        )
    };
    let (decision, champion, previous, reason) = match promotion {
        PromotionOutcome::Already { .. } => return Ok(()),
        PromotionOutcome::First => {
            let reason = format!(
                "version {version} is the first champion, with MAE {mae:.2} on the fixed test set"
            );
            ("trained", *version, None, reason)
        }
        PromotionOutcome::Better {
            champion,
            champion_mae,
        } => {
            let reason = compared(champion, champion_mae, "lower than");
            ("trained", *version, Some((champion, champion_mae)), reason)
        }
        PromotionOutcome::Worse {
            champion,
            champion_mae,
        } => {
            let reason = compared(champion, champion_mae, "not lower than");
            ("kept", champion, Some((champion, champion_mae)), reason)
        }
    };
    let entry = ChampionDecision {
        decision,
        reason,
        champion,
        challenger: Some(*version),
        scores: Some(*scores),
        // The registry has the champion's other scores on this test set only if they were logged.
        compared: previous.map(|(version, mae)| Compared {
            version,
            mae,
            rmse: None,
            r2: None,
        }),
        detail: json!({ "run": run.name, "previous": previous.map(|(champion, _)| champion) }),
    };
    let event_id = decision::event_id(format_args!("train-{}", run.name));
    decision::record(ports, &event_id, entry.into(), env).await
}
