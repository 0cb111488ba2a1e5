//! The warehouse suite against the BigQuery emulator, each test in its own project.
//!
//! The emulator ignores client-chosen job ids, finishes jobs and queries before it responds, checks
//! no roles and no quotas, and loses no responses. `service` and `cached` test these cases against
//! a fake. The launcher `tests/emulators/bigquery.py` adds table lists and exports to the emulator.

mod cached;
mod service;

use std::{collections::BTreeSet, sync::Arc};

use cli::commands::set_up;
use forecasting::{
    counts::{Counter, Counts},
    time::Day,
};
use google_cloud::{BigQueryWarehouse, GcsStore};
use shared::{
    address::ProjectId,
    registry::Version,
    warehouse::{Forecast, Warehouse, schema},
};
use tests::warehouse_suite::Setup;

use crate::place;

mod suite {
    tests::warehouse_suite!(super::suite_setup().await);
}

async fn suite_setup() -> Setup {
    let (project, bucket) = (project_with_tables().await, place::bucket());
    set_up::bucket(&project, &bucket, &place::cloud())
        .await
        .unwrap();
    let store = GcsStore::open(&bucket, &place::cloud()).await.unwrap();
    Setup::new(
        "a-run",
        Arc::new(warehouse(&project).await),
        Arc::new(store),
    )
}

async fn project_with_tables() -> ProjectId {
    let project = place::project();
    set_up::tables(&project, &place::cloud()).await.unwrap();
    project
}

async fn warehouse(project: &ProjectId) -> BigQueryWarehouse {
    BigQueryWarehouse::open(project, &place::cloud())
        .await
        .unwrap()
}

#[tokio::test]
async fn range_of_several_pages_has_every_row_once() {
    let warehouse = warehouse(&project_with_tables().await).await;
    let (first, last) = (day("2021-07-01"), day("2021-07-21"));
    let mut written = BTreeSet::new();
    for day in first.through(last) {
        let counts = counts_of_100_counters(day);
        written.extend(rows(&counts));
        warehouse
            .replace_counts(day, &counts, day.plus(1).at(6))
            .await
            .unwrap();
    }
    let read = warehouse.counts(first, last).await.unwrap();
    // A page has 20,000 rows, so the result takes three pages.
    assert_eq!((read.len(), written.len()), (50_400, 50_400));
    assert_eq!(rows(&read).collect::<BTreeSet<_>>(), written);
    assert!(
        read.rows()
            .is_sorted_by_key(|row| (row.hour, &read.counter(row.counter).name))
    );
}

#[tokio::test]
async fn copy_of_a_daily_table_is_not_read() {
    let project = project_with_tables().await;
    let warehouse = warehouse(&project).await;
    let counts = counts_of_100_counters(day("2021-07-01"));
    warehouse
        .replace_counts(day("2021-07-01"), &counts, day("2021-07-02").at(6))
        .await
        .unwrap();
    let table = format!("{project}.bike_traffic_raw.daily_20210701");
    run(
        &project,
        &format!("CREATE TABLE `{table}_before_repair` AS SELECT * FROM `{table}`"),
    )
    .await;
    let read = warehouse
        .counts(day("2021-07-01"), day("2021-07-02"))
        .await
        .unwrap();
    assert_eq!(read.len(), counts.len());
}

#[tokio::test]
async fn repeated_set_up_keeps_existing_tables() {
    let project = project_with_tables().await;
    let warehouse = warehouse(&project).await;
    let (day, counts) = (day("2021-07-01"), counts_of_100_counters(day("2021-07-01")));
    warehouse
        .replace_counts(day, &counts, day.plus(1).at(6))
        .await
        .unwrap();
    set_up::tables(&project, &place::cloud()).await.unwrap();
    assert_eq!(
        warehouse.counts(day, day).await.unwrap().len(),
        counts.len()
    );
    assert_eq!(warehouse.audit_log().await.unwrap(), []);
}

#[tokio::test]
async fn missing_dataset_error_names_the_remedy() {
    let warehouse = warehouse(&place::project()).await;
    let day = day("2021-07-01");
    let read = warehouse.counts(day, day).await.map(drop).unwrap_err();
    let text = service::chain(&read);
    assert!(
        text.contains("cannot read the table") && text.contains("bike_traffic_raw.daily_*"),
        "{text}"
    );
    // BigQuery itself reports `notFound` to an authorized caller: `service` tests that case.
    assert!(
        text.contains("perhaps it does not exist")
            && text.contains("check that the dataset exists"),
        "{text}"
    );
    let written = warehouse
        .replace_counts(day, &Counts::default(), day.at(6))
        .await
        .unwrap_err();
    let text = service::chain(&written);
    assert!(
        text.contains("cannot replace the table") && text.contains("daily_20210701: the load job"),
        "{text}"
    );
}

