//! Entries of the ledger.

use std::sync::Arc;

use jiff::SignedDuration;
use shared::{
    event::{DriftDetected, EventId, Function, Topic, decode},
    ledger::{Claim, Entry, Ledger, Unfinished, last_completed, unfinished},
    registry::Version,
};

use super::{PreviousState, timestamp};

#[tokio::test]
async fn complete_ledger_entry_returns_its_events() {
    let drift_detected = r#"{"type":"drift-detected","event_id":"drift-check/2021-W30","week":"2021-W30","champion":1,"report":"reports/drift-check/2021-W30.json","major":false}"#;
    let evaluated = r#"{"type":"challenger-evaluated","event_id":"evaluate/2021-W30","week":"2021-W30","champion":1,"challenger":2,"evaluation":"evaluations/2021-W30.json"}"#;
    let trained = r#"{"type":"challenger-trained","event_id":"fine-tune/2021-W30","week":"2021-W30","champion":1,"challenger":2}"#;
    let ingested =
        r#"{"type":"day-ingested","event_id":"ingest/2021-07-19","day":"2021-07-19","rows":480}"#;
    let decided = r#"{"type":"champion-decided","event_id":"promote/2021-W30","champion":1,"challenger":2,"promoted":false,"reason":"on the fixed test set the challenger's MAE 14.41 is not below 13.64, the champion's 14.36 less 5 %"}"#;
    let (monday, week) = ("2021-07-19", "2021-W30");
    let cases = [
        (
            Function::Ingest,
            (Function::Ingest, monday),
            Some((Topic::DayIngested, ingested)),
        ),
        (Function::Predict, (Function::Ingest, monday), None),
        (
            Function::DriftCheck,
            (Function::DriftCheck, week),
            Some((Topic::DriftDetected, drift_detected)),
        ),
        (
            Function::FineTune,
            (Function::DriftCheck, week),
            Some((Topic::ChallengerTrained, trained)),
        ),
        (
            Function::Evaluate,
            (Function::FineTune, week),
            Some((Topic::ChallengerEvaluated, evaluated)),
        ),
        (
            Function::Promote,
            (Function::Evaluate, week),
            Some((Topic::ChampionDecided, decided)),
        ),
    ];
    let state = PreviousState::copy();
    for (function, (producer, subject), expected) in cases {
        let store = Arc::clone(&state.ports.store);
        let ledger = Ledger::new(store, function, SignedDuration::from_secs(60));
        let event_id = EventId::of(producer, subject);
        let claim = ledger
            .claim(&event_id, state.ports.clock.now())
            .await
            .unwrap();
        let Claim::Completed(events) = claim else {
            panic!("{function} {event_id}: {claim:?}")
        };
        let events: Vec<_> = events
            .iter()
            .map(|event| (event.topic, event.data.as_str()))
            .collect();
        assert_eq!(events, Vec::from_iter(expected), "{function}");
    }
    let event: DriftDetected = decode(drift_detected.as_bytes()).unwrap();
    assert_eq!(
        (event.champion, event.report.as_str(), event.major),
        (Version::new(1), "reports/drift-check/2021-W30.json", false)
    );
}

#[tokio::test]
async fn unfinished_ledger_entries_are_listed() {
    let state = PreviousState::copy();
    let event_id = EventId::of(Function::Ingest, "2021-08-23");
    let expected = [
        Unfinished {
            function: Function::Ingest,
            event_id: event_id.clone(),
            entry: Entry::InProgress {
                since: timestamp("2021-08-24T04:00:00Z"),
                first: None,
                expires: timestamp("2021-08-24T04:01:00Z"),
                dead_letter: None,
                outcome: None,
            },
        },
        Unfinished {
            function: Function::Predict,
            event_id,
            entry: Entry::Released {
                at: timestamp("2021-08-24T04:00:05Z"),
                reason: "cannot read the object objects/data/baseline.json: permission denied"
                    .to_owned(),
                first: None,
                dead_letter: None,
                outcome: None,
            },
        },
    ];
    let store = &state.ports.store;
    assert_eq!(unfinished(store).await.unwrap(), expected);
    let ingested = EventId::of(Function::Ingest, "2021-07-19");
    assert_eq!(
        last_completed(&**store, Function::Ingest, &ingested)
            .await
            .unwrap(),
        Some(timestamp("2021-07-20T04:00:00Z"))
    );
}
