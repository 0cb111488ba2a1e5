//! Idempotent delivery: repeated, concurrent and interrupted deliveries handle an event once.

use std::{io::Write, net::TcpStream, sync::Arc};

use axum::http::StatusCode;
use cli::support::embedded_bus::{DeliveryPolicy, EmbeddedBus, Subscription};
use jiff::SignedDuration;
use shared::{
    bus::{LogPublisher, Message, Publisher},
    clock::Clock,
    event::{Function, Topic},
    ledger::Entry,
};
use tests::eventually::eventually;
use tokio::task::JoinSet;

use super::{Action, DAYS, DAYS_ID, Service, wrapped};

const DONE: StatusCode = StatusCode::NO_CONTENT;
const RETRY: StatusCode = StatusCode::SERVICE_UNAVAILABLE;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_deliveries_handle_the_event_once() {
    let service = Arc::new(Service::start(&[]).await);
    let mut deliveries = JoinSet::new();
    for _ in 0..8 {
        let service = Arc::clone(&service);
        deliveries.spawn(async move { service.push(DAYS).await });
    }
    let statuses = deliveries.join_all().await;
    let done = statuses.iter().filter(|status| **status == DONE).count();
    assert!(
        statuses.iter().all(|status| [DONE, RETRY].contains(status)) && done >= 1,
        "{statuses:?}"
    );
    assert_eq!(service.probe.runs(), 1);
    service.assert_handled(done).await;
}

/// Both deliveries read the ledger before either writes to it. The first case has no entry, the
/// second a released entry.
#[tokio::test]
async fn one_of_two_simultaneous_claims_handles_the_event() {
    for (actions, failed) in [(&[][..], 0), (&[Action::FailTransiently][..], 1)] {
        let service = Service::start(actions).await;
        for _ in 0..failed {
            assert_eq!(service.push(DAYS).await, RETRY);
        }
        let read = format!("read ledger/ingest/{DAYS_ID}.json");
        service.faults.meet(&[&read, &read]);
        let (one, other) = tokio::join!(service.push(DAYS), service.push(DAYS));
        assert!(
            [(DONE, RETRY), (RETRY, DONE)].contains(&(one, other)),
            "{one} and {other}"
        );
        assert_eq!(service.probe.runs(), failed + 1);
        service.assert_handled(1).await;
    }
}

#[tokio::test]
async fn rejected_concurrent_delivery_succeeds_on_redelivery() {
    let service = Service::start(&[Action::WaitAndSucceed]).await;
    let publisher = LogPublisher::new(
        Arc::clone(&service.ports.store),
        Arc::clone(&service.ports.clock),
    );
    let subscription = Subscription {
        function: Function::Ingest,
        endpoint: service.url("/"),
    };
    let unlimited_attempts = DeliveryPolicy {
        maximum_attempts: u32::MAX,
        ..DeliveryPolicy::default()
    };
    let publisher = Arc::new(publisher);
    let bus = EmbeddedBus::start(
        Arc::clone(&publisher),
        vec![subscription],
        unlimited_attempts,
    )
    .await
    .unwrap();
    for _ in 0..2 {
        let message = Message {
            data: DAYS.into(),
            ..Message::default()
        };
        publisher
            .publish(Topic::IngestRequested, message)
            .await
            .unwrap();
    }
    service.probe.wait_for_runs(1).await;
    service.probe.open_gate();
    bus.idle().await;
    assert_eq!((service.probe.runs(), bus.dead_letters()), (1, 0));
    service.assert_handled(2).await;
}

/// A short lease is renewed within milliseconds. The simulated clock moves only when the test sets
/// it.
#[tokio::test]
async fn lease_is_renewed_while_the_handler_runs() {
    let service =
        Service::with_lease(&[Action::WaitAndSucceed], SignedDuration::from_millis(30)).await;
    let (status, ()) = tokio::join!(service.push(DAYS), async {
        service.probe.wait_for_runs(1).await;
        service
            .clock
            .set(service.clock.now() + SignedDuration::from_mins(5));
        eventually("a renewed lease", async || {
            match service.ledger(DAYS_ID).await {
                Some(Entry::InProgress { expires, .. }) if expires > service.clock.now() => {
                    Some(())
                }
                _ => None,
            }
        })
        .await;
        assert_eq!(service.push(DAYS).await, RETRY);
        service.probe.open_gate();
    });
    assert_eq!((status, service.probe.runs()), (DONE, 1));
    service.assert_handled(1).await;
}

#[tokio::test]
async fn lease_is_renewed_while_the_audit_row_is_written() {
    let service = Service::with_lease(&[], SignedDuration::from_millis(30)).await;
    // Recording the row returns only after the test looks for the object `gate`.
    service.faults.meet(&["add to logs", "look for gate"]);
    let store = service.faults.wrap_store(&service.ports.store);
    let (status, ()) = tokio::join!(service.push(DAYS), async {
        let is_recording = async || {
            service
                .faults
                .calls()
                .iter()
                .any(|call| call == "add to logs")
                .then_some(())
        };
        eventually("the audit row", is_recording).await;
        service
            .clock
            .set(service.clock.now() + SignedDuration::from_mins(5));
        eventually("a renewed lease", async || {
            match service.ledger(DAYS_ID).await {
                Some(Entry::InProgress { expires, .. }) if expires > service.clock.now() => {
                    Some(())
                }
                _ => None,
            }
        })
        .await;
        assert_eq!(service.push(DAYS).await, RETRY);
        store.generation(&"gate".parse().unwrap()).await.unwrap();
    });
    assert_eq!((status, service.probe.runs()), (DONE, 1));
    service.assert_handled(1).await;
}

