//! Comparison of forecasts in Python, from raw counts, with those of production.

use forecasting::{
    counts::Counts,
    features::{Frame, History},
    time::Day,
};
use google_cloud::CloudSettings;
use model::{Model, Threads};
use serde_json::Value;
use shared::{ports::Ports, registry::Version, warehouse::Forecast};

use crate::python_client::{download, python, table};

/// The number of days of counts before a day that its published forecasts need.
const COUNT_DAYS: i32 = 58;

/// Asserts that the champion forecasts a day in Python as production has published it.
pub(crate) async fn assert_python_publishes_the_same(
    ports: &Ports,
    cloud: &CloudSettings,
    known: &Counts,
    (day, published): (Day, &[Forecast]),
) {
    let output = run_python(ports, cloud, known, (day, published[0].model_version)).await;
    let history = known.days(day.plus(-COUNT_DAYS), day.plus(-1));
    for loader in ["registry", "folder"] {
        let forecasts = of_day(&output["forecasts"][loader]["corrected"], &history, day);
        for forecast in published {
            let counter = history
                .counters()
                .iter()
                .position(|counter| counter.name == forecast.counter_name)
                .unwrap();
            let hour = day.hours().position(|hour| hour == forecast.hour).unwrap();
            let theirs = forecasts[hour * history.counters().len() + counter];
            assert!(
                (forecast.prediction - theirs).abs() <= 1e-4,
                "{loader}: {forecast:?} {theirs}"
            );
        }
    }
}

/// Asserts that a champion forecasts a day in Python as in Rust, without the correction.
pub(crate) async fn assert_python_agrees(
    ports: &Ports,
    cloud: &CloudSettings,
    known: &Counts,
    (day, champion): (Day, Version),
) {
    let output = run_python(ports, cloud, known, (day, champion)).await;
    let model = Model::load_version(&ports.store, &*ports.registry, champion, Threads::One)
        .await
        .unwrap();
    let counts = known.days(day.plus(-COUNT_DAYS), day.plus(-1));
    let history = History::new(&[&counts]);
    let width = history.counters().len();
    let rows = day
        .hours()
        .flat_map(|hour| (0..width).map(move |counter| (counter, hour)));
    let frame = Frame::from_rows(model.features(), &history, rows);
    let ours = model.predict(&frame).unwrap();
    let theirs = of_day(
        &output["forecasts"]["registry"]["uncorrected"],
        &counts,
        day,
    );
    assert_eq!(ours.len(), theirs.len());
    for (ours, theirs) in ours.into_iter().map(f64::from).zip(theirs) {
        assert!((ours - theirs).abs() <= 1e-4, "{ours} {theirs}");
    }
}

async fn run_python(
    ports: &Ports,
    cloud: &CloudSettings,
    known: &Counts,
    (day, champion): (Day, Version),
) -> Value {
    let name = cloud.mlflow_model.clone().unwrap();
    let run = ports.registry.version(champion).await.unwrap().run;
    let folder = tempfile::tempdir().unwrap();
    download(&*ports.store, &run, folder.path()).await;
    let table = table(&known.days(day.plus(-COUNT_DAYS), day.plus(-1)), Some(day));
    tokio::task::spawn_blocking(move || python(&name, folder.path(), &table, None))
        .await
        .unwrap()
}

/// Returns the forecasts of the rows without a count, by hour and counter.
fn of_day(forecasts: &Value, history: &Counts, day: Day) -> Vec<f64> {
    let forecasts: Vec<f64> = serde_json::from_value(forecasts.clone()).unwrap();
    let of_day = forecasts[history.len()..].to_vec();
    assert_eq!(of_day.len(), day.hours().count() * history.counters().len());
    of_day
}
