//! Snapshots of the system's stored state, for comparison.

use std::collections::BTreeMap;

use google_cloud_pubsub::client::SubscriptionAdmin;
use shared::{
    address::ObjectPath,
    audit::AuditRow,
    event::Function,
    registry::{Alias, ModelVersion, Version},
    store::Generation,
};

use crate::test_system::TestSystem;

/// Every object with its generation, the audit log, the model versions and the aliases.
#[derive(Debug, PartialEq)]
pub(crate) struct Snapshot {
    objects: BTreeMap<ObjectPath, Option<Generation>>,
    audit_log: Vec<AuditRow>,
    versions: Vec<ModelVersion>,
    aliases: Vec<Option<Version>>,
}

impl Snapshot {
    pub(crate) async fn of(system: &TestSystem) -> Self {
        let ports = &system.ports;
        let mut objects = BTreeMap::new();
        for path in ports.store.list("").await.unwrap() {
            let generation = ports.store.generation(&path).await.unwrap();
            objects.insert(path, generation);
        }
        let mut aliases = Vec::new();
        for alias in [Alias::Champion, Alias::Challenger, Alias::Previous] {
            aliases.push(ports.registry.alias(alias).await.unwrap());
        }
        let (audit_log, versions) = (
            ports.warehouse.audit_log().await.unwrap(),
            ports.registry.versions().await.unwrap(),
        );
        Self {
            objects,
            audit_log,
            versions,
            aliases,
        }
    }
}

/// Creates a Pub/Sub snapshot of a function's subscription.
pub(crate) async fn take_snapshot(system: &TestSystem, function: Function, name: &str) {
    let emulator = system.cloud.pubsub_emulator.as_ref().unwrap();
    let credentials = google_cloud::credentials(Some(emulator)).unwrap();
    let admin = SubscriptionAdmin::builder()
        .with_endpoint(emulator.origin())
        .with_credentials(credentials);
    let admin = admin.build().await.unwrap();
    let project = &system.project;
    let request = admin
        .create_snapshot()
        .set_name(format!("projects/{project}/snapshots/{name}"))
        .set_subscription(format!("projects/{project}/subscriptions/{function}"));
    request.send().await.unwrap();
}