#[tokio::test]
async fn delivery_with_expired_lease_loses_to_the_new_claim() {
    let service = Service::start(&[Action::WaitAndSucceed, Action::Succeed]).await;
    let (late, second) = tokio::join!(service.push(DAYS), async {
        service.probe.wait_for_runs(1).await;
        service.wait_until_the_lease_expires();
        let second = service.push(DAYS).await;
        service.probe.open_gate();
        second
    });
    assert_eq!((late, second), (RETRY, DONE));
    assert_eq!(service.probe.runs(), 2);
    service.assert_handled(1).await;
    // The first process has written nothing since its lease expired.
    let writes = |name: &str| {
        let calls = service.faults.calls();
        calls.iter().filter(|call| call.starts_with(name)).count()
    };
    assert_eq!((writes("write raw/"), writes("add to logs")), (1, 1));
}

/// The lease is lost after the last write of the handler, before the audit row.
#[tokio::test]
async fn delivery_that_lost_its_lease_after_its_work_writes_no_audit_row() {
    let service = Service::start(&[]).await;
    let raw = "write raw/2021-07-19..2021-07-20/counts.csv";
    // The first write returns only after the test looks for the object `gate`.
    service.faults.meet(&[raw, "look for gate"]);
    let store = service.faults.wrap_store(&service.ports.store);
    let (late, second) = tokio::join!(service.push(DAYS), async {
        let is_writing = async || {
            let calls = service.faults.calls();
            calls.iter().any(|call| call == raw).then_some(())
        };
        eventually("the write of the handler", is_writing).await;
        service.wait_until_the_lease_expires();
        let second = service.push(DAYS).await;
        store.generation(&"gate".parse().unwrap()).await.unwrap();
        second
    });
    assert_eq!((late, second), (RETRY, DONE));
    let calls = service.faults.calls();
    let rows = calls.iter().filter(|call| *call == "add to logs").count();
    assert_eq!(rows, 1, "{calls:?}");
    service.assert_handled(1).await;
}

/// The check finds the lease, but returns when the lease is about to expire.
#[tokio::test]
async fn delivery_whose_lease_was_checked_too_slowly_writes_nothing() {
    let service = Service::start(&[]).await;
    let check = format!("look for ledger/ingest/{DAYS_ID}.json");
    // The first check returns only after the test looks for the object `gate`.
    service.faults.meet(&[&check, "look for gate"]);
    let store = service.faults.wrap_store(&service.ports.store);
    let (late, ()) = tokio::join!(service.push(DAYS), async {
        let is_checking = async || {
            let calls = service.faults.calls();
            calls.contains(&check).then_some(())
        };
        eventually("the check of the lease", is_checking).await;
        service
            .clock
            .set(service.clock.now() + SignedDuration::from_secs(50));
        store.generation(&"gate".parse().unwrap()).await.unwrap();
    });
    assert_eq!(late, RETRY);
    let calls = service.faults.calls();
    assert!(
        !calls.iter().any(|call| call.starts_with("write raw/")),
        "{calls:?}"
    );
    assert_eq!(service.push(DAYS).await, DONE);
    service.assert_handled(1).await;
}

#[tokio::test]
async fn client_disconnect_does_not_stop_a_delivery() {
    let service = Service::start(&[Action::WaitAndSucceed]).await;
    let body = wrapped(DAYS).to_string();
    let request = format!(
        "POST / HTTP/1.1\r\nhost: ingest\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut client = TcpStream::connect(service.address).unwrap();
    client.write_all(request.as_bytes()).unwrap();
    service.probe.wait_for_runs(1).await;
    drop(client);
    // Another request gives the server time to notice the disconnect.
    assert_eq!(service.get("/livez").await.0, StatusCode::OK);
    service.probe.open_gate();
    let done = async || {
        let is_complete = matches!(service.ledger(DAYS_ID).await, Some(Entry::Complete { .. }));
        (is_complete && service.published().await.len() == 2).then_some(())
    };
    eventually("the delivery to complete", done).await;
    service.assert_handled(1).await;
}

#[tokio::test]
async fn client_disconnect_within_the_body_has_no_effect() {
    let service = Service::start(&[]).await;
    let body = wrapped(DAYS).to_string();
    let request = format!(
        "POST / HTTP/1.1\r\nhost: ingest\r\ncontent-length: {}\r\n\r\n{body}",
        body.len() + 1
    );
    let mut client = TcpStream::connect(service.address).unwrap();
    client.write_all(request.as_bytes()).unwrap();
    drop(client);
    assert_eq!(service.push(DAYS).await, DONE);
    service.assert_handled(1).await;
    assert_eq!(service.probe.runs(), 1);
}
