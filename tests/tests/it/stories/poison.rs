//! Invalid messages among valid ones.

use std::sync::Arc;

use cli::{
    State,
    commands::stack::{LocalStack, OpenDataServer, StackSettings},
};
use forecasting::counts;
use google_cloud::ExploreClient;
use shared::{
    bus::Message,
    clock::{Clock, SimulatedClock},
    event::{DriftCheckRequested, Function, IngestRequested, Topic},
    store::read_json,
};

use super::{small_sample, strategy};

#[tokio::test(flavor = "multi_thread")]
async fn invalid_messages_become_dead_letters_and_valid_ones_are_handled() {
    let folder = tempfile::tempdir().unwrap();
    let inputs = small_sample(&folder.path().join("data"));
    let state = State::at(&folder.path().join("state")).unwrap();
    let live = counts::read_file(inputs.live.as_ref(), &mut Vec::new()).unwrap();
    let day = live.period().unwrap().0.day();
    let clock: Arc<dyn Clock> = Arc::new(SimulatedClock::new(day.plus(8).at(6)));
    let server = OpenDataServer::start(live, Arc::clone(&clock))
        .await
        .unwrap();
    let open_data = Arc::new(ExploreClient::new(server.base().clone()));
    let stack = LocalStack::start(&state, clock, StackSettings::new(strategy(), open_data))
        .await
        .unwrap();

    let publisher = &stack.ports.publisher;
    let poison: [&[u8]; 4] = [
        b"\xff\xfe",
        br#"{"type":"retrain-requested"}"#,
        br#"{"type":"ingest-requested","from":"2021-02-30"}"#,
        br#"{"type":"ingest-requested","from":"2999-01-01"}"#,
    ];
    for data in poison {
        let message = Message {
            data: data.to_vec().into(),
            ..Message::default()
        };
        publisher
            .publish(Topic::IngestRequested, message)
            .await
            .unwrap();
    }
    stack
        .publish(&IngestRequested {
            from: Some(day),
            ..IngestRequested::default()
        })
        .await
        .unwrap();
    // Without a champion, neither the drift check nor the forecast is possible.
    stack
        .publish(&DriftCheckRequested::default())
        .await
        .unwrap();
    stack.bus.idle().await;

    assert_eq!(
        stack
            .ports
            .warehouse
            .counts(day, day)
            .await
            .unwrap()
            .rows_per_day()
            .len(),
        1
    );
    let reasons = reasons(&state, Function::Ingest).await;
    for expected in [
        "not valid JSON",
        "unknown event `retrain-requested`",
        "invalid fields in the event",
        "not over",
    ] {
        assert!(
            reasons.iter().any(|reason| reason.contains(expected)),
            "{expected}: {reasons:?}"
        );
    }
    assert_eq!(reasons.len(), poison.len());
    for function in [Function::DriftCheck, Function::Predict] {
        let reasons = self::reasons(&state, function).await;
        assert!(reasons[0].contains("bike-traffic train"), "{reasons:?}");
    }
    let audit_log = stack.ports.warehouse.audit_log().await.unwrap();
    let dead_letters = audit_log
        .iter()
        .filter(|row| row.entry.decision == "dead-lettered");
    assert_eq!(dead_letters.count(), poison.len() + 2);
}

/// Returns the reasons of a function's dead letters.
async fn reasons(state: &State, function: Function) -> Vec<String> {
    let store = state.open_bus_store().unwrap();
    let mut reasons = Vec::new();
    for path in store
        .list(&format!("bus/topics/{}/", Topic::DeadLetter(function)))
        .await
        .unwrap()
    {
        let (dead_letter, _) = read_json::<serde_json::Value>(&*store, &path)
            .await
            .unwrap();
        reasons.push(
            dead_letter["attributes"]["dead_letter_reason"]
                .as_str()
                .unwrap()
                .to_owned(),
        );
    }
    reasons
}
