//! Each step of a delivery fails once with each fault, and the next delivery repairs it.

use axum::http::StatusCode;
use shared::ledger::Entry;
use tests::failing::Fault;

use super::{Action, DAYS, DAYS_ID, Service, payload, timestamp};

const DONE: StatusCode = StatusCode::NO_CONTENT;
const RETRY: StatusCode = StatusCode::SERVICE_UNAVAILABLE;

/// If this order changes, check that a redelivery still repairs a failure at every step.
#[tokio::test]
async fn delivery_steps_are_artifact_outcome_audit_row_ledger_events() {
    let service = Service::start(&[]).await;
    assert_eq!(service.push(DAYS).await, DONE);
    let ledger = format!("ledger/ingest/{DAYS_ID}.json");
    let expected = [
        &format!("read {ledger}"),
        &format!("write {ledger}"),
        &format!("look for {ledger}"),
        "write raw/2021-07-19..2021-07-20/counts.csv",
        &format!("write {ledger}"),
        "add to logs",
        &format!("write {ledger}"),
        "publish to day-ingested",
        "publish to day-ingested",
    ];
    assert_eq!(service.faults.calls(), expected);
}

#[tokio::test]
async fn dead_letter_steps_are_outcome_audit_row_publish_and_ledger() {
    let service = Service::start(&[]).await;
    assert_eq!(service.push("no event").await, DONE);
    let ledger = "ledger/ingest/message/136969346945.json";
    let expected = [
        &format!("read {ledger}"),
        &format!("write {ledger}"),
        &format!("write {ledger}"),
        "add to logs",
        "publish to ingest-dead-letter",
        &format!("write {ledger}"),
    ];
    assert_eq!(service.faults.calls(), expected);
}

#[tokio::test]
async fn failed_step_is_repaired_by_the_next_delivery() {
    for step in 0..steps_of_a_delivery().await {
        let service = Service::start(&[]).await;
        service.faults.plan(step, Fault::Rejected);
        let status = service.push(DAYS).await;
        let failed = service.faults.calls()[step].clone();
        assert_eq!(status, RETRY, "{failed}");
        assert_eq!(service.push(DAYS).await, DONE, "{failed}");
        assert_repaired(&service, &failed).await;
    }
}

/// A claim whose response is lost blocks the event until its lease expires.
#[tokio::test]
async fn lost_response_is_repaired_once_the_lease_expires() {
    for step in 0..steps_of_a_delivery().await {
        let service = Service::start(&[]).await;
        service.faults.plan(step, Fault::ResponseLost);
        let status = service.push(DAYS).await;
        let failed = service.faults.calls()[step].clone();
        assert_eq!(status, RETRY, "{failed}");
        service.wait_until_the_lease_expires();
        assert_eq!(service.push(DAYS).await, DONE, "{failed}");
        assert_repaired(&service, &failed).await;
    }
}

/// Simulates the end of the process: from this step on every call fails, including the release.
#[tokio::test]
async fn outage_from_any_step_is_repaired_once_the_lease_expires() {
    for step in 0..steps_of_a_delivery().await {
        let service = Service::start(&[]).await;
        service.faults.plan(step, Fault::Outage);
        let status = service.push(DAYS).await;
        let failed = service.faults.calls()[step].clone();
        assert_eq!(status, RETRY, "{failed}");
        assert_eq!(service.push(DAYS).await, RETRY, "{failed}");
        service.faults.lift();
        service.wait_until_the_lease_expires();
        assert_eq!(service.push(DAYS).await, DONE, "{failed}");
        assert_repaired(&service, &failed).await;
    }
}

const FAULTS: [Fault; 3] = [Fault::Rejected, Fault::ResponseLost, Fault::Outage];

/// The handler would fail permanently the second time. The row has the time of the decision.
#[tokio::test]
async fn decided_event_is_not_decided_again() {
    for (step, fault) in steps_from_the_audit_row(&[]).await {
        let service = Service::start(&[Action::Succeed, Action::FailPermanently]).await;
        service.faults.plan(step, fault);
        assert_eq!(service.push(DAYS).await, RETRY);
        let failed = service.faults.calls()[step].clone();
        service.faults.lift();
        service.wait_until_the_lease_expires();
        assert_eq!(service.push(DAYS).await, DONE, "{failed}");
        assert_eq!(service.probe.runs(), 1, "{failed}");
        assert_repaired(&service, &failed).await;
        let [row] = &service.ports.warehouse.audit_log().await.unwrap()[..] else {
            panic!("expected one audit row: {failed}")
        };
        assert_eq!(row.timestamp, timestamp("2021-07-21T04:00:00Z"), "{failed}");
    }
}

