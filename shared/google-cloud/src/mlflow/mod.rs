//! The registry of an MLflow server.
//!
//! MLflow is the truth: runs with their settings and figures, their artifacts, model versions and aliases are where
//! people look for them. What it does not have, compare-and-swap on aliases and registering once, comes of a [`Lock`]
//! in the store: every change is made under it, and every step of a change first looks whether it is done.
//!
//! A registered version is never changed, so what was read of a run is kept in memory.

mod api;
mod artifacts;
mod error;
mod lock;
mod record;
mod register;
#[cfg(test)]
mod tests;
mod wire;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use backon::BackoffBuilder;
use reqwest::Url;
use serde_json::json;
use shared::{
    address::{Address, OpenError},
    clock::Clock,
    registry::{Alias, MODEL, ModelVersion, Registry, RegistryError, Run, RunName, Version},
    store::Store,
};

use self::{
    api::Api,
    artifacts::Buckets,
    error::MlflowError,
    lock::{Held, Lock},
    record::Measured,
};
use crate::CloudSettings;

/// How many versions the server lists at once.
const VERSIONS_PER_PAGE: &str = "1000";
/// How many runs are asked for at once.
const RUNS_PER_SEARCH: usize = 100;
/// Versions are 32-bit integers with a sign in MLflow's database.
const LAST_VERSION: Version = Version::new(i32::MAX as u32);

/// A registry on an MLflow server.
///
/// The runs of the registered model are in the experiment of the same name.
pub struct MlflowRegistry {
    api: Api,
    model: String,
    lock: Lock,
    store: Arc<dyn Store>,
    buckets: Buckets,
    measured: Mutex<BTreeMap<String, Arc<Measured>>>,
}

