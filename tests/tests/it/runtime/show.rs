//! Showing events: handled ones after their audit row, dead letters after their ledger entry, and
//! without an effect on the event.

use axum::http::StatusCode;
use shared::ledger::Entry;
use tests::failing::Fault;

use super::{Action, DAYS, DAYS_ID, Service, probe::Show};

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

/// The page of a state with a dead letter shows its ledger entry, so it is made after the entry.
#[tokio::test]
async fn dead_letter_is_shown_once_after_its_ledger_entry() {
    for payload in [DAYS, "no event"] {
        let fail = [Action::FailPermanently; 2];
        let rehearsal = Service::start(&fail).await;
        assert_eq!(rehearsal.push(payload).await, StatusCode::NO_CONTENT);
        let calls = rehearsal.faults.calls();
        let is_entry = |call: &String| call.starts_with("write ledger/");
        let last_entry = calls.iter().rposition(is_entry).unwrap();

        let service = Service::start(&fail).await;
        service.probe.set_show(Show::Check);
        service.faults.plan(last_entry, Fault::Rejected);
        let failed = service.push(payload).await;
        assert_eq!(failed, StatusCode::SERVICE_UNAVAILABLE, "{payload}");
        assert!(service.probe.shown().is_empty(), "{payload}");
        for _ in 0..2 {
            assert_eq!(service.push(payload).await, StatusCode::NO_CONTENT);
            let shown = service.probe.shown();
            assert_eq!(shown, [("dead-lettered".to_owned(), true)], "{payload}");
        }
    }
}
