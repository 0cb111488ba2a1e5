//! Ports whose every call waits at the gates, and whose every effect is observed.
//!
//! Warehouse and registry are the embedded ones. The gates are below them, at their store, so that
//! another process can act between any two accesses, for example between the read and the
//! compare-and-swap of the registry.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use forecasting::time::Day;
use shared::{
    address::ObjectPath,
    bus::{BusError, Message, MessageId, Publisher},
    clock::{Clock, SimulatedClock},
    event::Topic,
    notifier::NoNotifier,
    open_data::{OpenData, OpenDataError},
    ports::Ports,
    registry::EmbeddedRegistry,
    store::{Condition, Generation, MemoryStore, Object, Store, StoreError},
    warehouse::EmbeddedWarehouse,
};

use crate::{
    bus::Bus,
    city::City,
    gate::{Call, Gates, Place, ProcessId, Verb, Verdict},
    observer::{Observer, Write},
};

/// The objects under this prefix never change, so reading them needs no gate.
const MODELS: &str = "models/";

/// The stores that hold the state of a schedule.
#[derive(Clone)]
pub(crate) struct Stores {
    pub(crate) objects: Arc<dyn Store>,
    pub(crate) warehouse: Arc<dyn Store>,
    pub(crate) registry: Arc<dyn Store>,
}

impl Stores {
    /// Creates empty stores.
    pub(crate) fn new() -> Self {
        let store = || Arc::new(MemoryStore::default());
        Self {
            objects: store(),
            warehouse: store(),
            registry: store(),
        }
    }

    /// Returns the stores with their names.
    pub(crate) fn all(&self) -> [(&'static str, &Arc<dyn Store>); 3] {
        [
            ("objects", &self.objects),
            ("warehouse", &self.warehouse),
            ("registry", &self.registry),
        ]
    }
}

/// The services that all processes share.
#[derive(Clone)]
pub(crate) struct Services {
    pub(crate) stores: Stores,
    pub(crate) gates: Arc<Gates>,
    pub(crate) observer: Arc<Observer>,
    pub(crate) bus: Arc<Mutex<Bus>>,
    pub(crate) city: Arc<City>,
    pub(crate) clock: SimulatedClock,
}

impl Services {
    /// Returns the ports of a process.
    pub(crate) fn ports(&self, process: ProcessId) -> Ports {
        let stores = &self.stores;
        Ports {
            store: self.store(process, Place::Objects, &stores.objects),
            warehouse: Arc::new(EmbeddedWarehouse::new(self.store(
                process,
                Place::Warehouse,
                &stores.warehouse,
            ))),
            registry: Arc::new(EmbeddedRegistry::new(self.store(
                process,
                Place::Registry,
                &stores.registry,
            ))),
            publisher: Arc::new(GatedPublisher {
                link: self.link(process),
                bus: Arc::clone(&self.bus),
                clock: self.clock.clone(),
            }),
            notifier: Arc::new(NoNotifier),
            clock: Arc::new(self.clock.clone()),
        }
    }

    /// Returns the open data service as a process sees it.
    pub(crate) fn open_data(&self, process: ProcessId) -> Arc<dyn OpenData> {
        Arc::new(GatedCity {
            link: self.link(process),
            city: Arc::clone(&self.city),
        })
    }

    fn store(&self, process: ProcessId, place: Place, inner: &Arc<dyn Store>) -> Arc<dyn Store> {
        Arc::new(GatedStore {
            link: self.link(process),
            place,
            inner: Arc::clone(inner),
        })
    }

