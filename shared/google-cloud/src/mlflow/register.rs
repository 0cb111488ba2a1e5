//! The steps of registering a run, all under the lock.

use std::future::Future;

use serde_json::{Value, json};

use super::{MlflowError, MlflowRegistry, Run, Version, lock::Held, notes, record, wire};
use crate::Attempts;

/// The maximum number of runs in one search.
const RUNS_PER_SEARCH: u32 = 100;
/// The maximum numbers of parameters, tags, and metrics per call. MLflow allows 100, 100, and
/// 1,000; at most half of that also keeps a call below the limit of one million characters.
const PARAMS_PER_CALL: usize = 50;
const TAGS_PER_CALL: usize = 50;
const METRICS_PER_CALL: usize = 400;
const EXPERIMENT_DESCRIPTION: &str =
    "The trainings of the bicycle forecast: champions and fine-tuned challengers.";
const MODEL_DESCRIPTION: &str = "The forecast of the hourly bicycle counts. The version with the alias champion is in \
    use. The version trained last is usually a challenger.";

impl MlflowRegistry {
    /// Registers a run, or completes its unfinished registration. The caller must hold the lock,
    /// which is checked before each step.
    pub(super) async fn register_alone(
        &self,
        held: &Held,
        run: &Run,
    ) -> Result<Version, MlflowError> {
        if let Some(existing) = self.version_of(&run.name).await? {
            return Ok(existing);
        }
        held.check().await?;
        let experiment = self.create_experiment().await?;
        self.share_view(&experiment).await?;
        let started = match self.find_run(&experiment, run).await? {
            Some(started) => started,
            None => {
                create(
                    "mlflow/runs/create",
                    || async {
                        held.check().await?;
                        self.start_run(&experiment, run).await
                    },
                    || self.find_run(&experiment, run),
                )
                .await?
            }
        };
        held.check().await?;
        self.close_abandoned_runs(&experiment, &started.run_id)
            .await?;
        // Metrics name data sets, so these come first.
        self.log_inputs(&started.run_id, run).await?;
        let model = self
            .log_model(held, &experiment, &started.run_id, run)
            .await?;
        self.log(&started, &model.model_id, run).await?;
        held.check().await?;
        self.end_run(&started.run_id, run).await?;
        self.create_model().await?;
        let create_version = || async {
            held.check().await?;
            self.create_version(&started.run_id, &model.model_id, run)
                .await
        };
        create("mlflow/model-versions/create", create_version, || {
            self.version_of(&run.name)
        })
        .await
    }

    async fn create_experiment(&self) -> Result<String, MlflowError> {
        if let Some(existing) = self.experiment().await? {
            return Ok(existing);
        }
        let description = wire::Text {
            key: notes::DESCRIPTION_TAG.to_owned(),
            value: EXPERIMENT_DESCRIPTION.to_owned(),
        };
        let body = json!({ "name": self.model, "tags": [description] });
        self.create_once("mlflow/experiments/create", &body).await?;
        let query = [("experiment_name", self.model.as_str())];
        let reply: wire::ExperimentResponse = self
            .api
            .get("mlflow/experiments/get-by-name", &query)
            .await?;
        Ok(reply.experiment.experiment_id)
    }

    /// Stores the view of the runs that [`Registry::runs_page`] opens.
    ///
    /// [`Registry::runs_page`]: shared::registry::Registry::runs_page
    async fn share_view(&self, experiment: &str) -> Result<(), MlflowError> {
        let (key, value) = shared_view();
        let body = json!({ "experiment_id": experiment, "key": key, "value": value });
        self.api
            .post("mlflow/experiments/set-experiment-tag", &body)
            .await
            .map(|_: wire::Nothing| ())
    }

    async fn create_model(&self) -> Result<(), MlflowError> {
        let body = json!({ "name": self.model, "description": MODEL_DESCRIPTION });
        self.create_once("mlflow/registered-models/create", &body)
            .await
    }

