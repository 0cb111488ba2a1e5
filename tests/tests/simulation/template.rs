//! The state at the start of every schedule, prepared once: past counts, models and versions.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use forecasting::{
    counts::Counts,
    features::{FeatureSpec, Frame},
    time::Day,
};
use model::{Model, TrainRecipe};
use shared::{
    Timestamp,
    address::ObjectPath,
    registry::{EmbeddedRegistry, Operator, Registry, Run, RunName, Version},
    store::{Condition, Store},
    warehouse::{EmbeddedWarehouse, Warehouse},
};

use crate::{city, ports::Stores};

/// The first day that a schedule ingests.
pub(crate) const FIRST_DAY: &str = "2021-07-19";
/// The number of days of counts before [`FIRST_DAY`].
const HISTORY_DAYS: i32 = 14;
/// The versions that evaluations compare with the champion, which is version 1.
pub(crate) const CHALLENGERS: std::ops::RangeInclusive<u32> = 2..=9;

/// The prepared state.
pub(crate) struct Template {
    objects: Vec<(ObjectPath, Bytes)>,
    warehouse: Vec<(ObjectPath, Bytes)>,
    registry: Vec<(ObjectPath, Bytes)>,
    /// Two models that differ, for trainings of the same run.
    pub(crate) retrained: [Arc<Model>; 2],
}

impl Template {
    /// Returns the prepared state, and prepares it at the first call.
    pub(crate) fn get() -> &'static Self {
        static TEMPLATE: OnceLock<Template> = OnceLock::new();
        TEMPLATE.get_or_init(|| {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .build()
                .unwrap();
            runtime.block_on(Self::prepare())
        })
    }

    /// Returns stores with the prepared state.
    pub(crate) async fn stores(&self) -> Stores {
        let stores = Stores::new();
        let all = [
            (&self.objects, &stores.objects),
            (&self.warehouse, &stores.warehouse),
            (&self.registry, &stores.registry),
        ];
        for (objects, store) in all {
            for (path, bytes) in objects {
                store
                    .write(path, bytes.clone(), Condition::Always)
                    .await
                    .unwrap();
            }
        }
        stores
    }

    async fn prepare() -> Self {
        let stores = Stores::new();
        let first_day: Day = FIRST_DAY.parse().unwrap();
        let (first, last) = (first_day.plus(-HISTORY_DAYS), first_day.plus(-1));
        let counts = city::history(first, last);
        let warehouse = EmbeddedWarehouse::new(Arc::clone(&stores.warehouse));
        for day in first.through(last) {
            let of_day = counts.days(day, day);
            warehouse
                .replace_counts(day, &of_day, Timestamp::UNIX_EPOCH)
                .await
                .unwrap();
        }
        register(&stores, &counts).await;
        Self {
            objects: contents(&stores.objects).await,
            warehouse: contents(&stores.warehouse).await,
            registry: contents(&stores.registry).await,
            retrained: [3, 4].map(|seed| Arc::new(train(&counts, seed))),
        }
    }
}

/// Registers the versions, with two models between them, and makes the first one champion.
async fn register(stores: &Stores, counts: &Counts) {
    let registry = EmbeddedRegistry::new(Arc::clone(&stores.registry));
    let folders = ["champion", "challenger"].map(|name| run_name(name).artifacts());
    for (folder, seed) in folders.iter().zip(1..) {
        let model = train(counts, seed);
        model.save(&*stores.objects, folder).await.unwrap();
    }
    let [of_champion, of_challengers] = folders;
    let mut champion = Run::new(run_name("version-1"), Timestamp::UNIX_EPOCH);
    champion.artifacts = of_champion;
    let version = registry.register(&champion).await.unwrap();
    for number in CHALLENGERS {
        let name = run_name(&format!("version-{number}"));
        let mut run = Run::new(name, Timestamp::UNIX_EPOCH);
        run.artifacts = of_challengers.clone();
        let registered = registry.register(&run).await.unwrap();
        assert_eq!(registered, Version::new(number));
    }
    let change = Operator::named("simulation").champion_change(None, version);
    registry.move_alias(change).await.unwrap();
}

/// Returns the name of a run.
pub(crate) fn run_name(text: &str) -> RunName {
    text.parse().unwrap()
}

/// Trains the smallest useful model.
fn train(counts: &Counts, seed: u32) -> Model {
    let recipe = TrainRecipe {
        rounds: 5,
        max_depth: 2,
        learning_rate: 0.1 * f64::from(seed),
        min_child_weight: 1.0,
        seed,
        ..TrainRecipe::default()
    };
    let spec = FeatureSpec::for_counters(counts.counters());
    let frame = Frame::from_counts(&spec, &[], counts);
    model::train(frame, spec, &recipe, &mut |_| {}).unwrap()
}

async fn contents(store: &Arc<dyn Store>) -> Vec<(ObjectPath, Bytes)> {
    let mut contents = Vec::new();
    for path in store.list("").await.unwrap() {
        let bytes = store.read(&path).await.unwrap().bytes;
        contents.push((path, bytes));
    }
    contents
}
