//! Decisions about versions, shown on the version, its run and its logged model.

use serde_json::{Value, json};
use shared::registry::VersionDecision;

use super::{MlflowError, MlflowRegistry, Version, lock::Held, notes, wire};

impl MlflowRegistry {
    /// Writes a decision to the tags of a version and to its description, which keeps the model
    /// card. Returns `false` if the version does not exist. The caller must hold the lock.
    ///
    /// Each call is idempotent, so an interrupted change is completed by the next call.
    pub(super) async fn record_decision_alone(
        &self,
        held: &Held,
        version: Version,
        decision: &VersionDecision,
    ) -> Result<bool, MlflowError> {
        let Some(found) = self.read_version(version).await? else {
            return Ok(false);
        };
        let (run_id, tags) = (found.run_id.as_str(), notes::decision(decision));
        let run = match self.read_run(version, run_id).await {
            Ok(run) => Some(run),
            // People can still read the decision on the version.
            Err(MlflowError::RunDeleted { .. }) => None,
            Err(error) => return Err(error),
        };
        for tag in &tags {
            let body = json!({ "name": self.model, "version": version.to_string(), "key": tag.key, "value": tag.value });
            self.set_tag(held, "mlflow/model-versions/set-tag", &body)
                .await?;
        }
        let card = run.as_ref().map_or("", |run| run.description.as_str());
        let description = notes::description(Some(decision), card);
        let body = json!({ "name": self.model, "version": version.to_string(), "description": description });
        held.check().await?;
        self.api
            .patch("mlflow/model-versions/update", &body)
            .await?;
        for tag in tags
            .iter()
            .filter(|tag| run.is_some() && notes::is_of_run(tag))
        {
            let body = json!({ "run_id": run_id, "key": tag.key, "value": tag.value });
            self.set_tag(held, "mlflow/runs/set-tag", &body).await?;
        }
        if let Some(model) = found.logged_model() {
            held.check().await?;
            let call = format!("mlflow/logged-models/{model}/tags");
            self.api.patch(&call, &json!({ "tags": tags })).await?;
        }
        Ok(true)
    }

    async fn set_tag(&self, held: &Held, call: &str, body: &Value) -> Result<(), MlflowError> {
        held.check().await?;
        let sent = self.api.post(call, body).await;
        sent.map(|_: wire::Nothing| ())
    }
}
