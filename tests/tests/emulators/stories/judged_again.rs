//! A week is judged without one of its days, and again once the day has arrived.

use forecasting::time::{Day, Week};
use serde_json::Value;
use shared::{
    audit::AuditRow,
    evaluation::Evaluation,
    event::{Function, IngestRequested},
    registry::Version,
    store::read_json,
};

use crate::test_system::{CHAIN, Options, TestSystem};

/// The weeks of the sample are years ago, so the deadline for missing days has passed.
#[tokio::test(flavor = "multi_thread")]
async fn week_is_judged_again_with_all_that_follows_once_its_missing_day_has_arrived() {
    let system = TestSystem::with(Options {
        functions: [&[Function::Ingest][..], &CHAIN].concat(),
        ..Options::default()
    })
    .await;
    let (day, week) = (system.last_day, system.last_day.week());
    system.request_check().await;
    wait_for_chains(&system, 1).await;
    let first = rows(&system, &week.to_string()).await;
    assert!(
        missing_days(&first[0]).contains(&day),
        "{:?}",
        first[0].entry
    );
    let reason = &first[0].entry.reason;
    assert!(reason.contains("missing"), "{reason}");
    let path = Evaluation::path(week);
    let first_evaluation = system.ports.store.read(&path).await.unwrap();

    system
        .publish(&IngestRequested {
            from: Some(day),
            ..IngestRequested::default()
        })
        .await;
    system.wait_for_decision(Function::Ingest, "ingested").await;
    let request = request_again(&system, week);
    assert_eq!(request["published"], true, "{request}");
    wait_for_chains(&system, 2).await;

    // Some file systems do not allow colons in names.
    let instant = request["judged"].as_str().unwrap().replace(':', "-");
    let subject = format!("{week}@{instant}");
    let again = rows(&system, &subject).await;
    assert!(
        !missing_days(&again[0]).contains(&day),
        "{:?}",
        again[0].entry
    );
    let (evaluation, _) =
        read_json::<Evaluation>(&*system.ports.store, &Evaluation::path(&subject))
            .await
            .unwrap();
    assert_eq!(
        (evaluation.week, evaluation.challenger),
        (week, Version::new(3))
    );
    assert_eq!(
        system.ports.store.read(&path).await.unwrap(),
        first_evaluation,
        "the first evaluation must be unchanged"
    );
    assert_eq!(system.ports.registry.versions().await.unwrap().len(), 3);
    assert_eq!(rows(&system, &week.to_string()).await, first);
}

/// Waits until each function of the chain has handled `number` events.
async fn wait_for_chains(system: &TestSystem, number: usize) {
    for function in CHAIN {
        system.wait_for_log(function, "event handled", number).await;
    }
}

/// Returns the audit rows about a subject. Asserts that each function of the chain has one.
async fn rows(system: &TestSystem, subject: &str) -> Vec<AuditRow> {
    let mut rows = system.ports.warehouse.audit_log().await.unwrap();
    rows.retain(|row| row.event_id.subject() == subject);
    let functions: Vec<_> = rows.iter().map(|row| row.function).collect();
    assert_eq!(functions, CHAIN, "{subject}");
    rows
}

/// Returns the days without counts in the row of a drift check.
fn missing_days(row: &AuditRow) -> Vec<Day> {
    let days = &row.entry.detail["coverage"]["missing_days"];
    serde_json::from_value(days.clone()).unwrap()
}

/// Requests the repeated judgement on the command line.
fn request_again(system: &TestSystem, week: Week) -> Value {
    let output = system
        .command("bike-traffic")
        .args(["drift-check", "--cloud", "--request", "--again", "--json"])
        .args(["--week", &week.to_string()])
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    serde_json::from_slice(&output.stdout).unwrap()
}
