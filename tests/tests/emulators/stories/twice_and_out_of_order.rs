//! Repeated messages in arbitrary order.

use shared::event::{DriftCheckRequested, Function, IngestRequested};

use crate::test_system::{Options, TestSystem};

#[tokio::test(flavor = "multi_thread")]
async fn repeated_and_unordered_messages_are_handled_once() {
    let functions = vec![Function::Ingest, Function::Predict, Function::DriftCheck];
    let system = TestSystem::with(Options {
        functions,
        ..Options::default()
    })
    .await;
    let last = system.last_day;
    let days: Vec<_> = last.plus(-2).through(last).collect();
    for day in days.iter().rev().chain(&days) {
        system
            .publish(&IngestRequested {
                from: Some(*day),
                ..IngestRequested::default()
            })
            .await;
    }
    for _ in 0..3 {
        system
            .publish(&DriftCheckRequested {
                week: Some(last.plus(-7).week()),
                ..DriftCheckRequested::default()
            })
            .await;
    }
    system
        .wait_for_log(Function::Ingest, "event handled", 3)
        .await;
    system
        .wait_for_log(Function::Predict, "event handled", 3)
        .await;
    system
        .wait_for_log(Function::DriftCheck, "event handled", 1)
        .await;
    // A repetition that arrives while its event is in progress is refused. The emulator does not
    // always deliver a refused message again, so the story waits for the first delivery of each.
    let repetition = [
        "event already handled",
        "event is being handled by another delivery",
    ];
    system.wait_for_logs(Function::Ingest, &repetition, 3).await;
    system
        .wait_for_logs(Function::DriftCheck, &repetition, 2)
        .await;

    let warehouse = &system.ports.warehouse;
    for day in days {
        assert_eq!(
            warehouse.counts(day, day).await.unwrap().len(),
            system.known.days(day, day).len(),
            "{day}"
        );
        let forecasts = warehouse.forecasts(day.plus(1), day.plus(1)).await.unwrap();
        assert_eq!(forecasts.len(), system.known.counters().len() * 24, "{day}");
    }
    let mut decisions = system.decisions().await;
    decisions.sort();
    let mut expected = vec![(Function::Ingest, "ingested".to_owned()); 3];
    expected.extend(vec![(Function::Predict, "forecast".to_owned()); 3]);
    expected.push((Function::DriftCheck, "drift".to_owned()));
    assert_eq!(decisions, expected);
}
