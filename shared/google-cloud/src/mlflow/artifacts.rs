//! Copies model files to the artifacts of their logged model, where Python's MLflow client loads
//! them, and adds files for people to the artifacts of a run.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use reqwest::Url;
use shared::{
    address::{BucketName, ObjectPath, OpenError},
    registry::Version,
    store::{Condition, Store},
};
use tokio::sync::Mutex;

use super::{MlflowError, MlflowRegistry, api::Api, wire, wire::LoggedModelInfo};
use crate::{CloudSettings, GcsStore};

/// The file with the flavors of a model.
const DESCRIPTION_FILE: &str = "MLmodel";

/// The location of a model's artifacts.
#[derive(Debug, PartialEq)]
enum Location {
    /// On the MLflow server, which proxies uploads.
    Server {
        /// The path below `mlflow-artifacts:/`.
        path: String,
    },
    /// In a bucket, written directly.
    Bucket {
        /// The bucket.
        bucket: BucketName,
        /// The folder in it.
        path: String,
    },
}

/// The artifact buckets; each is opened once.
pub(super) struct Buckets {
    cloud: CloudSettings,
    opened: Mutex<BTreeMap<String, Arc<GcsStore>>>,
}

impl Buckets {
    pub(super) fn new(cloud: &CloudSettings) -> Self {
        Self {
            cloud: cloud.clone(),
            opened: Mutex::default(),
        }
    }

    async fn open(&self, bucket: &BucketName) -> Result<Arc<GcsStore>, OpenError> {
        let mut opened = self.opened.lock().await;
        if let Some(store) = opened.get(bucket.as_str()) {
            return Ok(Arc::clone(store));
        }
        let store = Arc::new(GcsStore::open(bucket, &self.cloud).await?);
        opened.insert(bucket.to_string(), Arc::clone(&store));
        Ok(store)
    }
}

/// Copies all objects below `folder` to the artifacts of a logged model.
///
/// A second copy overwrites the first. The copy of `MLmodel` also has the ids of the logged model
/// and of its run, without which a loaded model has none.
pub(super) async fn copy(
    api: &Api,
    buckets: &Buckets,
    store: &dyn Store,
    folder: &ObjectPath,
    (model, run_id): (&LoggedModelInfo, &str),
) -> Result<(), MlflowError> {
    let prefix = format!("{folder}/");
    for file in store.list(&prefix).await? {
        let mut bytes = store.read(&file).await?.bytes;
        let name = file.as_str().strip_prefix(&prefix).unwrap_or_default();
        if name == DESCRIPTION_FILE {
            let ids = format!("model_id: {}\nrun_id: {run_id}\n", model.model_id);
            bytes = [&bytes[..], ids.as_bytes()].concat().into();
        }
        write(api, buckets, &model.artifact_uri, (name, bytes)).await?;
    }
    Ok(())
}

/// Writes a file below the artifacts of a logged model or a run, in place of an earlier one.
async fn write(
    api: &Api,
    buckets: &Buckets,
    artifact_uri: &str,
    (name, bytes): (&str, Bytes),
) -> Result<(), MlflowError> {
    let location = Location::of(artifact_uri)?;
    let path = format!("{}/{name}", location.path());
    let Location::Bucket { bucket, .. } = &location else {
        return api.put_artifact(&path, bytes).await;
    };
    let path = path.parse().map_err(|_| MlflowError::Artifacts {
        uri: artifact_uri.to_owned(),
    })?;
    let bucket = buckets.open(bucket).await?;
    bucket.write(&path, bytes, Condition::Always).await?;
    Ok(())
}

impl MlflowRegistry {
    /// Writes a file to the artifacts of a version's run. Returns `false` if the version does not
    /// exist.
    pub(super) async fn attach_to_run(
        &self,
        version: Version,
        path: &str,
        contents: Bytes,
    ) -> Result<bool, MlflowError> {
        let Some(found) = self.read_version(version).await? else {
            return Ok(false);
        };
        let query = [("run_id", found.run_id.as_str())];
        let reply: wire::RunResponse = self.api.get("mlflow/runs/get", &query).await?;
        let artifact_uri = &reply.run.info.artifact_uri;
        write(&self.api, &self.buckets, artifact_uri, (path, contents)).await?;
        Ok(true)
    }
}

impl Location {
    fn of(artifact_uri: &str) -> Result<Self, MlflowError> {
        let unsupported = || MlflowError::Artifacts {
            uri: artifact_uri.to_owned(),
        };
        let uri: Url = artifact_uri.parse().map_err(|_| unsupported())?;
        let path = uri.path().trim_matches('/').to_owned();
        match (uri.scheme(), uri.host_str()) {
            ("mlflow-artifacts", None) => Ok(Self::Server { path }),
            ("gs", Some(bucket)) => Ok(Self::Bucket {
                bucket: bucket.parse().map_err(|_| unsupported())?,
                path,
            }),
            _ => Err(unsupported()),
        }
    }

    fn path(&self) -> &str {
        match self {
            Self::Server { path } | Self::Bucket { path, .. } => path,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn bucket_is_opened_once() {
        let emulator = Some("127.0.0.1:1".parse().unwrap());
        let buckets = Buckets::new(&CloudSettings {
            storage_emulator: emulator,
            ..CloudSettings::default()
        });
        let [one, other] = ["a-bucket", "another"].map(|name| name.parse().unwrap());
        let first = buckets.open(&one).await.unwrap();
        assert!(Arc::ptr_eq(&first, &buckets.open(&one).await.unwrap()));
        assert!(!Arc::ptr_eq(&first, &buckets.open(&other).await.unwrap()));
    }

    #[test]
    fn artifact_uri_selects_server_or_bucket() {
        let path = "1/0a1b/artifacts".to_owned();
        assert_eq!(
            Location::of("mlflow-artifacts:/1/0a1b/artifacts").unwrap(),
            Location::Server { path: path.clone() }
        );
        let bucket = "a_bucket.of-ours".parse().unwrap();
        assert_eq!(
            Location::of("gs://a_bucket.of-ours/1/0a1b/artifacts").unwrap(),
            Location::Bucket { bucket, path }
        );
        for uri in [
            "s3://bucket/1",
            "/srv/mlruns/1",
            "file:///srv/mlruns/1",
            "mlflow-artifacts://other-host/1",
        ] {
            assert!(
                Location::of(uri).unwrap_err().to_string().contains(uri),
                "{uri}"
            );
        }
    }
}
