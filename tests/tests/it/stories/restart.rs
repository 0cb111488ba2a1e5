//! A stopped stack resumes its work after a restart.

use std::sync::Arc;

use cli::{
    State,
    commands::{
        run::play,
        stack::{LocalStack, OpenDataServer, StackSettings},
    },
};
use forecasting::{counts, time::Day};
use google_cloud::ExploreClient;
use shared::{
    clock::{Clock, SimulatedClock},
    event::{Function, IngestRequested},
};

use super::{assert_corrected, assert_same, small_sample, snapshot, strategy};

#[tokio::test(flavor = "multi_thread")]
async fn second_run_on_the_same_data_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let inputs = small_sample(&folder.path().join("data"));
    let state = State::at(&folder.path().join("state")).unwrap();
    let first = play(&inputs, &state, strategy(), &mut |_| {})
        .await
        .unwrap();
    let live = counts::read_file(inputs.live.as_ref(), &mut Vec::new()).unwrap();
    assert_corrected(&state, live.period().unwrap().1.day()).await;
    let before = without_summary(snapshot(&state));
    let second = play(&inputs, &state, strategy(), &mut |_| {})
        .await
        .unwrap();
    assert_eq!(second.weeks, first.weeks);
    assert_same(&before, &without_summary(snapshot(&state)));
}

/// Removes files that differ between equal runs.
///
/// The summary reports a first champion only in the first run. Seeding rewrites the tables before
/// the live period with the same counts, which increases their generations.
fn without_summary(
    files: std::collections::BTreeMap<std::path::PathBuf, Vec<u8>>,
) -> std::collections::BTreeMap<std::path::PathBuf, Vec<u8>> {
    let is_compared = |path: &std::path::Path| {
        let text = path.to_string_lossy();
        !text.contains("reports/run/") && !text.contains("/.generations/")
    };
    files
        .into_iter()
        .filter(|(path, _)| is_compared(path))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn undelivered_messages_are_delivered_by_the_next_stack() {
    let folder = tempfile::tempdir().unwrap();
    let inputs = small_sample(&folder.path().join("data"));
    let state = State::at(&folder.path().join("state")).unwrap();
    let live = counts::read_file(inputs.live.as_ref(), &mut Vec::new()).unwrap();
    let (first, last) = live.period().unwrap();
    let (first, last): (Day, Day) = (first.day(), last.day());
    let clock: Arc<dyn Clock> = Arc::new(SimulatedClock::new(last.plus(1).at(6)));

    // Published while no stack runs, as after a crash of the whole stack.
    let ports = state.open(Arc::clone(&clock)).unwrap();
    for day in first.through(last) {
        let request = IngestRequested {
            from: Some(day),
            ..IngestRequested::default()
        };
        ports
            .publisher
            .publish(
                shared::event::Topic::IngestRequested,
                shared::bus::Message::of_event(&request),
            )
            .await
            .unwrap();
    }

    let server = OpenDataServer::start(live.clone(), Arc::clone(&clock))
        .await
        .unwrap();
    let open_data = Arc::new(ExploreClient::new(server.base().clone()));
    // The first stack is stopped after its first audit row, and the second handles the rest.
    let settings = StackSettings::new(strategy(), open_data);
    let stopped = LocalStack::start(&state, Arc::clone(&clock), settings.clone())
        .await
        .unwrap();
    while ports.warehouse.audit_log().await.unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    drop(stopped);
    // The lease of an interrupted delivery must expire first.
    let later: Arc<dyn Clock> = Arc::new(SimulatedClock::new(last.plus(1).at(7)));
    let stack = LocalStack::start(&state, later, settings).await.unwrap();
    stack.bus.idle().await;
    let ingested: Vec<_> = ports.warehouse.audit_log().await.unwrap();
    let ingested = ingested.iter().filter(|row| {
        (row.function, row.entry.decision.as_str()) == (Function::Ingest, "ingested")
    });
    assert_eq!(ingested.count(), 14);
    let table = ports.warehouse.counts(first, last).await.unwrap();
    assert_eq!(table.len(), live.len());
}
