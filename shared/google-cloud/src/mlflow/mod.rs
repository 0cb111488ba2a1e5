//! The registry on an MLflow server.
//!
//! MLflow is the source of truth: users look there for runs with their parameters and metrics,
//! artifacts, model versions, and aliases. MLflow lacks compare-and-swap on aliases and idempotent
//! registration. A [`Lock`] in the store provides both: each change holds the lock, and each step
//! of a change first checks whether it is already done.
//!
//! A registered version is immutable, so the data of its run is cached in memory.

mod api;
mod artifacts;
mod champion;
mod error;
mod lock;
mod record;
mod register;
#[cfg(test)]
mod tests;
mod wire;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use async_trait::async_trait;
use parking_lot::{Mutex, MutexGuard};
use reqwest::Url;
use serde_json::json;
use shared::{
    address::{Address, OpenError},
    clock::Clock,
    registry::{
        Alias, AliasChange, ChampionState, MODEL, ModelVersion, Promoted, Promotion, Registry,
        RegistryError, Run, RunName, Version,
    },
    store::Store,
};

use self::{
    api::Api,
    artifacts::Buckets,
    champion::Record,
    error::MlflowError,
    lock::{Held, Lock},
    record::RunDetails,
};
use crate::CloudSettings;

/// The page size when listing versions.
const VERSIONS_PER_PAGE: &str = "1000";
/// The maximum number of runs per search.
const RUNS_PER_SEARCH: usize = 100;
/// MLflow's database stores versions as signed 32-bit integers.
const LAST_VERSION: Version = Version::new(i32::MAX as u32);

/// A registry on an MLflow server.
///
/// The runs of the registered model are in the experiment with the model's name.
pub struct MlflowRegistry {
    api: Api,
    model: String,
    lock: Lock,
    store: Arc<dyn Store>,
    buckets: Buckets,
    details: Mutex<BTreeMap<String, Arc<RunDetails>>>,
}

