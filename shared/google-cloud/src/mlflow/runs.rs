//! Reading runs, and the cache of their data.

use std::{collections::BTreeMap, sync::Arc};

use parking_lot::MutexGuard;
use serde_json::json;
use shared::registry::Version;

use super::{MlflowError, MlflowRegistry, record::RunDetails, wire};

/// The maximum number of runs per search.
const RUNS_PER_SEARCH: usize = 100;

impl MlflowRegistry {
    /// Reads the runs that are not cached, in searches of up to [`RUNS_PER_SEARCH`] runs.
    pub(super) async fn read_runs(
        &self,
        versions: &[wire::ModelVersion],
    ) -> Result<(), MlflowError> {
        let unknown: Vec<_> = {
            let details = self.details();
            versions
                .iter()
                .map(|version| &*version.run_id)
                .filter(|run| !details.contains_key(*run))
                .collect()
        };
        if unknown.is_empty() {
            return Ok(());
        }
        let Some(experiment) = self.experiment().await? else {
            return Ok(());
        };
        for some in unknown.chunks(RUNS_PER_SEARCH) {
            let filter = format!("attributes.run_id IN ('{}')", some.join("','"));
            let body = json!({
                "experiment_ids": [experiment], "filter": filter, "max_results": RUNS_PER_SEARCH, "run_view_type": "ALL",
            });
            let found: wire::RunPage = self.api.post("mlflow/runs/search", &body).await?;
            for run in found.runs {
                self.cache(run);
            }
        }
        Ok(())
    }

    pub(super) async fn read_run(
        &self,
        version: Version,
        id: &str,
    ) -> Result<Arc<RunDetails>, MlflowError> {
        let reply: Result<wire::RunResponse, _> =
            self.api.get("mlflow/runs/get", &[("run_id", id)]).await;
        match reply {
            Ok(reply) => Ok(self.cache(reply.run)),
            Err(error) if error.is(wire::MISSING) => Err(MlflowError::RunDeleted {
                version,
                run_id: id.to_owned(),
            }),
            Err(error) => Err(error),
        }
    }

    /// Returns the id of the experiment, or `None` if it does not exist.
    pub(super) async fn experiment(&self) -> Result<Option<String>, MlflowError> {
        let query = [("experiment_name", self.model.as_str())];
        let reply: Result<wire::ExperimentResponse, _> =
            self.api.get("mlflow/experiments/get-by-name", &query).await;
        match reply {
            Ok(reply) => Ok(Some(reply.experiment.experiment_id)),
            Err(error) if error.is(wire::MISSING) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn cache(&self, run: wire::Run) -> Arc<RunDetails> {
        let id = run.info.run_id.clone();
        let details = Arc::new(RunDetails::of(run));
        self.details().insert(id, Arc::clone(&details));
        details
    }

    pub(super) fn cached(&self, run: &str) -> Option<Arc<RunDetails>> {
        self.details().get(run).cloned()
    }

    fn details(&self) -> MutexGuard<'_, BTreeMap<String, Arc<RunDetails>>> {
        // No code panics between two related changes of the map, so a poisoned map is still
        // consistent.
        self.details.lock()
    }
}
