//! Every adapter of every port runs the suite of its port.

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

    fn store_place() -> store_suite::Place {
        let store = store();
        store_suite::Place::new("a-run", move || Arc::clone(&store))
    }

    mod store {
        tests::store_suite!(super::store_place());
    }

    mod warehouse {
        tests::warehouse_suite!(super::super::warehouse_place(super::store()));
    }

    mod registry {
        tests::registry_suite!(super::super::registry_place(super::store()));
    }

    mod bus {
        tests::bus_suite!(super::super::bus_place(super::store()).await);
    }
}

mod file {
    use super::*;

    /// Opens a handle of its own each time, as processes that share a folder do.
    fn store_place() -> store_suite::Place {
        let folder = tempfile::tempdir().unwrap();
        store_suite::Place::new("a-run", move || {
            Arc::new(FileStore::open(folder.path()).unwrap())
        })
    }

    async fn in_folder<P>(place: impl AsyncFnOnce(Arc<dyn Store>) -> P) -> InFolder<P> {
        let folder = tempfile::tempdir().unwrap();
        let store = FileStore::open(folder.path()).unwrap();
        InFolder {
            place: place(Arc::new(store)).await,
            _folder: folder,
        }
    }

    mod store {
        tests::store_suite!(super::store_place());
    }

    mod warehouse {
        tests::warehouse_suite!(
            super::in_folder(async |store| super::super::warehouse_place(store)).await
        );
    }

    mod registry {
        tests::registry_suite!(
            super::in_folder(async |store| super::super::registry_place(store)).await
        );
    }

    mod bus {
        tests::bus_suite!(super::in_folder(super::super::bus_place).await);
    }
}

fn warehouse_place(store: Arc<dyn Store>) -> warehouse_suite::Place {
    warehouse_suite::Place::new(
        "a-run",
        Arc::new(EmbeddedWarehouse::new(store)),
        Arc::new(MemoryStore::default()),
    )
}

fn registry_place(store: Arc<dyn Store>) -> registry_suite::Place {
    registry_suite::Place::new(Arc::new(EmbeddedRegistry::new(store)))
}

async fn bus_place(store: Arc<dyn Store>) -> bus_suite::Place {
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
    bus_suite::Place {
        publisher,
        topic: Topic::IngestRequested,
        inbox,
        name: "a-run".to_owned(),
    }
}

/// A place in a folder that goes when the place goes.
struct InFolder<P> {
    place: P,
    _folder: TempDir,
}

impl<P> Deref for InFolder<P> {
    type Target = P;

    fn deref(&self) -> &P {
        &self.place
    }
}

/// An endpoint with the bus that pushes to it.
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
