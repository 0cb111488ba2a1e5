//! The ports on Google Cloud and MLflow.

use std::sync::Arc;

use google_cloud::{BigQueryWarehouse, CloudSettings, GcsStore, MlflowRegistry, PubSubPublisher};
use reqwest::Url;
use shared::{
    address::{BucketName, OpenError, ProjectId},
    bus::Publisher,
    clock::Clock,
    registry::Registry,
    store::Store,
    warehouse::Warehouse,
};

pub(super) async fn store(
    bucket: &BucketName,
    cloud: &CloudSettings,
) -> Result<Arc<dyn Store>, OpenError> {
    Ok(Arc::new(GcsStore::open(bucket, cloud).await?))
}

pub(super) async fn warehouse(
    project: &ProjectId,
    cloud: &CloudSettings,
) -> Result<Arc<dyn Warehouse>, OpenError> {
    Ok(Arc::new(BigQueryWarehouse::open(project, cloud).await?))
}

pub(super) fn registry(
    url: &Url,
    cloud: &CloudSettings,
    store: &Arc<dyn Store>,
    clock: &Arc<dyn Clock>,
) -> Result<Arc<dyn Registry>, OpenError> {
    let (store, clock) = (Arc::clone(store), Arc::clone(clock));
    Ok(Arc::new(MlflowRegistry::open(url, cloud, store, clock)?))
}

pub(super) async fn publisher(
    project: &ProjectId,
    cloud: &CloudSettings,
) -> Result<Arc<dyn Publisher>, OpenError> {
    Ok(Arc::new(PubSubPublisher::open(project, cloud).await?))
}
