//! Every step of a delivery fails once, in every way, and the next delivery repairs it.

use axum::http::StatusCode;
use tests::failing::Fault;

use super::{DAYS, DAYS_ID, Service, Turn, payload};

const DONE: StatusCode = StatusCode::NO_CONTENT;
const TRY_LATER: StatusCode = StatusCode::SERVICE_UNAVAILABLE;

/// If this changes, look whether the order of the steps is still the one that repairs itself.
#[tokio::test]
async fn the_steps_of_a_delivery_are_artifact_audit_row_ledger_events() {
    let service = Service::start(&[]).await;
    assert_eq!(service.push(DAYS).await, DONE);
    let ledger = format!("ledger/ingest/{DAYS_ID}.json");
    let expected = [
        &format!("read {ledger}"),
        &format!("write {ledger}"),
        "write raw/2021-07-19..2021-07-20/counts.csv",
        "add to logs",
        &format!("write {ledger}"),
        "publish to day-ingested",
        "publish to day-ingested",
    ];
    assert_eq!(service.faults.calls(), expected);
}

#[tokio::test]
async fn the_steps_of_a_hopeless_message_are_audit_row_dead_letter() {
    let service = Service::start(&[]).await;
    assert_eq!(service.push("no event").await, DONE);
    assert_eq!(
        service.faults.calls(),
        ["add to logs", "publish to ingest-dead-letter"]
    );
}

#[tokio::test]
async fn a_step_that_is_refused_is_repaired_by_the_next_delivery() {
    for step in 0..steps_of_a_delivery().await {
        let service = Service::start(&[]).await;
        service.faults.plan(step, Fault::Refused);
        let answer = service.push(DAYS).await;
        let failed = service.faults.calls()[step].clone();
        assert_eq!(answer, TRY_LATER, "{failed}");
        assert_eq!(service.push(DAYS).await, DONE, "{failed}");
        assert_repaired(&service, &failed).await;
    }
}

/// What was entered into the ledger without an answer holds until its lease expires.
#[tokio::test]
async fn a_step_whose_answer_is_lost_is_repaired_at_the_latest_when_the_lease_expires() {
    for step in 0..steps_of_a_delivery().await {
        let service = Service::start(&[]).await;
        service.faults.plan(step, Fault::AnswerLost);
        let answer = service.push(DAYS).await;
        let failed = service.faults.calls()[step].clone();
        assert_eq!(answer, TRY_LATER, "{failed}");
        service.wait_until_the_lease_expires();
        assert_eq!(service.push(DAYS).await, DONE, "{failed}");
        assert_repaired(&service, &failed).await;
    }
}

/// As when a process ends in the middle: from this step on nothing gets through, not even giving the event back.
#[tokio::test]
async fn an_outage_from_any_step_on_is_repaired_when_the_lease_expires() {
    for step in 0..steps_of_a_delivery().await {
        let service = Service::start(&[]).await;
        service.faults.plan(step, Fault::Outage);
        let answer = service.push(DAYS).await;
        let failed = service.faults.calls()[step].clone();
        assert_eq!(answer, TRY_LATER, "{failed}");
        assert_eq!(service.push(DAYS).await, TRY_LATER, "{failed}");
        service.faults.lift();
        service.wait_until_the_lease_expires();
        assert_eq!(service.push(DAYS).await, DONE, "{failed}");
        assert_repaired(&service, &failed).await;
    }
}

#[tokio::test]
async fn a_dead_letter_that_cannot_be_kept_is_kept_by_the_next_delivery() {
    let steps = {
        let service = Service::start(&[]).await;
        service.push("no event").await;
        service.faults.calls().len()
    };
    for (step, fault) in
        (0..steps).flat_map(|step| [Fault::Refused, Fault::AnswerLost].map(|fault| (step, fault)))
    {
        let service = Service::start(&[]).await;
        service.faults.plan(step, fault);
        assert_eq!(service.push("no event").await, TRY_LATER);
        assert_eq!(service.push("no event").await, DONE);
        let failed = service.faults.calls()[step].clone();
        let dead_letters = service.dead_letters().await;
        // Only a letter whose own answer is lost comes twice: a row that cannot be written leaves none behind.
        let expected = if failed.starts_with("publish") && fault == Fault::AnswerLost {
            2
        } else {
            1
        };
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

/// The handler's own trouble does not hide that the event could not be given back.
#[tokio::test]
async fn an_event_that_cannot_be_given_back_is_tried_again_when_the_lease_expires() {
    let service = Service::start(&[Turn::FailForTheMoment]).await;
    service.faults.plan(2, Fault::Refused);
    assert_eq!(service.push(DAYS).await, TRY_LATER);
    assert_eq!(service.push(DAYS).await, TRY_LATER);
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

/// Asserts that all is as after an undisturbed delivery, but that events may have been published more often.
async fn assert_repaired(service: &Service, failed: &str) {
    let mut published = service.published().await;
    assert!(published.len() <= 4, "{failed}: {published:?}");
    published.sort();
    published.dedup();
    assert_eq!(published, super::led_to(), "{failed}");
    service.assert_kept().await;
}
