//! Decisions of operators: their author and their rows in the audit log.

use std::fmt;

use anyhow::Context;
use shared::{
    audit::AuditEntry,
    event::{EventId, Function},
    ports::Ports,
    registry::Operator,
    settings::{ProcessVariables, Variables},
};

/// Returns the person who runs the command, named by the variable `USER`.
pub(crate) fn operator() -> Operator {
    Operator::named(&ProcessVariables.get("USER").unwrap_or_default())
}

/// Returns the event id of an operator's decision about the champion.
pub(crate) fn event_id(subject: impl fmt::Display) -> EventId {
    EventId::of(Function::Promote, subject)
}

/// Records an operator's decision in the audit log.
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
    let row = entry
        .into_row(ports.clock.now(), Function::Promote, event_id.clone(), env)
        .by_operator();
    ports.warehouse.record(&row).await.with_context(|| {
        format!("the decision took effect ({reason}), but its audit row {event_id} is missing; insert it by hand")
    })
}
