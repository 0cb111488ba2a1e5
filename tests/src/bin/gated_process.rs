//! A test function whose delivery lasts until the object `gate/open` exists. It ingests nothing.

use std::{process::ExitCode, sync::Arc, time::Duration};

use runtime::{Context, Error, Handler, Outcome};
use shared::{
    address::ObjectPath,
    audit::AuditEntry,
    event::{Function, IngestRequested, Topic},
    ports::Ports,
    settings::{SettingsError, Variables},
    store::Store,
};

#[tokio::main]
async fn main() -> ExitCode {
    runtime::run(build).await
}

struct GatedIngest {
    store: Arc<dyn Store>,
    gate: ObjectPath,
}

fn build(_variables: &dyn Variables, ports: &Ports) -> Result<GatedIngest, SettingsError> {
    let gate = "gate/open"
        .parse()
        .unwrap_or_else(|_| unreachable!("`gate/open` is a valid object path"));
    Ok(GatedIngest {
        store: Arc::clone(&ports.store),
        gate,
    })
}

impl Handler for GatedIngest {
    const FUNCTION: Function = Function::Ingest;
    const PUBLISHES: &'static [Topic] = &[];
    type Event = IngestRequested;

    async fn handle(&self, _event: IngestRequested, _context: &Context) -> Result<Outcome, Error> {
        while self.store.generation(&self.gate).await?.is_none() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(Outcome::new(AuditEntry::new(
            "waited",
            "the gate object exists",
        )))
    }
}
