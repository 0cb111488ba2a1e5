//! Messages come twice and in any order.

use shared::event::{DriftCheckRequested, Function, IngestRequested};

use crate::test_system::{Options, TestSystem};

#[tokio::test(flavor = "multi_thread")]
async fn messages_twice_and_out_of_order_lead_to_the_same_tables_and_rows() {
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
            })
            .await;
    }
    system.says(Function::Ingest, "event handled", 3).await;
    system.says(Function::Predict, "event handled", 3).await;
    system.says(Function::DriftCheck, "event handled", 1).await;
    // A second delivery may have met the first at work, and then came a third time.
    system
        .says(Function::Ingest, "the event was handled before", 3)
        .await;
    system
        .says(Function::DriftCheck, "the event was handled before", 2)
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
