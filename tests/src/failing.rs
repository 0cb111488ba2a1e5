//! Ports that fail on demand and that make concurrent calls overlap.

use std::{
    collections::BTreeMap,
    future::Future,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use bytes::Bytes;
use forecasting::{counts::Counts, time::Day};
use shared::{
    Timestamp,
    address::ObjectPath,
    audit::AuditRow,
    bus::{BusError, Message, MessageId, Publisher},
    event::Topic,
    ports::Ports,
    store::{Condition, Generation, Object, Store, StoreError},
    warehouse::{DayState, ExportFormat, Forecast, TableVersion, Warehouse, WarehouseError},
};
use tokio::sync::Barrier;

/// The way in which a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The call has no effect.
    Rejected,
    /// The call takes effect, but returns an error.
    ResponseLost,
    /// Neither this call nor any later call has an effect.
    Outage,
}

/// The plan of failing calls. The calls of all wrapped ports are counted together.
#[derive(Debug, Default)]
pub struct Faults {
    plan: Mutex<Plan>,
}

#[derive(Debug, Default)]
struct Plan {
    calls: Vec<String>,
    fault: Option<(usize, Fault)>,
    meeting: Option<Meeting>,
}

/// A set of calls that wait for each other.
#[derive(Debug)]
struct Meeting {
    remaining: Vec<String>,
    barrier: Arc<Barrier>,
}

impl Faults {
    /// Plans a fault for the call with the index `call`, counted from 0 over all calls.
    pub fn plan(&self, call: usize, fault: Fault) {
        self.plan.lock().unwrap().fault = Some((call, fault));
    }

    /// Cancels the planned fault.
    pub fn lift(&self) {
        self.plan.lock().unwrap().fault = None;
    }

    /// Makes the next of each of these calls wait for the others before it returns its result.
    pub fn meet(&self, calls: &[&str]) {
        let remaining = calls.iter().map(|call| (*call).to_owned()).collect();
        let meeting = Meeting {
            remaining,
            barrier: Arc::new(Barrier::new(calls.len())),
        };
        self.plan.lock().unwrap().meeting = Some(meeting);
    }

    /// Returns the calls so far, each as verb and object, such as `write ledger/ingest/ID.json`.
    pub fn calls(&self) -> Vec<String> {
        self.plan.lock().unwrap().calls.clone()
    }

    /// Wraps store, warehouse and publisher. The registry is not wrapped.
    pub fn wrap(self: &Arc<Self>, ports: &Ports) -> Ports {
        let faults = || Arc::clone(self);
        Ports {
            store: self.wrap_store(&ports.store),
            warehouse: Arc::new(FailingWarehouse {
                inner: Arc::clone(&ports.warehouse),
                faults: faults(),
            }),
            publisher: Arc::new(FailingPublisher {
                inner: Arc::clone(&ports.publisher),
                faults: faults(),
            }),
            ..ports.clone()
        }
    }

    /// Wraps a store, so that its calls are counted and fail as planned.
    pub fn wrap_store(self: &Arc<Self>, store: &Arc<dyn Store>) -> Arc<dyn Store> {
        Arc::new(FailingStore {
            inner: Arc::clone(store),
            faults: Arc::clone(self),
        })
    }

    /// Runs a call, or returns `error` as planned.
    async fn pass<T: Send, E: Send>(
        &self,
        call: String,
        work: impl Future<Output = Result<T, E>> + Send,
        error: impl FnOnce() -> E + Send,
    ) -> Result<T, E> {
        let (fault, barrier) = self.enter(call);
        let result = match fault {
            None => work.await,
            Some(Fault::Rejected | Fault::Outage) => Err(error()),
            Some(Fault::ResponseLost) => {
                drop(work.await);
                Err(error())
            }
        };
        if let Some(barrier) = barrier {
            barrier.wait().await;
        }
        result
    }

    /// Records a call, and returns the fault and the barrier planned for it.
    fn enter(&self, call: String) -> (Option<Fault>, Option<Arc<Barrier>>) {
        let mut plan = self.plan.lock().unwrap();
        let number = plan.calls.len();
        let barrier = plan.meeting.as_mut().and_then(|meeting| {
            let position = meeting
                .remaining
                .iter()
                .position(|expected| *expected == call)?;
            meeting.remaining.swap_remove(position);
            Some(Arc::clone(&meeting.barrier))
        });
        plan.calls.push(call);
        let applies = |(first, fault): &(usize, Fault)| match fault {
            Fault::Outage => number >= *first,
            Fault::Rejected | Fault::ResponseLost => number == *first,
        };
        (plan.fault.filter(applies).map(|(_, fault)| fault), barrier)
    }
}

/// A store that fails on demand.
struct FailingStore {
    inner: Arc<dyn Store>,
    faults: Arc<Faults>,
}