/// The handler would succeed the second time.
#[tokio::test]
async fn permanently_failed_event_is_not_decided_again() {
    for (step, fault) in steps_from_the_audit_row(&[Action::FailPermanently]).await {
        let service = Service::start(&[Action::FailPermanently]).await;
        service.faults.plan(step, fault);
        assert_eq!(service.push(DAYS).await, RETRY);
        let failed = service.faults.calls()[step].clone();
        service.faults.lift();
        service.wait_until_the_lease_expires();
        assert_eq!(service.push(DAYS).await, DONE, "{failed}");
        assert_eq!(service.probe.runs(), 1, "{failed}");
        let row = (DAYS_ID.to_owned(), "dead-lettered".to_owned());
        assert_eq!(service.audit_log().await, [row], "{failed}");
        let dead_letters = service.dead_letters().await.len();
        assert!((1..=2).contains(&dead_letters), "{failed}: {dead_letters}");
        let entry = service.ledger(DAYS_ID).await;
        assert!(
            matches!(entry, Some(Entry::DeadLettered { .. })),
            "{failed}: {entry:?}"
        );
    }
}

/// Returns the steps of a delivery from its audit row on, each with each fault.
async fn steps_from_the_audit_row(actions: &[Action]) -> Vec<(usize, Fault)> {
    let service = Service::start(actions).await;
    assert_eq!(service.push(DAYS).await, DONE);
    let calls = service.faults.calls();
    let row = calls.iter().position(|call| call == "add to logs").unwrap();
    (row..calls.len())
        .flat_map(|step| FAULTS.map(|fault| (step, fault)))
        .collect()
}

#[tokio::test]
async fn failed_dead_letter_is_published_by_the_next_delivery() {
    let steps = {
        let service = Service::start(&[]).await;
        service.push("no event").await;
        service.faults.calls().len()
    };
    for (step, fault) in (0..steps)
        .flat_map(|step| [Fault::Rejected, Fault::ResponseLost].map(|fault| (step, fault)))
    {
        let service = Service::start(&[]).await;
        service.faults.plan(step, fault);
        assert_eq!(service.push("no event").await, RETRY);
        service.wait_until_the_lease_expires();
        assert_eq!(service.push("no event").await, DONE);
        let failed = service.faults.calls()[step].clone();
        let dead_letters = service.dead_letters().await;
        // The dead letter is published twice only if the response to its publishing is lost, or if
        // the ledger cannot be written afterwards. A message must rather appear twice than be lost.
        let is_published_twice = match fault {
            Fault::ResponseLost => failed.starts_with("publish"),
            _ => step + 1 == steps,
        };
        let expected = if is_published_twice { 2 } else { 1 };
        assert_eq!(dead_letters.len(), expected, "{failed}");
        assert!(
            dead_letters
                .iter()
                .all(|dead_letter| payload(dead_letter) == "no event"),
            "{dead_letters:?}"
        );
        let row = (
            "message/136969346945".to_owned(),
            "dead-lettered".to_owned(),
        );
        assert_eq!(service.audit_log().await, [row]);
    }
}

/// The third call releases the event after the handler has failed.
#[tokio::test]
async fn unreleased_event_is_retried_once_the_lease_expires() {
    let service = Service::start(&[Action::FailTransiently]).await;
    service.faults.plan(2, Fault::Rejected);
    assert_eq!(service.push(DAYS).await, RETRY);
    assert_eq!(service.push(DAYS).await, RETRY);
    assert_eq!(service.probe.runs(), 1);
    service.wait_until_the_lease_expires();
    assert_eq!(service.push(DAYS).await, DONE);
    service.assert_handled(1).await;
}

async fn steps_of_a_delivery() -> usize {
    let service = Service::start(&[]).await;
    assert_eq!(service.push(DAYS).await, DONE);
    service.faults.calls().len()
}

/// Asserts the effects of an undisturbed delivery, except that events may be published repeatedly.
async fn assert_repaired(service: &Service, failed: &str) {
    let mut published = service.published().await;
    assert!(published.len() <= 4, "{failed}: {published:?}");
    published.sort();
    published.dedup();
    assert_eq!(published, super::resulting_events(), "{failed}");
    service.assert_recorded().await;
}
