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
mod decision;
mod error;
mod lock;
mod logged_model;
mod login;
mod notes;
mod record;
mod register;
mod runs;
#[cfg(test)]
mod tests;
mod wire;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use reqwest::Url;
use shared::{
    address::{Address, OpenError},
    clock::Clock,
    registry::{
        Alias, AliasChange, ChampionState, MODEL, ModelVersion, Promoted, Promotion, Registry,
        RegistryError, Run, RunName, Version, VersionDecision,
    },
    store::Store,
};

use self::{
    api::Api,
    artifacts::Buckets,
    champion::Record,
    error::MlflowError,
    lock::{Held, Lock},
    login::Login,
    record::RunDetails,
};
use crate::CloudSettings;

/// The page size when listing versions.
const VERSIONS_PER_PAGE: &str = "1000";
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
    /// Returns an error if TLS cannot be initialized, the model's name is invalid, or tokens would
    /// be sent over plain HTTP to another machine.
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
        let login = Login::new(url, cloud).map_err(|error| OpenError::new(&address, error))?;
        let lock = format!("registry/{model}.lock.json")
            .parse()
            .map_err(|error| OpenError::new(&address, error))?;
        Ok(Self {
            api: Api::new(url, login).map_err(|error| OpenError::new(&address, error))?,
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

    async fn record_decision(
        &self,
        version: Version,
        decision: &VersionDecision,
    ) -> Result<(), RegistryError> {
        let verb = "record a decision";
        let work =
            |held: Held| async move { self.record_decision_alone(&held, version, decision).await };
        let purpose = format!("record the decision about version {version}");
        let recorded = self.lock.hold(&purpose, work).await;
        let recorded = recorded
            .map_err(|error| unavailable(verb, error))?
            .map_err(|error| unavailable(verb, error))?;
        if recorded {
            Ok(())
        } else {
            Err(RegistryError::NotFound { version })
        }
    }

    async fn attach(
        &self,
        version: Version,
        path: &str,
        contents: Bytes,
    ) -> Result<(), RegistryError> {
        let attached = self.attach_to_run(version, path, contents).await;
        if attached.map_err(|error| unavailable("attach a file", error))? {
            Ok(())
        } else {
            Err(RegistryError::NotFound { version })
        }
    }

    async fn runs_page(&self) -> Result<Option<String>, RegistryError> {
        let experiment = self.experiment().await;
        let experiment = experiment.map_err(|error| unavailable("find the runs", error))?;
        let server = self.api.server_name();
        Ok(experiment.map(|id| {
            format!(
                "{}/#/experiments/{id}/runs?workflowType=machine_learning&viewStateShareKey={}",
                server.trim_end_matches('/'),
                wire::SHARED_VIEW
            )
        }))
    }

    async fn describe_lock(&self) -> Result<Option<String>, RegistryError> {
        let described = self.lock.describe().await;
        described.map_err(|error| unavailable("read the lock", error))
    }

    async fn break_lock(&self) -> Result<Option<String>, RegistryError> {
        let broken = self.lock.break_open().await;
        broken.map_err(|error| unavailable("break the lock", error))
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