#[tokio::test]
async fn table_with_other_columns_is_an_error() {
    let project = project_with_tables().await;
    let warehouse = warehouse(&project).await;
    let (log, day) = (
        format!("{project}.bike_traffic_raw.daily_20210701"),
        day("2021-07-01"),
    );
    // The emulator responds with status 200 and a list of errors.
    run(
        &project,
        &format!("CREATE TABLE `{log}` AS SELECT 1 AS another_column"),
    )
    .await;
    let text = service::chain(&warehouse.counts(day, day).await.map(drop).unwrap_err());
    assert!(
        text.contains("daily_20210701: the column comptage_horaire is missing"),
        "{text}"
    );
}

#[tokio::test]
async fn foreign_tables_beside_daily_tables_are_not_read() {
    let project = project_with_tables().await;
    let warehouse = warehouse(&project).await;
    let counts = counts_of_100_counters(day("2021-07-01"));
    for day in day("2021-07-01").through(day("2021-07-02")) {
        warehouse
            .replace_counts(day, &counts_of_100_counters(day), day.plus(1).at(6))
            .await
            .unwrap();
    }
    for name in ["daily_20210701_backup", "daily_backup01"] {
        let table = format!("{project}.bike_traffic_raw.{name}");
        run(
            &project,
            &format!("CREATE TABLE `{table}` AS SELECT 'a note' AS note"),
        )
        .await;
    }
    let (first, last) = (day("2021-07-01"), day("2021-07-02"));
    let read = warehouse.counts(first, last).await.unwrap();
    assert_eq!(read.len(), 2 * counts.len());
    let days = warehouse.count_days(first, last).await.unwrap();
    assert_eq!(days.into_keys().collect::<Vec<_>>(), [first, last]);
}

/// Creates the newest table with the columns of the first version.
#[tokio::test]
async fn forecasts_of_an_earlier_schema_are_read_with_newer_ones() {
    let project = project_with_tables().await;
    let warehouse = warehouse(&project).await;
    let (first, last) = (day("2021-07-01"), day("2021-07-02"));
    let forecast = Forecast {
        actual: None,
        prediction: 15.5,
        model_type: "xgboost".to_owned(),
        model_version: Version::new(3),
        predicted_at: first.at(6),
        counter_id: None,
        counter_name: "Quai".to_owned(),
        hour: first.first_hour(),
        model_prediction: Some(12.5),
        correction: Some(1.24),
        prediction_low_80: Some(8.0),
        prediction_high_80: Some(24.0),
        prediction_low_95: Some(4.0),
        prediction_high_95: Some(40.0),
        silent: Some(false),
    };
    warehouse
        .replace_forecasts(first, std::slice::from_ref(&forecast))
        .await
        .unwrap();
    let columns = schema::FORECASTS[..8].iter().map(|column| column.name);
    let columns = columns.collect::<Vec<_>>().join(", ");
    let tables = format!("{project}.bike_traffic_predictions.daily_");
    run(
        &project,
        &format!("CREATE TABLE `{tables}20210702` AS SELECT {columns} FROM `{tables}20210701`"),
    )
    .await;
    let earlier = Forecast {
        model_prediction: None,
        correction: None,
        prediction_low_80: None,
        prediction_high_80: None,
        prediction_low_95: None,
        prediction_high_95: None,
        silent: None,
        ..forecast.clone()
    };
    assert_eq!(
        warehouse.forecasts(first, last).await.unwrap(),
        [forecast, earlier]
    );
}

/// Runs an SQL statement without the adapter, as in the BigQuery console.
async fn run(project: &ProjectId, sql: &str) {
    let origin = place::cloud().bigquery_emulator.unwrap().origin();
    let request = serde_json::json!({ "query": sql, "useLegacySql": false });
    let queries = format!("{origin}/bigquery/v2/projects/{project}/queries");
    let reply = reqwest::Client::new()
        .post(queries)
        .json(&request)
        .send()
        .await
        .unwrap();
    let reply: serde_json::Value = reply.json().await.unwrap();
    assert!(reply.get("errors").is_none(), "{reply}");
}

/// Returns a day of counts of 100 counters.
fn counts_of_100_counters(day: Day) -> Counts {
    let mut counts = Counts::default();
    for number in 0..100 {
        let counter = counts.intern(Counter {
            id: Some(number.to_string()),
            name: format!("Compteur {number:02}"),
            coordinates: None,
        });
        for hour in day.hours() {
            counts.push(counter, hour, number);
        }
    }
    counts
}

fn rows(counts: &Counts) -> impl Iterator<Item = (i32, String, u32)> {
    let name = |row: &forecasting::counts::Count| counts.counter(row.counter).name.clone();
    counts
        .rows()
        .iter()
        .map(move |row| (row.hour.number(), name(row), row.count))
}

fn day(text: &str) -> Day {
    text.parse().unwrap()
}