impl FailingStore {
    fn unavailable(&self, verb: &'static str, name: &str) -> StoreError {
        StoreError::Unavailable {
            verb,
            address: format!("failing://{name}"),
            source: "planned fault".into(),
        }
    }
}

#[async_trait]
impl Store for FailingStore {
    async fn read(&self, path: &ObjectPath) -> Result<Object, StoreError> {
        let error = || self.unavailable("read", path.as_str());
        self.faults
            .pass(format!("read {path}"), self.inner.read(path), error)
            .await
    }

    async fn generation(&self, path: &ObjectPath) -> Result<Option<Generation>, StoreError> {
        let error = || self.unavailable("look for", path.as_str());
        self.faults
            .pass(
                format!("look for {path}"),
                self.inner.generation(path),
                error,
            )
            .await
    }

    async fn write(
        &self,
        path: &ObjectPath,
        bytes: Bytes,
        condition: Condition,
    ) -> Result<Generation, StoreError> {
        let error = || self.unavailable("write", path.as_str());
        self.faults
            .pass(
                format!("write {path}"),
                self.inner.write(path, bytes, condition),
                error,
            )
            .await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<ObjectPath>, StoreError> {
        let error = || self.unavailable("list", prefix);
        self.faults
            .pass(format!("list {prefix}"), self.inner.list(prefix), error)
            .await
    }

    fn address_of(&self, path: &ObjectPath) -> String {
        self.inner.address_of(path)
    }
}

/// A warehouse that fails on demand.
struct FailingWarehouse {
    inner: Arc<dyn Warehouse>,
    faults: Arc<Faults>,
}

impl FailingWarehouse {
    async fn pass<T: Send>(
        &self,
        verb: &'static str,
        table: &str,
        call: impl Future<Output = Result<T, WarehouseError>> + Send,
    ) -> Result<T, WarehouseError> {
        let source = || "planned fault".into();
        let error = || WarehouseError::Unavailable {
            verb,
            table: table.to_owned(),
            source: source(),
        };
        self.faults
            .pass(format!("{verb} {table}"), call, error)
            .await
    }
}

#[async_trait]
impl Warehouse for FailingWarehouse {
    async fn replace_counts(
        &self,
        day: Day,
        counts: &Counts,
        ingested_at: Timestamp,
    ) -> Result<(), WarehouseError> {
        self.pass(
            "replace",
            "counts",
            self.inner.replace_counts(day, counts, ingested_at),
        )
        .await
    }

    async fn counts(&self, first: Day, last: Day) -> Result<Counts, WarehouseError> {
        self.pass("read", "counts", self.inner.counts(first, last))
            .await
    }

    async fn table_versions(
        &self,
        first: Day,
        last: Day,
    ) -> Result<BTreeMap<Day, TableVersion>, WarehouseError> {
        self.pass("look for", "counts", self.inner.table_versions(first, last))
            .await
    }

    async fn count_days(
        &self,
        first: Day,
        last: Day,
    ) -> Result<BTreeMap<Day, DayState>, WarehouseError> {
        self.pass("count", "counts", self.inner.count_days(first, last))
            .await
    }

    async fn export_counts(
        &self,
        days: (Day, Day),
        store: &Arc<dyn Store>,
        folder: &ObjectPath,
        format: ExportFormat,
    ) -> Result<Vec<ObjectPath>, WarehouseError> {
        self.pass(
            "export",
            "counts",
            self.inner.export_counts(days, store, folder, format),
        )
        .await
    }

    async fn replace_forecasts(
        &self,
        day: Day,
        forecasts: &[Forecast],
    ) -> Result<(), WarehouseError> {
        self.pass(
            "replace",
            "forecasts",
            self.inner.replace_forecasts(day, forecasts),
        )
        .await
    }

    async fn forecasts(&self, first: Day, last: Day) -> Result<Vec<Forecast>, WarehouseError> {
        self.pass("read", "forecasts", self.inner.forecasts(first, last))
            .await
    }

    async fn record(&self, row: &AuditRow) -> Result<(), WarehouseError> {
        self.pass("add to", "logs", self.inner.record(row)).await
    }

    async fn audit_log(&self) -> Result<Vec<AuditRow>, WarehouseError> {
        self.pass("read", "logs", self.inner.audit_log()).await
    }
}

/// A publisher that fails on demand.
struct FailingPublisher {
    inner: Arc<dyn Publisher>,
    faults: Arc<Faults>,
}

#[async_trait]
impl Publisher for FailingPublisher {
    async fn publish(&self, topic: Topic, message: Message) -> Result<MessageId, BusError> {
        let error = || BusError {
            topic,
            source: "planned fault".into(),
        };
        self.faults
            .pass(
                format!("publish to {topic}"),
                self.inner.publish(topic, message),
                error,
            )
            .await
    }
}
