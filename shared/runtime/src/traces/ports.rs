//! Ports whose calls are spans of the delivery that makes them.

use std::{collections::BTreeMap, fmt, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use forecasting::{counts::Counts, time::Day};
use jiff::Timestamp;
use opentelemetry::{
    Context,
    trace::{Status, TraceContextExt},
};
use shared::{
    address::ObjectPath,
    audit::AuditRow,
    bus::{BusError, Message, MessageId, Publisher},
    event::Topic,
    ports::Ports,
    registry::{
        Alias, AliasChange, ChampionState, ModelVersion, Promoted, Promotion, Registry,
        RegistryError, Run, Version, VersionDecision,
    },
    retryability::{Classify, Retryability},
    store::{Condition, Generation, Object, Store, StoreError},
    warehouse::{DayState, ExportFormat, Forecast, TableVersion, Warehouse, WarehouseError},
};
use tracing::{Instrument, Span};
use tracing_opentelemetry::OpenTelemetrySpanExt;

use super::TARGET;
use crate::redact::redact;

/// A port whose calls are spans.
struct Traced<P: ?Sized>(Arc<P>);

/// Wraps store, warehouse, registry and publisher.
pub(super) fn traced(ports: Ports) -> Ports {
    Ports {
        store: Arc::new(Traced(ports.store)),
        warehouse: Arc::new(Traced(ports.warehouse)),
        registry: Arc::new(Traced(ports.registry)),
        publisher: Arc::new(Traced(ports.publisher)),
        notifier: ports.notifier,
        clock: ports.clock,
    }
}

/// Runs a call as a span with the name of port and method. `object` is the object of the call.
///
/// A call outside a delivery is no span: it would be a trace of its own.
async fn call<T, E>(
    name: &'static str,
    object: impl fmt::Display + Send,
    work: impl Future<Output = Result<T, E>> + Send,
) -> Result<T, E>
where
    T: Send,
    E: Classify + Send,
{
    if !Context::map_current(TraceContextExt::has_active_span) {
        return work.await;
    }
    let span = tracing::info_span!(
        target: TARGET,
        "call",
        otel.name = name,
        otel.kind = "client",
        object = %object,
    );
    let result = work.instrument(span.clone()).await;
    if let Err(error) = &result {
        record_error(&span, error);
    }
    result
}

/// Records the error of a call. A permanent one, such as a missing object, is often expected.
fn record_error(span: &Span, error: &dyn Classify) {
    let text = redact(&error.to_string()).into_owned();
    if error.retryability() == Retryability::Transient {
        span.set_status(Status::error(text));
    } else {
        span.set_attribute("error", text);
    }
}

/// The days of a call.
struct Days(Day, Day);

impl fmt::Display for Days {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}..{}", self.0, self.1)
    }
}

#[async_trait]
impl Store for Traced<dyn Store> {
    async fn read(&self, path: &ObjectPath) -> Result<Object, StoreError> {
        call("store read", path, self.0.read(path)).await
    }

    async fn generation(&self, path: &ObjectPath) -> Result<Option<Generation>, StoreError> {
        call("store generation", path, self.0.generation(path)).await
    }

    async fn write(
        &self,
        path: &ObjectPath,
        bytes: Bytes,
        condition: Condition,
    ) -> Result<Generation, StoreError> {
        call("store write", path, self.0.write(path, bytes, condition)).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<ObjectPath>, StoreError> {
        call("store list", prefix, self.0.list(prefix)).await
    }

    async fn list_written_since(
        &self,
        prefix: &str,
        since: Timestamp,
    ) -> Result<Vec<ObjectPath>, StoreError> {
        let work = self.0.list_written_since(prefix, since);
        call("store list_written_since", prefix, work).await
    }

    fn address_of(&self, path: &ObjectPath) -> String {
        self.0.address_of(path)
    }
}

#[async_trait]
impl Warehouse for Traced<dyn Warehouse> {
    async fn replace_counts(
        &self,
        day: Day,
        counts: &Counts,
        ingested_at: Timestamp,
    ) -> Result<(), WarehouseError> {
        let work = self.0.replace_counts(day, counts, ingested_at);
        call("warehouse replace_counts", day, work).await
    }

    async fn counts(&self, first: Day, last: Day) -> Result<Counts, WarehouseError> {
        let work = self.0.counts(first, last);
        call("warehouse counts", Days(first, last), work).await
    }

