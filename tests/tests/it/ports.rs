//! Runs the suite of each port against its memory and file adapters.

mod file_store;

use std::{ops::Deref, sync::Arc};

use async_trait::async_trait;
use cli::support::embedded_bus::{DeliveryPolicy, EmbeddedBus, Subscription};
use shared::{
    Timestamp,
    bus::{LogPublisher, Message, MessageId},
    clock::SimulatedClock,
    event::{Function, Topic},
    registry::EmbeddedRegistry,
    store::{FileStore, MemoryStore, Store},
    warehouse::EmbeddedWarehouse,
};
use tempfile::TempDir;
use tests::{bus_suite, endpoint::Endpoint, registry_suite, store_suite, warehouse_suite};

mod memory {
    use super::*;

    fn store() -> Arc<dyn Store> {
        Arc::new(MemoryStore::default())
    }

    fn store_setup() -> store_suite::Setup {
        let store = store();
        store_suite::Setup::new("a-run", move || Arc::clone(&store))
    }

    mod store {
        tests::store_suite!(super::store_setup());
    }

    mod warehouse {
        tests::warehouse_suite!(super::super::warehouse_setup(super::store()));
    }

    mod registry {
        tests::registry_suite!(super::super::registry_setup(super::store()));
    }

    mod bus {
        tests::bus_suite!(super::super::bus_setup(super::store()).await);
    }
}

mod file {
    use super::*;

    /// Each call opens a separate handle, as processes that share a folder do.
    fn store_setup() -> store_suite::Setup {
        let folder = tempfile::tempdir().unwrap();
        store_suite::Setup::new("a-run", move || {
            Arc::new(FileStore::open(folder.path()).unwrap())
        })
    }

    async fn in_folder<T>(build: impl AsyncFnOnce(Arc<dyn Store>) -> T) -> InFolder<T> {
        let folder = tempfile::tempdir().unwrap();
        let store = FileStore::open(folder.path()).unwrap();
        InFolder {
            value: build(Arc::new(store)).await,
            _folder: folder,
        }
    }

    mod store {
        tests::store_suite!(super::store_setup());
    }

    mod warehouse {
        tests::warehouse_suite!(
            super::in_folder(async |store| super::super::warehouse_setup(store)).await
        );
    }

    mod registry {
        tests::registry_suite!(
            super::in_folder(async |store| super::super::registry_setup(store)).await
        );
    }

    mod bus {
        tests::bus_suite!(super::in_folder(super::super::bus_setup).await);
    }
}

fn warehouse_setup(store: Arc<dyn Store>) -> warehouse_suite::Setup {
    warehouse_suite::Setup::new(
        "a-run",
        Arc::new(EmbeddedWarehouse::new(store)),
        Arc::new(MemoryStore::default()),
    )
}

fn registry_setup(store: Arc<dyn Store>) -> registry_suite::Setup {
    registry_suite::Setup::new(Arc::new(EmbeddedRegistry::new(store)))
}

async fn bus_setup(store: Arc<dyn Store>) -> bus_suite::Setup {
    let clock = Arc::new(SimulatedClock::new(Timestamp::UNIX_EPOCH));
    let publisher = Arc::new(LogPublisher::new(store, clock));
    let endpoint = Endpoint::acknowledging().await;
    let subscription = Subscription {
        function: Function::Ingest,
        endpoint: endpoint.url(),
    };
    let bus = EmbeddedBus::start(
        Arc::clone(&publisher),
        vec![subscription],
        DeliveryPolicy::default(),
    )
    .await
    .unwrap();
    let inbox = Box::new(Subscriber {
        endpoint,
        _bus: bus,
    });
    bus_suite::Setup {
        publisher,
        topic: Topic::IngestRequested,
        inbox,
        name: "a-run".to_owned(),
    }
}

/// A value together with its temporary folder, which is removed with the value.
struct InFolder<T> {
    value: T,
    _folder: TempDir,
}

impl<T> Deref for InFolder<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

/// An endpoint, together with the bus that pushes to it.
struct Subscriber {
    endpoint: Endpoint,
    _bus: EmbeddedBus,
}

#[async_trait]
impl bus_suite::Inbox for Subscriber {
    async fn messages(&self) -> Vec<(MessageId, Message)> {
        self.endpoint.messages().await
    }
}
