//! Showing handled events: after the audit row, and without an effect on the event.

use axum::http::StatusCode;
use shared::ledger::Entry;
use tests::failing::Fault;

use super::{DAYS, DAYS_ID, Service, probe::Show};

#[tokio::test]
async fn event_is_shown_once_after_its_audit_row_and_with_its_lease() {
    let rehearsal = Service::start(&[]).await;
    assert_eq!(rehearsal.push(DAYS).await, StatusCode::NO_CONTENT);
    let calls = rehearsal.faults.calls();
    let audit_row = calls.iter().position(|call| call == "add to logs").unwrap();

    let service = Service::start(&[]).await;
    service.probe.set_show(Show::Check);
    service.faults.plan(audit_row, Fault::Rejected);
    assert_eq!(service.push(DAYS).await, StatusCode::SERVICE_UNAVAILABLE);
    assert!(service.probe.shown().is_empty());
    for _ in 0..2 {
        assert_eq!(service.push(DAYS).await, StatusCode::NO_CONTENT);
        assert_eq!(service.probe.shown(), [("ingested".to_owned(), true)]);
    }
}

#[tokio::test]
async fn panic_while_showing_does_not_fail_the_event() {
    let service = Service::start(&[]).await;
    service.probe.set_show(Show::Panic);
    assert_eq!(service.push(DAYS).await, StatusCode::NO_CONTENT);
    assert_eq!(service.probe.shown().len(), 1);
    let entry = service.ledger(DAYS_ID).await;
    assert!(matches!(entry, Some(Entry::Complete { .. })), "{entry:?}");
}