    async fn table_versions(
        &self,
        first: Day,
        last: Day,
    ) -> Result<BTreeMap<Day, TableVersion>, WarehouseError> {
        let work = self.0.table_versions(first, last);
        call("warehouse table_versions", Days(first, last), work).await
    }

    async fn count_days(
        &self,
        first: Day,
        last: Day,
    ) -> Result<BTreeMap<Day, DayState>, WarehouseError> {
        let work = self.0.count_days(first, last);
        call("warehouse count_days", Days(first, last), work).await
    }

    async fn export_counts(
        &self,
        days: (Day, Day),
        store: &Arc<dyn Store>,
        folder: &ObjectPath,
        format: ExportFormat,
    ) -> Result<Vec<ObjectPath>, WarehouseError> {
        let work = self.0.export_counts(days, store, folder, format);
        call("warehouse export_counts", Days(days.0, days.1), work).await
    }

    async fn replace_forecasts(
        &self,
        day: Day,
        forecasts: &[Forecast],
    ) -> Result<(), WarehouseError> {
        let work = self.0.replace_forecasts(day, forecasts);
        call("warehouse replace_forecasts", day, work).await
    }

    async fn forecasts(&self, first: Day, last: Day) -> Result<Vec<Forecast>, WarehouseError> {
        let work = self.0.forecasts(first, last);
        call("warehouse forecasts", Days(first, last), work).await
    }

    async fn record(&self, row: &AuditRow) -> Result<(), WarehouseError> {
        call("warehouse record", &row.event_id, self.0.record(row)).await
    }

    async fn audit_log(&self) -> Result<Vec<AuditRow>, WarehouseError> {
        call("warehouse audit_log", "logs", self.0.audit_log()).await
    }

    async fn audit_log_since(&self, since: Timestamp) -> Result<Vec<AuditRow>, WarehouseError> {
        let work = self.0.audit_log_since(since);
        call("warehouse audit_log_since", since, work).await
    }
}

#[async_trait]
impl Registry for Traced<dyn Registry> {
    async fn register(&self, run: &Run) -> Result<Version, RegistryError> {
        call("registry register", &run.name, self.0.register(run)).await
    }

    async fn version(&self, version: Version) -> Result<ModelVersion, RegistryError> {
        call("registry version", version, self.0.version(version)).await
    }

    async fn versions(&self) -> Result<Vec<ModelVersion>, RegistryError> {
        call("registry versions", "versions", self.0.versions()).await
    }

    async fn alias(&self, alias: Alias) -> Result<Option<Version>, RegistryError> {
        call("registry alias", alias, self.0.alias(alias)).await
    }

    async fn move_alias(&self, change: AliasChange) -> Result<(), RegistryError> {
        call("registry move_alias", "alias", self.0.move_alias(change)).await
    }

    async fn champion_state(&self) -> Result<ChampionState, RegistryError> {
        let work = self.0.champion_state();
        call("registry champion_state", Alias::Champion, work).await
    }

    async fn promote(&self, promotion: &Promotion) -> Result<Promoted, RegistryError> {
        let work = self.0.promote(promotion);
        call("registry promote", Alias::Champion, work).await
    }

    async fn record_decision(
        &self,
        version: Version,
        decision: &VersionDecision,
    ) -> Result<(), RegistryError> {
        let work = self.0.record_decision(version, decision);
        call("registry record_decision", version, work).await
    }

    async fn attach(
        &self,
        version: Version,
        path: &str,
        contents: Bytes,
    ) -> Result<(), RegistryError> {
        let work = self.0.attach(version, path, contents);
        call("registry attach", version, work).await
    }

    async fn runs_page(&self) -> Result<Option<String>, RegistryError> {
        self.0.runs_page().await
    }

    async fn describe_lock(&self) -> Result<Option<String>, RegistryError> {
        self.0.describe_lock().await
    }

    async fn break_lock(&self) -> Result<Option<String>, RegistryError> {
        self.0.break_lock().await
    }
}

#[async_trait]
impl Publisher for Traced<dyn Publisher> {
    async fn publish(&self, topic: Topic, message: Message) -> Result<MessageId, BusError> {
        call("bus publish", topic, self.0.publish(topic, message)).await
    }
}