    /// Creates an entity with the model's name, unless it exists.
    async fn create_once(&self, call: &str, body: &Value) -> Result<(), MlflowError> {
        match self.api.post(call, body).await {
            Ok(wire::Nothing {}) => Ok(()),
            Err(error) if error.is(wire::EXISTS) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Returns the run of an unfinished registration, or `None` if there is none.
    async fn find_run(
        &self,
        experiment: &str,
        run: &Run,
    ) -> Result<Option<wire::RunInfo>, MlflowError> {
        let body = json!({
            "experiment_ids": [experiment],
            "filter": format!("attributes.run_name = '{}'", run.name),
            "order_by": ["attributes.start_time ASC"],
            "max_results": RUNS_PER_SEARCH,
        });
        let found: wire::RunPage = self.api.post("mlflow/runs/search", &body).await?;
        Ok(found
            .runs
            .into_iter()
            .find(|found| record::is_part(&found.data, run))
            .map(|found| found.info))
    }

    async fn start_run(&self, experiment: &str, run: &Run) -> Result<wire::RunInfo, MlflowError> {
        let start_time = notes::start_time(run);
        // The tag identifies the run if the server creates it late.
        let tag = wire::Text {
            key: wire::RUN_TAG.to_owned(),
            value: run.name.to_string(),
        };
        let body = json!({
            "experiment_id": experiment, "run_name": run.name, "start_time": start_time, "tags": [tag],
        });
        let reply: wire::RunResponse = self.api.post_once("mlflow/runs/create", &body).await?;
        Ok(reply.run.info)
    }

    /// Closes the unfinished runs of other registrations. A server that was slow created them after
    /// the registration had gone on with another run, or the process died. An interrupted
    /// registration that is repeated completes its run nevertheless.
    async fn close_abandoned_runs(&self, experiment: &str, own: &str) -> Result<(), MlflowError> {
        let body = json!({
            "experiment_ids": [experiment],
            "filter": "attributes.status = 'RUNNING'",
            "order_by": ["attributes.start_time ASC"],
            "max_results": RUNS_PER_SEARCH,
        });
        let found: wire::RunPage = self.api.post("mlflow/runs/search", &body).await?;
        let is_abandoned = |run: &&wire::Run| {
            let is_ours = run.data.tags.iter().any(|tag| tag.key == wire::RUN_TAG);
            is_ours && run.info.run_id != own
        };
        for run in found.runs.iter().filter(is_abandoned) {
            let id = &run.info.run_id;
            tracing::warn!(model = self.model, run = id, "closing abandoned run");
            let body = json!({ "run_id": id, "status": "KILLED" });
            let _: wire::Nothing = self.api.post("mlflow/runs/update", &body).await?;
        }
        Ok(())
    }

    /// Logs parameters, tags, metrics and curves.
    ///
    /// The time of the metrics is the start of the MLflow run, so a repeated registration does not
    /// log them a second time.
    async fn log(
        &self,
        started: &wire::RunInfo,
        model_id: &str,
        run: &Run,
    ) -> Result<(), MlflowError> {
        let params: Vec<_> = record::pairs(&run.params).collect();
        let tags: Vec<_> = record::tags(run)
            .into_iter()
            .chain(notes::notes(run))
            .collect();
        let metrics = notes::metrics(run, model_id, started.start_time);
        let (mut params, mut tags) = (params.chunks(PARAMS_PER_CALL), tags.chunks(TAGS_PER_CALL));
        let mut metrics = metrics.chunks(METRICS_PER_CALL);
        loop {
            let (params, tags, metrics) = (params.next(), tags.next(), metrics.next());
            if params.is_none() && tags.is_none() && metrics.is_none() {
                return Ok(());
            }
            let body = json!({
                "run_id": started.run_id,
                "params": params.unwrap_or_default(),
                "tags": tags.unwrap_or_default(),
                "metrics": metrics.unwrap_or_default(),
            });
            let _: wire::Nothing = self.api.post("mlflow/runs/log-batch", &body).await?;
        }
    }

    /// Logs the data sets of a run. MLflow ignores data sets that are already logged.
    async fn log_inputs(&self, run_id: &str, run: &Run) -> Result<(), MlflowError> {
        if run.inputs.is_empty() {
            return Ok(());
        }
        let body = json!({ "run_id": run_id, "datasets": record::inputs(run) });
        self.api
            .post("mlflow/runs/log-inputs", &body)
            .await
            .map(|_: wire::Nothing| ())
    }

    async fn end_run(&self, run_id: &str, run: &Run) -> Result<(), MlflowError> {
        let body = json!({ "run_id": run_id, "status": "FINISHED", "end_time": run.ended_at.as_millisecond() });
        self.api
            .post("mlflow/runs/update", &body)
            .await
            .map(|_: wire::Nothing| ())
    }

    async fn create_version(
        &self,
        run_id: &str,
        model_id: &str,
        run: &Run,
    ) -> Result<Version, MlflowError> {
        let body = json!({
            "name": self.model,
            "source": format!("models:/{model_id}"),
            "model_id": model_id,
            "run_id": run_id,
            "description": notes::description(None, &run.notes.description),
            "tags": record::tags(run),
        });
        let reply: wire::VersionResponse = self
            .api
            .post_once("mlflow/model-versions/create", &body)
            .await?;
        reply.model_version.number()
    }
}

/// Returns the tag of the experiment with the columns of the shared view.
fn shared_view() -> (String, String) {
    let columns = [
        "attributes.`Models`",
        "attributes.`Source`",
        "attributes.`User`",
        "metrics.`test_mae`",
        "tags.`decision`",
    ];
    let view = json!({
        "selectedColumns": columns, "orderByKey": "attributes.start_time", "orderByAsc": false,
    });
    let key = format!("mlflow.sharedViewState.{}", wire::SHARED_VIEW);
    (key, view.to_string())
}

/// Creates something that must not exist twice. After a transient error, checks whether it was
/// created before trying again.
pub(super) async fn create<T, Create, Find>(
    call: &str,
    create: impl Fn() -> Create + Send,
    find: impl Fn() -> Find + Send,
) -> Result<T, MlflowError>
where
    Create: Future<Output = Result<T, MlflowError>> + Send,
    Find: Future<Output = Result<Option<T>, MlflowError>> + Send,
{
    let mut attempts = Attempts::new(|| call.to_owned());
    loop {
        match create().await {
            Ok(created) => return Ok(created),
            Err(error) => attempts.pause(error, MlflowError::is_retryable).await?,
        }
        if let Some(created) = find().await? {
            return Ok(created);
        }
    }
}