    fn link(&self, process: ProcessId) -> Link {
        Link {
            process,
            gates: Arc::clone(&self.gates),
            observer: Arc::clone(&self.observer),
        }
    }
}

/// The connection of a process with the schedule.
struct Link {
    process: ProcessId,
    gates: Arc<Gates>,
    observer: Arc<Observer>,
}

impl Link {
    /// Waits at the gate, and then runs the call or returns `error`.
    async fn pass<T: Send, E: Send>(
        &self,
        call: Call,
        work: impl Future<Output = Result<T, E>> + Send,
        error: impl FnOnce() -> E + Send,
    ) -> Result<T, E> {
        let verdict = self.gates.pass(self.process, call.clone()).await;
        if verdict == Verdict::Reject {
            return Err(error());
        }
        let result = work.await;
        self.observer.passed(self.process, &call);
        if verdict == Verdict::LoseAnswer {
            return Err(error());
        }
        result
    }
}

/// A store whose calls wait at the gates.
struct GatedStore {
    link: Link,
    place: Place,
    inner: Arc<dyn Store>,
}

impl GatedStore {
    fn unavailable(&self, verb: &'static str, path: &str) -> StoreError {
        StoreError::Unavailable {
            verb,
            address: format!("simulated://{path}"),
            source: "simulated fault".into(),
        }
    }

    /// Returns `true` if no process writes the object during a schedule.
    fn is_constant(&self, path: &ObjectPath) -> bool {
        path.as_str().starts_with(MODELS) || self.link.observer.is_history(path.as_str())
    }
}

#[async_trait]
impl Store for GatedStore {
    async fn read(&self, path: &ObjectPath) -> Result<Object, StoreError> {
        if self.is_constant(path) {
            return self.inner.read(path).await;
        }
        let call = Call::new(Verb::Read, self.place, path);
        let error = || self.unavailable("read", path.as_str());
        self.link.pass(call, self.inner.read(path), error).await
    }

    async fn generation(&self, path: &ObjectPath) -> Result<Option<Generation>, StoreError> {
        let call = Call::new(Verb::Look, self.place, path);
        let error = || self.unavailable("look for", path.as_str());
        self.link
            .pass(call, self.inner.generation(path), error)
            .await
    }

    async fn write(
        &self,
        path: &ObjectPath,
        bytes: Bytes,
        condition: Condition,
    ) -> Result<Generation, StoreError> {
        let call = Call::new(Verb::Write, self.place, path);
        let error = || self.unavailable("write", path.as_str());
        let work = async {
            let before = self.inner.read(path).await.ok().map(|object| object.bytes);
            let generation = self.inner.write(path, bytes.clone(), condition).await?;
            let write = Write {
                process: self.link.process,
                place: self.place,
                path: path.as_str(),
                before,
                after: bytes,
            };
            self.link.observer.wrote(&write).await;
            Ok::<_, StoreError>(generation)
        };
        self.link.pass(call, work, error).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<ObjectPath>, StoreError> {
        let call = Call::new(Verb::List, self.place, prefix);
        let error = || self.unavailable("list", prefix);
        self.link.pass(call, self.inner.list(prefix), error).await
    }

    fn address_of(&self, path: &ObjectPath) -> String {
        self.inner.address_of(path)
    }
}

/// A publisher whose calls wait at the gates.
struct GatedPublisher {
    link: Link,
    bus: Arc<Mutex<Bus>>,
    clock: SimulatedClock,
}

#[async_trait]
impl Publisher for GatedPublisher {
    async fn publish(&self, topic: Topic, message: Message) -> Result<MessageId, BusError> {
        let call = Call::new(Verb::Publish, Place::Bus, topic);
        let error = || BusError {
            topic,
            source: "simulated fault".into(),
        };
        let work = async {
            self.link
                .observer
                .published(self.link.process, topic, &message);
            let mut bus = self.bus.lock().unwrap();
            Ok::<_, BusError>(bus.publish(topic, message, self.clock.now()))
        };
        self.link.pass(call, work, error).await
    }
}

/// The open data service of the simulated city, whose calls wait at the gates.
struct GatedCity {
    link: Link,
    city: Arc<City>,
}

#[async_trait]
impl OpenData for GatedCity {
    async fn day(&self, day: Day) -> Result<Bytes, OpenDataError> {
        let call = Call::new(Verb::Fetch, Place::City, day);
        let error = || OpenDataError::Unavailable {
            url: format!("simulated://{day}"),
            source: "simulated fault".into(),
        };
        let work = async { Ok::<_, OpenDataError>(self.city.reply(day)) };
        self.link.pass(call, work, error).await
    }
}
