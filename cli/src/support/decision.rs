//! Decisions of operators: their author and their rows in the audit log.

use std::{fmt, future::ready, time::Duration};

use ::report::publish::{Page, PageAddress, PageError, publish};
use anyhow::Context;
use serde_json::{Value, json};
use shared::{
    audit::AuditEntry,
    event::{EventId, Function},
    ports::Ports,
    program::Program,
    registry::{Operator, VersionDecision},
    retryability::{Classify, Retryability},
    settings::{ProcessVariables, Variables},
    warehouse::WarehouseError,
};

use crate::support::exit;

/// The delays between the attempts to record a decision. They follow the retries of the warehouse
/// itself.
const DELAYS: [Duration; 2] = [Duration::from_millis(200), Duration::from_secs(1)];

/// Returns the person who runs the command, named by the variable `USER`.
pub(crate) fn operator() -> Operator {
    Operator::named(&ProcessVariables.get("USER").unwrap_or_default())
}

/// Returns the event id of an operator's decision about the champion.
pub(crate) fn event_id(subject: impl fmt::Display) -> EventId {
    EventId::of(Function::Promote, subject)
}

/// Records an operator's decision in the audit log, with retries of transient errors. Also shows it
/// beside the version that it is about, and on the on-call page.
///
/// # Errors
/// Returns an error if the row cannot be written; the decision has taken effect nevertheless.
pub(crate) async fn record(
    ports: &Ports,
    event_id: &EventId,
    entry: AuditEntry,
    env: &str,
) -> anyhow::Result<()> {
    let reason = entry.reason.clone();
    let recorded = try_record(ports, event_id, entry, env).await;
    recorded.with_context(|| {
        format!("the decision took effect ({reason}), but its audit row {event_id} is missing; insert it by hand")
    })
}

/// Records an operator's decision as [`record`] does.
///
/// # Errors
/// Returns an error if the row cannot be written. The caller says what to do then.
pub(crate) async fn try_record(
    ports: &Ports,
    event_id: &EventId,
    entry: AuditEntry,
    env: &str,
) -> Result<(), WarehouseError> {
    let now = ports.clock.now();
    let page = PageAddress::of(&*ports.store, Page::Index);
    let row = with_page(entry, &page)
        .made_by(&Program::current(), now)
        .into_row(now, Function::Promote, event_id.clone(), env)
        .by_operator();
    let mut delays = DELAYS.into_iter();
    loop {
        let recorded = ports.warehouse.record(&row).await;
        let is_transient = |error: &WarehouseError| error.retryability() == Retryability::Transient;
        match delays.next() {
            Some(delay) if recorded.as_ref().is_err_and(is_transient) => {
                tokio::time::sleep(delay).await;
            }
            _ => {
                recorded?;
                show(ports, &row.entry, page).await;
                write_page(ports).await;
                return Ok(());
            }
        }
    }
}

/// Adds the address of the on-call page to the details of a decision, which are a JSON object.
fn with_page(mut entry: AuditEntry, page: &PageAddress) -> AuditEntry {
    if let Value::Object(detail) = &mut entry.detail {
        detail.insert("page".to_owned(), json!(page));
    }
    entry
}

/// Shows a decision beside the version that it is about, in the registry. The audit log has the
/// decision, so a failure is only logged.
async fn show(ports: &Ports, entry: &AuditEntry, page: PageAddress) {
    let Some(version) = entry.challenger_version else {
        return;
    };
    let decision = VersionDecision {
        decision: entry.decision.clone(),
        reason: entry.reason.clone(),
        fresh_mae: None,
        page: Some(page.url),
    };
    if let Err(error) = ports.registry.record_decision(version, &decision).await {
        let error = exit::text_of(&error.into());
        tracing::warn!(%version, error, "cannot show the decision in the registry");
    }
}

/// Writes the on-call page, which has the decision. The audit log has it as well, so a failure is
/// only logged.
async fn write_page(ports: &Ports) {
    let always = || ready(Ok::<(), PageError>(()));
    for failure in publish(ports, None, always).await {
        let error = exit::text_of(&failure.into());
        tracing::warn!(error, "cannot write page");
    }
}
