//! The functions of `clients.rs` in a build without the feature `cloud`: each returns an error.

use std::sync::Arc;

use google_cloud::CloudSettings;
use reqwest::Url;
use shared::{
    address::{Address, BucketName, OpenError, ProjectId},
    bus::Publisher,
    clock::Clock,
    registry::Registry,
    store::Store,
    warehouse::Warehouse,
};

use super::NoClients;

pub(super) async fn store(
    bucket: &BucketName,
    _: &CloudSettings,
) -> Result<Arc<dyn Store>, OpenError> {
    Err(OpenError::new(&Address::Bucket(bucket.clone()), NoClients))
}

pub(super) async fn warehouse(
    project: &ProjectId,
    _: &CloudSettings,
) -> Result<Arc<dyn Warehouse>, OpenError> {
    Err(OpenError::new(
        &Address::BigQuery(project.clone()),
        NoClients,
    ))
}

pub(super) fn registry(
    url: &Url,
    _: &CloudSettings,
    _: &Arc<dyn Store>,
    _: &Arc<dyn Clock>,
) -> Result<Arc<dyn Registry>, OpenError> {
    Err(OpenError::new(&Address::Mlflow(url.clone()), NoClients))
}

pub(super) async fn publisher(
    project: &ProjectId,
    _: &CloudSettings,
) -> Result<Arc<dyn Publisher>, OpenError> {
    Err(OpenError::new(&Address::PubSub(project.clone()), NoClients))
}
