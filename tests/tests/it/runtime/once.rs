//! Twice is once, also at the same time, also when somebody hangs up in between.

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

use super::{DAYS, DAYS_ID, Service, Turn, wrapped};

const DONE: StatusCode = StatusCode::NO_CONTENT;
const TRY_LATER: StatusCode = StatusCode::SERVICE_UNAVAILABLE;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_event_delivered_many_times_at_once_is_handled_once() {
    let service = Arc::new(Service::start(&[]).await);
    let mut deliveries = JoinSet::new();
    for _ in 0..8 {
        let service = Arc::clone(&service);
        deliveries.spawn(async move { service.push(DAYS).await });
    }
    let answers = deliveries.join_all().await;
    let done = answers.iter().filter(|status| **status == DONE).count();
    assert!(
        answers
            .iter()
            .all(|status| [DONE, TRY_LATER].contains(status))
            && done >= 1,
        "{answers:?}"
    );
    assert_eq!(service.probe.runs(), 1);
    service.assert_handled(done).await;
}

/// Both find that the event may be worked on before either says so: for the first time, and after a failure.
#[tokio::test]
async fn of_two_deliveries_that_begin_in_the_same_instant_one_handles_the_event() {
    for (turns, failed) in [(&[][..], 0), (&[Turn::FailForTheMoment][..], 1)] {
        let service = Service::start(turns).await;
        for _ in 0..failed {
            assert_eq!(service.push(DAYS).await, TRY_LATER);
        }
        let read = format!("read ledger/ingest/{DAYS_ID}.json");
        service.faults.meet(&[&read, &read]);
        let (one, other) = tokio::join!(service.push(DAYS), service.push(DAYS));
        assert!(
            [(DONE, TRY_LATER), (TRY_LATER, DONE)].contains(&(one, other)),
            "{one} and {other}"
        );
        assert_eq!(service.probe.runs(), failed + 1);
        service.assert_handled(1).await;
    }
}

#[tokio::test]
async fn of_two_deliveries_at_once_the_refused_one_is_done_when_it_comes_again() {
    let service = Service::start(&[Turn::WaitAndSucceed]).await;
    let publisher = LogPublisher::new(
        Arc::clone(&service.ports.store),
        Arc::clone(&service.ports.clock),
    );
    let subscription = Subscription {
        function: Function::Ingest,
        endpoint: service.url("/"),
    };
    let patient = DeliveryPolicy {
        maximum_attempts: u32::MAX,
        ..DeliveryPolicy::default()
    };
    let publisher = Arc::new(publisher);
    let bus = EmbeddedBus::start(Arc::clone(&publisher), vec![subscription], patient)
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
    service.probe.has_begun(1).await;
    service.probe.open_gate();
    bus.idle().await;
    assert_eq!((service.probe.runs(), bus.dead_letters()), (1, 0));
    service.assert_handled(2).await;
}

/// The lease is short, so that it is renewed within milliseconds; the clock moves only when it is set.
#[tokio::test]
async fn a_handler_that_works_for_long_keeps_its_lease() {
    let service =
        Service::with_lease(&[Turn::WaitAndSucceed], SignedDuration::from_millis(30)).await;
    let (answer, ()) = tokio::join!(service.push(DAYS), async {
        service.probe.has_begun(1).await;
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
        assert_eq!(service.push(DAYS).await, TRY_LATER);
        service.probe.open_gate();
    });
    assert_eq!((answer, service.probe.runs()), (DONE, 1));
    service.assert_handled(1).await;
}

#[tokio::test]
async fn an_audit_row_that_takes_long_does_not_cost_the_lease() {
    let service = Service::with_lease(&[], SignedDuration::from_millis(30)).await;
    // The row is not answered before somebody looks for the gate.
    service.faults.meet(&["add to logs", "look for gate"]);
    let store = service.faults.wrap_store(&service.ports.store);
    let (answer, ()) = tokio::join!(service.push(DAYS), async {
        let is_begun = async || {
            service
                .faults
                .calls()
                .iter()
                .any(|call| call == "add to logs")
                .then_some(())
        };
        eventually("the audit row", is_begun).await;
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
        assert_eq!(service.push(DAYS).await, TRY_LATER);
        store.generation(&"gate".parse().unwrap()).await.unwrap();
    });
    assert_eq!((answer, service.probe.runs()), (DONE, 1));
    service.assert_handled(1).await;
}

#[tokio::test]
async fn a_delivery_that_outlives_its_lease_loses_to_the_one_that_took_over() {
    let service = Service::start(&[Turn::WaitAndSucceed, Turn::Succeed]).await;
    let (late, second) = tokio::join!(service.push(DAYS), async {
        service.probe.has_begun(1).await;
        service.wait_until_the_lease_expires();
        let second = service.push(DAYS).await;
        service.probe.open_gate();
        second
    });
    assert_eq!((late, second), (TRY_LATER, DONE));
    assert_eq!(service.probe.runs(), 2);
    service.assert_handled(1).await;
}

#[tokio::test]
async fn a_client_that_hangs_up_does_not_stop_a_delivery() {
    let service = Service::start(&[Turn::WaitAndSucceed]).await;
    let body = wrapped(DAYS).to_string();
    let request = format!(
        "POST / HTTP/1.1\r\nhost: ingest\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut client = TcpStream::connect(service.address).unwrap();
    client.write_all(request.as_bytes()).unwrap();
    service.probe.has_begun(1).await;
    drop(client);
    // The server has time to see it: it answers somebody else in between.
    assert_eq!(service.get("/livez").await.0, StatusCode::OK);
    service.probe.open_gate();
    let done = async || {
        let is_complete = matches!(service.ledger(DAYS_ID).await, Some(Entry::Complete { .. }));
        (is_complete && service.published().await.len() == 2).then_some(())
    };
    eventually("the delivery to be done", done).await;
    service.assert_handled(1).await;
}

#[tokio::test]
async fn a_client_that_hangs_up_in_the_middle_of_the_body_leaves_nothing() {
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
