//! Registering a run: the steps that are done under the lock.

use std::{future::Future, time::Duration};

use backon::{BackoffBuilder, ExponentialBuilder};
use serde_json::{Value, json};

use super::{MlflowError, MlflowRegistry, Run, Version, artifacts, record, wire};

/// How often a call that makes something new is tried, and the first pause.
const MAX_ATTEMPTS: usize = 5;
const FIRST_DELAY: Duration = Duration::from_millis(200);
/// How many runs of one name are looked at.
const RUNS_OF_A_NAME: u32 = 100;
/// How many params, tags and metrics one call may have: half and less of the limits of 100, 100 and 1,000, so that they
/// stay within the limit of a million characters together.
const PARAMS_PER_CALL: usize = 50;
const TAGS_PER_CALL: usize = 50;
const METRICS_PER_CALL: usize = 400;

impl MlflowRegistry {
    /// Registers a run, or what is missing of it, while nobody else changes the registry.
    pub(super) async fn register_alone(&self, run: &Run) -> Result<Version, MlflowError> {
        if let Some(known) = self.version_of(&run.name).await? {
            return Ok(known);
        }
        let experiment = self.make_experiment().await?;
        let started = match self.find_run(&experiment, run).await? {
            Some(started) => started,
            None => {
                make(
                    "mlflow/runs/create",
                    || self.start_run(&experiment, run),
                    || self.find_run(&experiment, run),
                )
                .await?
            }
        };
        self.log(&started.run_id, run).await?;
        self.log_inputs(&started.run_id, run).await?;
        let source = artifacts::copy(
            &self.api,
            &self.buckets,
            &*self.store,
            &run.artifacts,
            &started.artifact_uri,
        )
        .await?;
        self.end_run(&started.run_id, run).await?;
        self.make_model().await?;
        let make_version = || self.make_version(&started.run_id, &source, run);
        make("mlflow/model-versions/create", make_version, || {
            self.version_of(&run.name)
        })
        .await
    }

    async fn make_experiment(&self) -> Result<String, MlflowError> {
        if let Some(known) = self.experiment().await? {
            return Ok(known);
        }
        self.make_once("mlflow/experiments/create").await?;
        let query = [("experiment_name", self.model.as_str())];
        let answer: wire::ExperimentAnswer = self
            .api
            .get("mlflow/experiments/get-by-name", &query)
            .await?;
        Ok(answer.experiment.experiment_id)
    }

    async fn make_model(&self) -> Result<(), MlflowError> {
        self.make_once("mlflow/registered-models/create").await
    }

    /// Makes what is known by the model's name, unless it is there.
    async fn make_once(&self, call: &str) -> Result<(), MlflowError> {
        match self.api.post(call, &json!({ "name": self.model })).await {
            Ok(wire::Nothing {}) => Ok(()),
            Err(error) if error.is(wire::EXISTS) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Returns the run that an earlier try has left, if it can be completed.
    async fn find_run(
        &self,
        experiment: &str,
        run: &Run,
    ) -> Result<Option<wire::RunInfo>, MlflowError> {
        let body = json!({
            "experiment_ids": [experiment],
            "filter": format!("attributes.run_name = '{}'", run.name),
            "order_by": ["attributes.start_time ASC"],
            "max_results": RUNS_OF_A_NAME,
        });
        let found: wire::RunPage = self.api.post("mlflow/runs/search", &body).await?;
        Ok(found
            .runs
            .into_iter()
            .find(|found| record::is_part(&found.data, run))
            .map(|found| found.info))
    }

    async fn start_run(&self, experiment: &str, run: &Run) -> Result<wire::RunInfo, MlflowError> {
        let start_time = run.ended_at.as_millisecond();
        let body =
            json!({ "experiment_id": experiment, "run_name": run.name, "start_time": start_time });
        let answer: wire::RunAnswer = self.api.post_once("mlflow/runs/create", &body).await?;
        Ok(answer.run.info)
    }

    async fn log(&self, run_id: &str, run: &Run) -> Result<(), MlflowError> {
        let (params, tags): (Vec<_>, _) = (record::pairs(&run.params).collect(), record::tags(run));
        let timestamp = run.ended_at.as_millisecond();
        let metric = |(key, value): (&String, &f64)| json!({ "key": key, "value": value, "timestamp": timestamp });
        let metrics: Vec<Value> = run.metrics.iter().map(metric).collect();
        let (mut params, mut tags) = (params.chunks(PARAMS_PER_CALL), tags.chunks(TAGS_PER_CALL));
        let mut metrics = metrics.chunks(METRICS_PER_CALL);
        loop {
            let (params, tags, metrics) = (params.next(), tags.next(), metrics.next());
            if params.is_none() && tags.is_none() && metrics.is_none() {
                return Ok(());
            }
            let body = json!({
                "run_id": run_id,
                "params": params.unwrap_or_default(),
                "tags": tags.unwrap_or_default(),
                "metrics": metrics.unwrap_or_default(),
            });
            let _: wire::Nothing = self.api.post("mlflow/runs/log-batch", &body).await?;
        }
    }

    /// Names the data sets; those that are named already stay as they are.
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

    async fn make_version(
        &self,
        run_id: &str,
        source: &str,
        run: &Run,
    ) -> Result<Version, MlflowError> {
        let body = json!({ "name": self.model, "source": source, "run_id": run_id, "tags": record::tags(run) });
        let answer: wire::VersionAnswer = self
            .api
            .post_once("mlflow/model-versions/create", &body)
            .await?;
        answer.model_version.number()
    }
}

/// Makes something new; after passing trouble it looks whether it has been made before it tries again.
async fn make<T, Making, Looking>(
    what: &str,
    make: impl Fn() -> Making + Send,
    look: impl Fn() -> Looking + Send,
) -> Result<T, MlflowError>
where
    Making: Future<Output = Result<T, MlflowError>> + Send,
    Looking: Future<Output = Result<Option<T>, MlflowError>> + Send,
{
    let backoff = ExponentialBuilder::default()
        .with_min_delay(FIRST_DELAY)
        .with_max_times(MAX_ATTEMPTS - 1)
        .with_jitter();
    let mut backoff = backoff.build().zip(1..);
    loop {
        let error = match make().await {
            Err(error) if error.is_retryable() => error,
            result => return result,
        };
        let Some((pause, attempt)) = backoff.next() else {
            return Err(error);
        };
        crate::log_retry(what, attempt, &error, pause);
        tokio::time::sleep(pause).await;
        if let Some(made) = look().await? {
            return Ok(made);
        }
    }
}