impl MlflowRegistry {
    /// Creates a registry client; no request is sent yet.
    ///
    /// `store` has the model files and the lock, and `clock` determines when the lock expires.
    ///
    /// # Errors
    /// Returns an error if TLS cannot be initialized or the model's name is invalid.
    pub fn open(
        url: &Url,
        cloud: &CloudSettings,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, OpenError> {
        let model = cloud.mlflow_model.as_deref().unwrap_or(MODEL).to_owned();
        let address = Address::Mlflow(url.clone());
        if !is_valid(&model) {
            let reason = format!(
                "invalid model name `{model}`: expected at most 200 ASCII alphanumerics, `-`, `.`, or `_`, not starting with `.`"
            );
            return Err(OpenError::new(&address, reason));
        }
        let lock = format!("registry/{model}.lock.json")
            .parse()
            .map_err(|error| OpenError::new(&address, error))?;
        Ok(Self {
            api: Api::new(url, &cloud.mlflow_login)
                .map_err(|error| OpenError::new(&address, error))?,
            model,
            lock: Lock::new(Arc::clone(&store), clock, lock),
            store,
            buckets: Buckets::new(cloud),
            details: Mutex::default(),
        })
    }

    async fn find(&self, version: Version) -> Result<Option<ModelVersion>, MlflowError> {
        let Some(found) = self.read_version(version).await? else {
            return Ok(None);
        };
        let details = match self.cached(&found.run_id) {
            Some(details) => details,
            None if found.is_ours() => self.read_run(version, &found.run_id).await?,
            None => Arc::default(),
        };
        record::version(found, &details).map(Some)
    }

    /// Reads a version without its run. Returns `None` if it does not exist.
    async fn read_version(
        &self,
        version: Version,
    ) -> Result<Option<wire::ModelVersion>, MlflowError> {
        if version == Version::new(0) || version > LAST_VERSION {
            return Ok(None);
        }
        let query = [
            ("name", self.model.as_str()),
            ("version", &version.to_string()),
        ];
        let reply: Result<wire::VersionResponse, _> =
            self.api.get("mlflow/model-versions/get", &query).await;
        match reply {
            Ok(reply) => Ok(Some(reply.model_version)),
            Err(error) if error.is(wire::MISSING) => Ok(None),
            Err(error) => Err(error),
        }
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
                "skipping version that was registered by hand"
            );
        }
        self.read_runs(&ours).await?;
        let mut names = BTreeSet::new();
        let mut versions = Vec::with_capacity(ours.len());
        for listed in ours {
            let number = listed.version.clone();
            let Some(details) = self.cached(&listed.run_id) else {
                tracing::warn!(
                    model = self.model,
                    version = number,
                    "skipping version whose run is missing"
                );
                continue;
            };
            match record::version(listed, &details) {
                // A creation request that the server processed late can leave two versions of one
                // run. The first one counts.
                Ok(version) if !names.insert(version.run.name.clone()) => {}
                Ok(version) => versions.push(version),
                Err(error) => {
                    tracing::warn!(model = self.model, version = number, %error, "skipping malformed version")
                }
            }
        }
        Ok(versions)
    }

    /// Returns the versions that match an additional condition, oldest first. `condition` has the
    /// form ` AND …` in MLflow's filter syntax.
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
            .search(&format!(" AND tags.`{}` = '{run}'", wire::RUN_TAG))
            .await?;
        found.first().map(wire::ModelVersion::number).transpose()
    }

    async fn read_alias(&self, alias: Alias) -> Result<Option<Version>, MlflowError> {
        let query = [("name", self.model.as_str()), ("alias", &alias.to_string())];
        let reply: Result<wire::VersionResponse, _> =
            self.api.get("mlflow/registered-models/alias", &query).await;
        match reply {
            Ok(reply) => reply.model_version.number().map(Some),
            Err(error) if error.is(wire::MISSING) || error.is_missing_alias() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Reads the runs that are not cached, in searches of up to [`RUNS_PER_SEARCH`] runs.
    async fn read_runs(&self, versions: &[wire::ModelVersion]) -> Result<(), MlflowError> {
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

    async fn read_run(&self, version: Version, id: &str) -> Result<Arc<RunDetails>, MlflowError> {
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
    async fn experiment(&self) -> Result<Option<String>, MlflowError> {
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

    fn cached(&self, run: &str) -> Option<Arc<RunDetails>> {
        self.details().get(run).cloned()
    }

    fn details(&self) -> MutexGuard<'_, BTreeMap<String, Arc<RunDetails>>> {
        // No code panics between two related changes of the map, so a poisoned map is still
        // consistent.
        self.details.lock()
    }
}

#[async_trait]
impl Registry for MlflowRegistry {
    async fn register(&self, run: &Run) -> Result<Version, RegistryError> {
        let verb = "register a version";
        record::check(run).map_err(|error| unavailable(verb, error))?;
        let work = |held: Held| async move { self.register_alone(&held, run).await };
        let registered = self
            .lock
            .hold(&format!("register the run {}", run.name), work)
            .await;
        registered
            .map_err(|error| unavailable(verb, error))?
            .map_err(|error| unavailable(verb, error))
    }

    async fn version(&self, version: Version) -> Result<ModelVersion, RegistryError> {
        match self.find(version).await {
            Ok(found) => found.ok_or(RegistryError::NotFound { version }),
            Err(error @ (MlflowError::Foreign { .. } | MlflowError::RunDeleted { .. })) => {
                let source = error.into();
                Err(RegistryError::Unusable { version, source })
            }
            Err(error) => Err(unavailable("read a version", error)),
        }
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

    async fn move_alias(&self, change: AliasChange) -> Result<(), RegistryError> {
        let (alias, expected, to) = (change.alias(), change.expected(), change.to());
        let verb = "move an alias";
        let failed = move |error: MlflowError| unavailable(verb, error);
        let work = |held: Held| async move {
            let state = match alias {
                Alias::Champion => Some(self.read_champion().await.map_err(failed)?.0),
                Alias::Challenger | Alias::Previous => None,
            };
            let found = match &state {
                Some(state) => state.champion,
                None => self.alias(alias).await?,
            };
            if found != expected {
                return Err(RegistryError::AliasMoved {
                    alias,
                    expected,
                    found,
                });
            }
            self.version(to).await?;
            let moved = match &state {
                Some(state) => {
                    let record = Record::of_alias(to, state);
                    self.change_champion(&held, record).await
                }
                None => self.write_alias(&held, alias, to).await,
            };
            moved.map_err(failed)
        };
        let moved = self
            .lock
            .hold(&format!("move the alias `{alias}` to version {to}"), work)
            .await;
        moved.map_err(|error| unavailable(verb, error))?
    }

    async fn champion_state(&self) -> Result<ChampionState, RegistryError> {
        self.read_champion_state()
            .await
            .map_err(|error| unavailable("read an alias", error))
    }

    async fn promote(&self, promotion: &Promotion) -> Result<Promoted, RegistryError> {
        let work = |held: Held| async move { self.promote_alone(&held, promotion).await };
        let purpose = format!("move the alias `champion` to version {}", promotion.to());
        let promoted = self.lock.hold(&purpose, work).await;
        promoted.map_err(|error| unavailable("promote a version", error))?
    }
}

/// Returns `true` if the name needs no escaping in a path or in a filter.
fn is_valid(model: &str) -> bool {
    let valid =
        |character: char| character.is_ascii_alphanumeric() || matches!(character, '-' | '.' | '_');
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