impl MlflowRegistry {
    /// Sets up the client of a server; nothing is sent yet. `store` has the models' files and keeps the lock, whose
    /// expiry is read off `clock`.
    ///
    /// # Errors
    /// When the machine's TLS cannot be set up, or the model's name is none.
    pub fn open(
        url: &Url,
        cloud: &CloudSettings,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, OpenError> {
        let model = cloud.mlflow_model.as_deref().unwrap_or(MODEL).to_owned();
        let place = Address::Mlflow(url.clone());
        if !is_valid(&model) {
            let reason = format!(
                "`{model}` is no name of a model: letters, digits, `-`, `.` and `_`, at most 200"
            );
            return Err(OpenError::new(&place, reason));
        }
        let lock = format!("registry/{model}.lock.json")
            .parse()
            .map_err(|error| OpenError::new(&place, error))?;
        Ok(Self {
            api: Api::new(url, &cloud.mlflow_login)
                .map_err(|error| OpenError::new(&place, error))?,
            model,
            lock: Lock::new(Arc::clone(&store), clock, lock),
            store,
            buckets: Buckets::new(cloud),
            measured: Mutex::default(),
        })
    }

    async fn find(&self, version: Version) -> Result<Option<ModelVersion>, MlflowError> {
        if version == Version::new(0) || version > LAST_VERSION {
            return Ok(None);
        }
        let query = [
            ("name", self.model.as_str()),
            ("version", &version.to_string()),
        ];
        let answer: Result<wire::VersionAnswer, _> =
            self.api.get("mlflow/model-versions/get", &query).await;
        let found = match answer {
            Ok(answer) => answer.model_version,
            Err(error) if error.is(wire::MISSING) => return Ok(None),
            Err(error) => return Err(error),
        };
        let measured = match self.known(&found.run_id) {
            Some(measured) => measured,
            None if found.is_ours() => self.read_run(&found.run_id).await?,
            None => Arc::default(),
        };
        record::version(found, &measured).map(Some)
    }

    async fn all(&self) -> Result<Vec<ModelVersion>, MlflowError> {
        let (ours, foreign): (Vec<_>, Vec<_>) = self
            .search("")
            .await?
            .into_iter()
            .partition(wire::ModelVersion::is_ours);
        for version in foreign {
            tracing::warn!(
                model = self.model,
                version = version.version,
                "this version was registered by hand"
            );
        }
        self.read_runs(&ours).await?;
        let mut names = BTreeSet::new();
        let mut versions = Vec::with_capacity(ours.len());
        for listed in ours {
            let number = listed.version.clone();
            let Some(measured) = self.known(&listed.run_id) else {
                tracing::warn!(
                    model = self.model,
                    version = number,
                    "the run of this version is gone"
                );
                continue;
            };
            match record::version(listed, &measured) {
                // Of two versions that a call carried out late has left of one run, the first counts.
                Ok(version) if !names.insert(version.run.name.clone()) => {}
                Ok(version) => versions.push(version),
                Err(error) => {
                    tracing::warn!(model = self.model, version = number, %error, "cannot read this version")
                }
            }
        }
        Ok(versions)
    }

    /// Returns the versions for which a further condition holds, oldest first: ` AND …` in MLflow's search language.
    async fn search(&self, condition: &str) -> Result<Vec<wire::ModelVersion>, MlflowError> {
        let filter = format!("name = '{}'{condition}", self.model);
        let (mut versions, mut page) = (Vec::new(), String::new());
        loop {
            let mut query = vec![
                ("filter", filter.as_str()),
                ("max_results", VERSIONS_PER_PAGE),
                ("order_by", "version_number ASC"),
            ];
            if !page.is_empty() {
                query.push(("page_token", &page));
            }
            let found: wire::VersionPage =
                self.api.get("mlflow/model-versions/search", &query).await?;
            versions.extend(found.model_versions);
            page = found.next_page_token;
            if page.is_empty() {
                return Ok(versions);
            }
        }
    }

    async fn version_of(&self, run: &RunName) -> Result<Option<Version>, MlflowError> {
        let found = self
            .search(&format!(" AND tags.`{}` = '{run}'", record::RUN_TAG))
            .await?;
        found.first().map(wire::ModelVersion::number).transpose()
    }

    async fn read_alias(&self, alias: Alias) -> Result<Option<Version>, MlflowError> {
        let query = [("name", self.model.as_str()), ("alias", &alias.to_string())];
        let answer: Result<wire::VersionAnswer, _> =
            self.api.get("mlflow/registered-models/alias", &query).await;
        match answer {
            Ok(answer) => answer.model_version.number().map(Some),
            Err(error) if error.is(wire::MISSING) || error.is_missing_alias() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Points an alias to a version. The lock is looked at before each try: a process that stood still for so long that
    /// the lock expired would overwrite what the next holder has written.
    async fn write_alias(&self, held: &Held, alias: Alias, to: Version) -> Result<(), MlflowError> {
        let call = "mlflow/registered-models/alias";
        let body = json!({ "name": self.model, "alias": alias, "version": to.to_string() });
        let mut backoff = crate::backoff().build().zip(1..);
        loop {
            held.check()?;
            let error = match self.api.post_once::<wire::Nothing>(call, &body).await {
                Err(error) if error.is_retryable() => error,
                written => return written.map(drop),
            };
            let Some((pause, attempt)) = backoff.next() else {
                return Err(error);
            };
            crate::log_retry(call, attempt, &error, pause);
            tokio::time::sleep(pause).await;
        }
    }

    /// Reads the runs that are not known yet, all in one search where there are few.
    async fn read_runs(&self, versions: &[wire::ModelVersion]) -> Result<(), MlflowError> {
        let unknown: Vec<_> = {
            let measured = self.measured();
            versions
                .iter()
                .map(|version| &*version.run_id)
                .filter(|run| !measured.contains_key(*run))
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
                self.keep(run);
            }
        }
        Ok(())
    }

    async fn read_run(&self, id: &str) -> Result<Arc<Measured>, MlflowError> {
        let answer: wire::RunAnswer = self.api.get("mlflow/runs/get", &[("run_id", id)]).await?;
        Ok(self.keep(answer.run))
    }

    /// Returns the id of the experiment, if there is one.
    async fn experiment(&self) -> Result<Option<String>, MlflowError> {
        let query = [("experiment_name", self.model.as_str())];
        let answer: Result<wire::ExperimentAnswer, _> =
            self.api.get("mlflow/experiments/get-by-name", &query).await;
        match answer {
            Ok(answer) => Ok(Some(answer.experiment.experiment_id)),
            Err(error) if error.is(wire::MISSING) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn keep(&self, run: wire::Run) -> Arc<Measured> {
        let id = run.info.run_id.clone();
        let measured = Arc::new(Measured::of(run));
        self.measured().insert(id, Arc::clone(&measured));
        measured
    }

    fn known(&self, run: &str) -> Option<Arc<Measured>> {
        self.measured().get(run).cloned()
    }

    fn measured(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Measured>>> {
        // Each lock holder leaves the map whole, even if it panics.
        self.measured.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Registry for MlflowRegistry {
    async fn register(&self, run: &Run) -> Result<Version, RegistryError> {
        let verb = "register a version";
        record::check(run).map_err(|error| unavailable(verb, error))?;
        let work = |_| self.register_alone(run);
        let registered = self
            .lock
            .hold(&format!("register the run {}", run.name), work)
            .await;
        registered
            .map_err(|error| unavailable(verb, error))?
            .map_err(|error| unavailable(verb, error))
    }

    async fn version(&self, version: Version) -> Result<ModelVersion, RegistryError> {
        let found = self
            .find(version)
            .await
            .map_err(|error| unavailable("read a version", error))?;
        found.ok_or(RegistryError::NotFound { version })
    }

    async fn versions(&self) -> Result<Vec<ModelVersion>, RegistryError> {
        self.all()
            .await
            .map_err(|error| unavailable("list the versions", error))
    }

    async fn alias(&self, alias: Alias) -> Result<Option<Version>, RegistryError> {
        self.read_alias(alias)
            .await
            .map_err(|error| unavailable("read an alias", error))
    }

    async fn move_alias(
        &self,
        alias: Alias,
        expected: Option<Version>,
        to: Version,
    ) -> Result<(), RegistryError> {
        let verb = "move an alias";
        let work = |held: Held| async move {
            let found = self.alias(alias).await?;
            if found != expected {
                return Err(RegistryError::AliasMoved {
                    alias,
                    expected,
                    found,
                });
            }
            self.version(to).await?;
            self.write_alias(&held, alias, to)
                .await
                .map_err(|error| unavailable(verb, error))
        };
        let moved = self
            .lock
            .hold(&format!("move the alias `{alias}` to version {to}"), work)
            .await;
        moved.map_err(|error| unavailable(verb, error))?
    }
}

/// Tells whether a name can stand in a path and in a search without being escaped.
fn is_valid(model: &str) -> bool {
    let valid = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '.' | '_');
    (1..=200).contains(&model.len()) && !model.starts_with('.') && model.chars().all(valid)
}

fn unavailable(
    verb: &'static str,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> RegistryError {
    RegistryError::Unavailable {
        verb,
        source: source.into(),
    }
}
