//! The logged model of a run: its files, and its links to run and version.

use serde_json::json;

use super::{
    MlflowError, MlflowRegistry, Run, artifacts, lock::Held, notes, register::create, wire,
};

impl MlflowRegistry {
    /// Creates the logged model of a run with its files, and links it to the run. Completes an
    /// interrupted attempt.
    pub(super) async fn log_model(
        &self,
        held: &Held,
        experiment: &str,
        run_id: &str,
        run: &Run,
    ) -> Result<wire::LoggedModelInfo, MlflowError> {
        let find = || self.find_logged_model(experiment, run_id);
        let model = match find().await? {
            Some(model) => model,
            None => {
                let create_model = || async {
                    held.check().await?;
                    self.create_logged_model(experiment, run_id, run).await
                };
                create("mlflow/logged-models", create_model, find).await?
            }
        };
        held.check().await?;
        let names = (&model, run_id);
        artifacts::copy(
            &self.api,
            &self.buckets,
            &*self.store,
            &run.artifacts,
            names,
        )
        .await?;
        held.check().await?;
        let call = format!("mlflow/logged-models/{}", model.model_id);
        let body = json!({ "model_id": model.model_id, "status": "LOGGED_MODEL_READY" });
        self.api.patch(&call, &body).await?;
        self.link(held, run_id, &model.model_id).await?;
        Ok(model)
    }

    /// Returns the first logged model of a run. A server that handles a call late may have created
    /// another one.
    async fn find_logged_model(
        &self,
        experiment: &str,
        run_id: &str,
    ) -> Result<Option<wire::LoggedModelInfo>, MlflowError> {
        let body = json!({
            "experiment_ids": [experiment],
            "filter": format!("source_run_id = '{run_id}'"),
            "order_by": [{ "field_name": "creation_time", "ascending": true }],
            "max_results": 1,
        });
        let page: wire::LoggedModelPage =
            self.api.post("mlflow/logged-models/search", &body).await?;
        Ok(page.models.into_iter().next().map(|model| model.info))
    }

    async fn create_logged_model(
        &self,
        experiment: &str,
        run_id: &str,
        run: &Run,
    ) -> Result<wire::LoggedModelInfo, MlflowError> {
        let tags: Vec<_> = notes::notes(run)
            .into_iter()
            .filter(|tag| tag.key == notes::DESCRIPTION_TAG)
            .collect();
        let body = json!({
            "experiment_id": experiment,
            // MLflow refuses a dot, which an instant in the name of a run has.
            "name": run.name.to_string().replace('.', "-"),
            "model_type": "xgboost",
            "source_run_id": run_id,
            "tags": tags,
        });
        let reply: wire::LoggedModelResponse =
            self.api.post_once("mlflow/logged-models", &body).await?;
        Ok(reply.model.info)
    }

    /// Makes a logged model an output of its run. The server refuses a second link.
    async fn link(&self, held: &Held, run_id: &str, model_id: &str) -> Result<(), MlflowError> {
        let find = || self.find_link(run_id, model_id);
        if find().await?.is_some() {
            return Ok(());
        }
        let body = json!({ "run_id": run_id, "models": [{ "model_id": model_id, "step": 0 }] });
        let create_link = || async {
            held.check().await?;
            let linked = self.api.post_once("mlflow/runs/outputs", &body).await;
            linked.map(|_: wire::Nothing| ())
        };
        create("mlflow/runs/outputs", create_link, find).await
    }

    async fn find_link(&self, run_id: &str, model_id: &str) -> Result<Option<()>, MlflowError> {
        let reply: wire::RunResponse = self
            .api
            .get("mlflow/runs/get", &[("run_id", run_id)])
            .await?;
        let mut outputs = reply.run.outputs.model_outputs.iter();
        Ok(outputs
            .any(|output| output.model_id == model_id)
            .then_some(()))
    }
}
