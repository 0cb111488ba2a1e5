//! The suite of the warehouse port against the emulator of BigQuery, each test in a project of its own.
//!
//! The emulator ignores the ids that clients choose for jobs, and so refuses none; its jobs and queries are done before
//! they are answered; it refuses nobody for lack of a role or for haste, and loses no answers. All that is tested in
//! `service` and `kept`, against a fake. What it lacks of lists of tables and exports, its launcher adds
//! (`tests/emulators/bigquery.py`).

mod cached;
mod service;

use std::{collections::BTreeSet, sync::Arc};

use cli::commands::set_up;
use forecasting::{
    counts::{Counter, Counts},
    time::Day,
};
use google_cloud::{BigQueryWarehouse, GcsStore};
use shared::{address::ProjectId, warehouse::Warehouse};
use tests::warehouse_suite::Place;

use crate::place;

mod suite {
    tests::warehouse_suite!(super::place().await);
}

async fn place() -> Place {
    let (project, bucket) = (project_with_tables().await, place::bucket());
    set_up::bucket(&project, &bucket, &place::cloud())
        .await
        .unwrap();
    let store = GcsStore::open(&bucket, &place::cloud()).await.unwrap();
    Place::new(
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
async fn a_range_of_several_pages_has_every_row_once() {
    let warehouse = warehouse(&project_with_tables().await).await;
    let (first, last) = (day("2021-07-01"), day("2021-07-21"));
    let mut written = BTreeSet::new();
    for day in first.through(last) {
        let counts = counts_of_a_city(day);
        written.extend(rows(&counts));
        warehouse
            .replace_counts(day, &counts, day.plus(1).at(6))
            .await
            .unwrap();
    }
    let read = warehouse.counts(first, last).await.unwrap();
    // A page has 20,000 rows: three of them are needed.
    assert_eq!((read.len(), written.len()), (50_400, 50_400));
    assert_eq!(rows(&read).collect::<BTreeSet<_>>(), written);
    assert!(
        read.rows()
            .is_sorted_by_key(|row| (row.hour, &read.counter(row.counter).name))
    );
}

#[tokio::test]
async fn a_copy_of_a_days_table_is_not_read() {
    let project = project_with_tables().await;
    let warehouse = warehouse(&project).await;
    let counts = counts_of_a_city(day("2021-07-01"));
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
async fn the_set_up_may_be_repeated_and_takes_nothing_away() {
    let project = project_with_tables().await;
    let warehouse = warehouse(&project).await;
    let (day, counts) = (day("2021-07-01"), counts_of_a_city(day("2021-07-01")));
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
async fn a_missing_dataset_is_an_error_that_says_what_to_do() {
    let warehouse = warehouse(&place::project()).await;
    let day = day("2021-07-01");
    let read = warehouse.counts(day, day).await.map(drop).unwrap_err();
    let text = service::chain(&read);
    assert!(
        text.contains("cannot read the table") && text.contains("bike_traffic_raw.daily_*"),
        "{text}"
    );
    // BigQuery says `notFound` where one may look: `service` has that.
    assert!(
        text.contains("perhaps it does not exist") && text.contains("the dataset must exist"),
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
async fn a_table_of_another_shape_is_an_error() {
    let project = project_with_tables().await;
    let warehouse = warehouse(&project).await;
    let (log, day) = (
        format!("{project}.bike_traffic_raw.daily_20210701"),
        day("2021-07-01"),
    );
    // The emulator answers 200 with errors.
    run(
        &project,
        &format!("CREATE TABLE `{log}` AS SELECT 1 AS another_column"),
    )
    .await;
    let text = service::chain(&warehouse.counts(day, day).await.map(drop).unwrap_err());
    assert!(text.contains("the query failed: invalidQuery"), "{text}");
}

/// Runs a statement as a person does in the console.
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

/// A day of 100 counters.
fn counts_of_a_city(day: Day) -> Counts {
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
