//! The whole loop: ingest and forecast a day, check a week for drift, promote a better challenger.

use forecasting::time::Day;
use serde_json::Value;
use shared::{
    clock::{Clock, SystemClock},
    event::{DriftCheckRequested, Function, IngestRequested},
    registry::{Alias, Version},
};
use tests::eventually::eventually;

use crate::{
    predictions::{assert_python_agrees, assert_python_publishes_the_same},
    registry::{files_of, runs_of},
    test_system::{Options, TestSystem},
};

#[tokio::test(flavor = "multi_thread")]
async fn ingested_day_is_forecast_and_drift_promotes_a_better_challenger() {
    assert_week(&TestSystem::with(Options::default()).await).await;
}

/// Asserts that a system ingests and forecasts its last day, and promotes a challenger for its last
/// week.
pub(super) async fn assert_week(system: &TestSystem) {
    let day = system.last_day;
    assert_forecasts(system, day).await;
    system
        .publish(&DriftCheckRequested {
            week: Some(day.week()),
            ..DriftCheckRequested::default()
        })
        .await;
    system
        .wait_for_decision(Function::Promote, "promoted")
        .await;
    assert_promotion(system, day).await;
    assert_runs(system, day).await;
}

/// Asserts that a day is ingested, and that its next day is forecast.
async fn assert_forecasts(system: &TestSystem, day: Day) {
    system
        .publish(&IngestRequested {
            from: Some(day),
            ..IngestRequested::default()
        })
        .await;
    system
        .wait_for_decision(Function::Predict, "forecast")
        .await;
    assert_eq!(
        system.ports.warehouse.counts(day, day).await.unwrap().len(),
        system.known.days(day, day).len()
    );
    let forecasts = system
        .ports
        .warehouse
        .forecasts(day.plus(1), day.plus(1))
        .await
        .unwrap();
    assert_eq!(forecasts.len(), system.known.counters().len() * 24);
    assert_python_publishes_the_same(
        &system.ports,
        &system.cloud,
        &system.known,
        (day.plus(1), &forecasts),
    )
    .await;
    let raw = system
        .ports
        .store
        .list(&format!("raw/{day}/"))
        .await
        .unwrap();
    assert!(
        !raw.is_empty(),
        "the reply of the open data service must be stored"
    );
}

/// Asserts that version 2 is champion, with the tags and the audit rows of a promotion.
async fn assert_promotion(system: &TestSystem, day: Day) {
    let registry = &system.ports.registry;
    let mut aliases = Vec::new();
    for alias in [Alias::Champion, Alias::Challenger, Alias::Previous] {
        aliases.push(registry.alias(alias).await.unwrap());
    }
    let [first, second] = [1, 2].map(Version::new);
    assert_eq!(aliases, [Some(second), Some(second), Some(first)]);
    let tags = registry.version(second).await.unwrap().run.tags;
    let tag = |name: &str| tags[name].as_str();
    assert_eq!(
        (
            tag("dataset"),
            tag("training_type"),
            tag("data_source"),
            tag("base_model")
        ),
        ("last_30_days", "fine_tune", "bigquery", "champion_v1")
    );
    let expected = [
        (Function::Ingest, "ingested"),
        (Function::Predict, "forecast"),
        (Function::DriftCheck, "drift"),
        (Function::FineTune, "challenger-trained"),
        (Function::Evaluate, "evaluated"),
        (Function::Promote, "promoted"),
    ];
    assert_eq!(
        system.decisions().await,
        expected.map(|(function, decision)| (function, decision.to_owned()))
    );
    assert_python_agrees(
        &system.ports,
        &system.cloud,
        &system.known,
        (day.plus(1), second),
    )
    .await;
    let decision = registry.version(second).await.unwrap().decision.unwrap();
    assert_eq!(decision.decision, "promoted");
}

/// Asserts that the runs have times of today, and that the challenger's run gets the page of the
/// week.
async fn assert_runs(system: &TestSystem, day: Day) {
    let today = SystemClock.now().as_millisecond();
    let model = system.cloud.mlflow_model.clone().unwrap();
    let runs = runs_of(&model).await;
    assert_eq!(
        runs.iter().filter(|run| has_tables(run)).count(),
        1,
        "{runs:?}"
    );
    for run in runs {
        for time in ["start_time", "end_time"] {
            let age = today - run["info"][time].as_i64().unwrap();
            assert!((0..86_400_000).contains(&age), "{time}: {run}");
        }
    }
    // The function attaches the page after its audit row.
    let page = format!("report/{}.html", day.week());
    let awaited = "the page of the week beside the challenger's run";
    eventually(awaited, async || {
        for run in runs_of(&model).await {
            if files_of(&run, "report").await.contains(&page) {
                return Some(());
            }
        }
        None
    })
    .await;
}

/// Returns `true` if a run lists daily tables as a data set.
fn has_tables(run: &Value) -> bool {
    let inputs = run["inputs"]["dataset_inputs"].as_array();
    let mut names = inputs
        .into_iter()
        .flatten()
        .filter_map(|input| input["dataset"]["name"].as_str());
    names.any(|name| name.starts_with("daily-tables-"))
}
