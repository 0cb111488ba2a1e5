//! The commands for operators, run as processes on the emulators.

use std::sync::Arc;

use jiff::SignedDuration;
use serde_json::{Value, json};
use shared::{
    bus::{Message, dead_letter::REASON_ATTRIBUTE},
    event::{EventId, Function, IngestRequested, Topic},
    ledger::{Claim, Ledger},
    registry::{Alias, Operator, Promotion, Run, Version, promote},
};
use tests::{endpoint::Endpoint, eventually::eventually};

use crate::test_system::{Options, TestSystem};

#[tokio::test(flavor = "multi_thread")]
async fn operator_commands_set_up_replay_roll_back_and_show_the_status() {
    let system = TestSystem::with(Options {
        functions: Vec::new(),
        ..Options::default()
    })
    .await;
    let ingest = Endpoint::acknowledging().await;
    let set_up = run(
        &system,
        &["set-up", "--push", &format!("ingest={}", ingest.url())],
    );
    assert_eq!(set_up["pushed_to"], json!({ "ingest": ingest.url() }));

    let from = (system.ports.clock.now() - SignedDuration::from_secs(1)).to_string();
    system
        .publish(&IngestRequested {
            from: Some(system.last_day),
            ..IngestRequested::default()
        })
        .await;
    eventually("the push", async || ingest.received().pop()).await;
    let replay = ["replay", "--cloud", "--function", "ingest", "--from", &from];
    let listed = run(&system, &[&replay[..], &["--dry-run"]].concat());
    let [message] = &listed["would_deliver"].as_array().unwrap()[..] else {
        panic!("expected one message: {listed}")
    };
    assert!(
        message["text"]
            .as_str()
            .unwrap()
            .contains(&system.last_day.to_string()),
        "{message}"
    );
    assert_eq!(ingest.received().len(), 1, "a dry run delivers nothing");
    let sought = run(&system, &replay);
    assert_eq!(
        (&sought["done"], &sought["functions"]),
        (&json!("set-back"), &json!(["ingest"]))
    );
    eventually("the second push", async || {
        (ingest.received().len() > 1).then_some(())
    })
    .await;

    promote_second_version(&system).await;
    let rollback = run(
        &system,
        &[
            "rollback",
            "--cloud",
            "--reason",
            "nights are forecast too high",
        ],
    );
    assert_eq!((&rollback["from"], &rollback["to"]), (&json!(2), &json!(1)));
    let [champion, previous] =
        [Alias::Champion, Alias::Previous].map(|alias| system.ports.registry.alias(alias));
    let [first, second] = [1, 2].map(Version::new);
    assert_eq!(
        [champion.await.unwrap(), previous.await.unwrap()],
        [Some(first), Some(second)]
    );
    let [_trained, row] = &system.ports.warehouse.audit_log().await.unwrap()[..] else {
        panic!("expected two audit rows")
    };
    assert_eq!(
        (row.entry.decision.as_str(), row.env.as_str()),
        ("rolled-back", "test")
    );

    let event_id = leave_unhandled_messages(&system).await;
    let status = run(&system, &["status", "--cloud"]);
    let versions: Vec<_> = status["versions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|known| json!([known["version"], known["aliases"]]))
        .collect();
    assert_eq!(
        versions,
        [json!([2, ["previous"]]), json!([1, ["champion"]])]
    );
    let status_of = |function: Function| {
        let mut functions = status["functions"].as_array().unwrap().iter();
        functions
            .find(|status| status["function"] == function.name())
            .unwrap()
    };
    assert_eq!(
        status_of(Function::Promote)["last"]["event_id"],
        rollback["event_id"]
    );
    let dead_letters =
        Function::ALL.map(|function| status_of(function)["dead_letters"].as_u64().unwrap());
    assert_eq!(
        dead_letters,
        [0, 0, 0, 0, 1, 0],
        "expected one dead letter of evaluate"
    );
    let [unfinished] = &status["unfinished"].as_array().unwrap()[..] else {
        panic!("expected one event: {status}")
    };
    assert_eq!(
        (&unfinished["event_id"], &unfinished["state"]),
        (&json!(event_id), &json!("in-progress"))
    );
}

/// Runs `bike-traffic` with the settings of the system, and returns its JSON output.
fn run(system: &TestSystem, arguments: &[&str]) -> Value {
    let output = system
        .command("bike-traffic")
        .args(arguments)
        .arg("--json")
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {errors}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Registers a second version and promotes it.
async fn promote_second_version(system: &TestSystem) {
    let registry = &*system.ports.registry;
    let run = Run::new("second".parse().unwrap(), system.ports.clock.now());
    let second = registry.register(&run).await.unwrap();
    let _ = promote(
        registry,
        &Promotion::by_operator(&Operator::named("tests"), Some(Version::new(1)), second),
    )
    .await
    .unwrap();
}

/// Leaves a dead letter of `evaluate` and a claimed event of `predict`. Returns the event's id.
async fn leave_unhandled_messages(system: &TestSystem) -> EventId {
    let attributes = [(REASON_ATTRIBUTE.to_owned(), "a reason".to_owned())].into();
    let dead_letter = Message {
        data: "{}".into(),
        attributes,
    };
    system
        .publish_message(Topic::DeadLetter(Function::Evaluate), dead_letter)
        .await;
    let ledger = Ledger::new(
        Arc::clone(&system.ports.store),
        Function::Predict,
        SignedDuration::from_mins(10),
    );
    let event_id = EventId::of(Function::Ingest, system.last_day);
    let claim = ledger
        .claim(&event_id, system.ports.clock.now())
        .await
        .unwrap();
    assert!(matches!(claim, Claim::Acquired(_)), "{claim:?}");
    event_id
}
