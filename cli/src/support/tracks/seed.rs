//! The state that a simulation begins with.

use std::sync::Arc;

use anyhow::bail;
use bytes::Bytes;
use forecasting::counts::Counts;
use shared::{
    Timestamp,
    address::ObjectPath,
    clock::Clock,
    fixed_test,
    ports::Ports,
    registry::{EmbeddedRegistry, Operator, Promoted, Promotion, Run, Version, promote},
    store::{Condition, MemoryStore, Store},
    warehouse::EmbeddedWarehouse,
};

/// The folder of the data sets in a store.
const DATA_FOLDER: &str = "data/";

/// The published data sets and the first champion, from which any number of simulations begin.
#[derive(Clone)]
pub(crate) struct Seed {
    objects: Vec<(ObjectPath, Bytes)>,
    champion: Run,
    lags: Option<Counts>,
}

impl Seed {
    /// Reads the data sets in use and a version from ports.
    ///
    /// `lags` are the counts before the fixed test set, if the published training data end earlier.
    ///
    /// # Errors
    /// Returns an error if the version does not exist or a port fails.
    pub(crate) async fn read(
        ports: &Ports,
        version: Version,
        lags: Option<Counts>,
    ) -> anyhow::Result<Self> {
        let champion = ports.registry.version(version).await?.run;
        let mut paths = ports.store.list(DATA_FOLDER).await?;
        paths.extend(
            ports
                .store
                .list(&format!("{}/", champion.artifacts))
                .await?,
        );
        let mut objects = Vec::with_capacity(paths.len());
        for path in paths {
            let bytes = ports.store.read(&path).await?.bytes;
            objects.push((path, bytes));
        }
        Ok(Self {
            objects,
            champion,
            lags,
        })
    }

    /// Opens ports in memory on which the version is the first champion.
    pub(super) async fn open(&self, clock: Arc<dyn Clock>) -> anyhow::Result<MemoryPorts> {
        let memory = MemoryPorts::new(clock);
        let ports = &memory.ports;
        for (path, bytes) in &self.objects {
            ports
                .store
                .write(path, bytes.clone(), Condition::Always)
                .await?;
        }
        self.cache_fixed_test(ports).await?;
        let version = ports.registry.register(&self.champion).await?;
        let first = Promotion::by_operator(&Operator::named("simulation"), None, version);
        match promote(&*ports.registry, &first).await? {
            Promoted::Done | Promoted::Already => Ok(memory),
            Promoted::Stale { .. } | Promoted::Overtaken { .. } => {
                bail!("cannot make version {version} the first champion")
            }
        }
    }

    /// Caches the fixed test set with its lags. A copied cache is not used, because objects have
    /// other generations in another store.
    pub(super) async fn cache_fixed_test(&self, ports: &Ports) -> anyhow::Result<()> {
        let Some(lags) = &self.lags else {
            return Ok(());
        };
        // Nothing in a published data set is in the future.
        fixed_test::cache_with_lags(&ports.store, lags.clone(), Timestamp::MAX).await?;
        Ok(())
    }
}

/// Ports in memory whose contents can be copied.
pub(super) struct MemoryPorts {
    pub(super) ports: Ports,
    /// The objects, the tables and the registry.
    stores: [Arc<dyn Store>; 3],
}

impl MemoryPorts {
    fn new(clock: Arc<dyn Clock>) -> Self {
        let stores: [Arc<dyn Store>; 3] =
            std::array::from_fn(|_| Arc::new(MemoryStore::default()) as Arc<dyn Store>);
        let [objects, tables, registry] = stores.clone();
        let ports = Ports {
            store: objects,
            warehouse: Arc::new(EmbeddedWarehouse::new(tables)),
            registry: Arc::new(EmbeddedRegistry::new(registry)),
            ..Ports::in_memory(clock)
        };
        Self { ports, stores }
    }

    /// Returns ports with the same contents. Later changes of one do not affect the other.
    pub(super) async fn copy(&self, clock: Arc<dyn Clock>) -> anyhow::Result<Self> {
        let copy = Self::new(clock);
        for (from, to) in self.stores.iter().zip(&copy.stores) {
            for path in from.list("").await? {
                let bytes = from.read(&path).await?.bytes;
                to.write(&path, bytes, Condition::Always).await?;
            }
        }
        Ok(copy)
    }
}
