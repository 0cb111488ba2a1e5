//! Decisions about versions, shown on the version, its run and its logged model.

use serde_json::json;
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
        let (run, model) = (found.run_id.as_str(), found.logged_model());
        let card = match self.read_run(version, run).await {
            Ok(details) => details.description.clone(),
            // The version still has its tags, and they are what people look for.
            Err(MlflowError::RunDeleted { .. }) => String::new(),
            Err(error) => return Err(error),
        };
        let number = version.to_string();
        for tag in notes::decision(decision) {
            held.check().await?;
            let body = json!({ "name": self.model, "version": number, "key": tag.key, "value": tag.value });
            self.send_note("mlflow/model-versions/set-tag", body)
                .await?;
        }
        let description = notes::description(Some(decision), &card);
        let body = json!({ "name": self.model, "version": number, "description": description });
        held.check().await?;
        self.api
            .patch("mlflow/model-versions/update", &body)
            .await?;
        let tags = notes::decision(decision);
        if let Some(tag) = tags.first() {
            held.check().await?;
            let body = json!({ "run_id": run, "key": tag.key, "value": tag.value });
            self.send_note("mlflow/runs/set-tag", body).await?;
        }
        if let Some(model) = model {
            held.check().await?;
            let call = format!("mlflow/logged-models/{model}/tags");
            self.api.patch(&call, &json!({ "tags": tags })).await?;
        }
        Ok(true)
    }

    async fn send_note(&self, call: &str, body: serde_json::Value) -> Result<(), MlflowError> {
        let sent = self.api.post(call, &body).await;
        sent.map(|_: wire::Nothing| ())
    }
}
