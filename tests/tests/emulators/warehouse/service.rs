//! The BigQuery warehouse against a fake, for behaviour that the emulator lacks.

mod earlier_schema;
mod foreign;
mod loading;

use std::{error::Error, fmt::Write, sync::Arc};

use forecasting::{
    counts::{Counter, Counts},
    time::Day,
};
use google_cloud::{BigQueryWarehouse, CloudSettings};
use serde_json::{Value, json};
use shared::{
    store::{MemoryStore, Store},
    warehouse::{ExportFormat, Warehouse, WarehouseError},
};
use tests::bigquery_fake::{BigQueryFake, LOCATION};
use tokio::task::JoinSet;

const TABLE: &str = "bike_traffic_raw.daily_20210701";

async fn open() -> (BigQueryFake, BigQueryWarehouse) {
    let fake = BigQueryFake::start().await;
    let warehouse = open_in(&fake, None).await;
    (fake, warehouse)
}

async fn open_in(fake: &BigQueryFake, location: Option<&str>) -> BigQueryWarehouse {
    let cloud = CloudSettings {
        bigquery_location: location.map(str::to_owned),
        ..fake.cloud()
    };
    BigQueryWarehouse::open(&"a-project".parse().unwrap(), &cloud)
        .await
        .unwrap()
}

/// The emulator finishes jobs and queries before it responds.
#[tokio::test]
async fn jobs_and_queries_are_polled_until_done() {
    let (fake, warehouse) = open().await;
    fake.delay_completion(3);
    replace(&warehouse, 7).await.unwrap();
    fake.set_query_pages(vec![vec![row(0, 7)]]);
    assert_eq!(read(&warehouse).await.unwrap(), [7]);
}

/// The emulator runs every job in the US, whatever the location of the datasets.
#[tokio::test]
async fn jobs_and_queries_run_in_the_configured_location() {
    let fake = BigQueryFake::start().await;
    fake.set_query_pages(vec![vec![row(0, 7)], vec![row(1, 8)]]);
    let here = open_in(&fake, Some(LOCATION)).await;
    for _ in 0..2 {
        replace(&here, 7).await.unwrap();
    }
    assert_eq!(
        (fake.jobs().len(), read(&here).await.unwrap()),
        (1, vec![7, 8])
    );
    let elsewhere = open_in(&fake, Some("us-east1")).await;
    for error in [
        replace(&elsewhere, 8).await.unwrap_err(),
        read(&elsewhere).await.unwrap_err(),
    ] {
        assert!(chain(&error).contains("BQ_LOCATION"), "{}", chain(&error));
    }
}

#[tokio::test]
async fn transient_errors_are_retried() {
    let mut cases = JoinSet::new();
    for (status, reason) in [
        (
            503,
            Some((
                "backendError",
                "Visibility check was unavailable. Please retry the request",
            )),
        ),
        (502, None),
        (429, Some(("rateLimitExceeded", "Too many requests"))),
        (
            403,
            Some((
                "rateLimitExceeded",
                "Exceeded rate limits: too many table update operations for this table",
            )),
        ),
    ] {
        cases.spawn(async move {
            let (fake, warehouse) = open().await;
            fake.set_query_pages(vec![vec![row(0, 7)]]);
            fake.refuse(2, status, reason);
            replace(&warehouse, 7).await.unwrap();
            fake.refuse(2, status, reason);
            assert_eq!(read(&warehouse).await.unwrap(), [7], "{status}");
            assert_eq!((fake.calls(), loaded(&fake)), (7, vec![7]), "{status}");
        });
    }
    cases.join_all().await;
}

/// The emulator has no roles.
#[tokio::test]
async fn missing_role_is_named_and_not_retried() {
    let (fake, warehouse) = open().await;
    let denied = (
        "accessDenied",
        "Access Denied: Project a-project: User does not have bigquery.jobs.create permission",
    );
    fake.refuse(2, 403, Some(denied));
    let texts = [
        chain(&replace(&warehouse, 7).await.unwrap_err()),
        chain(&read(&warehouse).await.unwrap_err()),
    ];
    for (text, attempt) in texts
        .iter()
        .zip(["cannot replace the table", "cannot read the table"])
    {
        assert!(
            text.contains(attempt) && text.contains("a-project.bike_traffic_raw.daily_"),
            "{text}"
        );
        assert!(
            text.contains("403")
                && text.contains(denied.1)
                && text.contains("roles/bigquery.jobUser"),
            "{text}"
        );
    }
    assert_eq!(fake.calls(), 2);
}

#[tokio::test]
async fn all_result_pages_are_read() {
    let (fake, warehouse) = open().await;
    replace(&warehouse, 7).await.unwrap();
    fake.set_query_pages(vec![
        vec![row(0, 1), row(1, 2)],
        vec![],
        vec![row(2, 3), row(3, 4)],
        vec![row(4, 5)],
    ]);
    assert_eq!(read(&warehouse).await.unwrap(), [1, 2, 3, 4, 5]);
    fake.set_query_pages(vec![]);
    assert_eq!(read(&warehouse).await.unwrap(), [0_u32; 0]);
}

/// The emulator words this error differently.
#[tokio::test]
async fn missing_table_is_empty_and_missing_dataset_is_an_error() {
    let (fake, warehouse) = open().await;
    let no_table = (
        "invalidQuery",
        "a-project:bike_traffic_predictions.daily_* does not match any table.",
    );
    fake.refuse(1, 400, Some(no_table));
    assert_eq!(warehouse.forecasts(day(), day()).await.unwrap(), []);
    assert_eq!(
        (read(&warehouse).await.unwrap(), fake.queries()),
        (vec![], vec![])
    );
    let missing = "Not found: Dataset a-project:bike_traffic_raw was not found in location US";
    fake.refuse(1, 404, Some(("notFound", missing)));
    let text = chain(&read(&warehouse).await.unwrap_err());
    assert!(
        text.contains("Not found: Dataset") && text.contains("BQ_LOCATION"),
        "{text}"
    );
}

#[tokio::test]
async fn invalid_row_is_malformed() {
    let (fake, warehouse) = open().await;
    replace(&warehouse, 7).await.unwrap();
    for (row, column) in [
        (
            json!([-1, "1625129200", null, "Quai", null]),
            "`-1` in the column comptage_horaire",
        ),
        (
            json!([7, "1625131800", null, "Quai", null]),
            "`1625131800` in the column date_et_heure_de_comptage",
        ),
        (
            json!([7, "1625126400", null, null, null]),
            "nom_du_compteur is empty",
        ),
        (
            json!([7, "1625126400", null, "Quai", null, "20210732"]),
            "`20210732` in the column _TABLE_SUFFIX",
        ),
        (json!([7]), "date_et_heure_de_comptage is empty"),
    ] {
        fake.set_query_pages(vec![vec![row]]);
        let error = read(&warehouse).await.unwrap_err();
        assert!(
            matches!(error, WarehouseError::Malformed { .. }),
            "{error:?}"
        );
        assert!(chain(&error).contains(column), "{}", chain(&error));
    }
}

/// Returns the messages of an error and of all its causes.
pub(super) fn chain(error: &WarehouseError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        write!(text, ": {error}").unwrap();
        cause = error.source();
    }
    text
}

/// Replaces the counts of the day with a single count.
async fn replace(warehouse: &BigQueryWarehouse, number: u32) -> Result<(), WarehouseError> {
    warehouse
        .replace_counts(day(), &count(number), day().at(6))
        .await
}

fn count(number: u32) -> Counts {
    let mut counts = Counts::default();
    let quai = counts.intern(Counter {
        id: None,
        name: "Quai".to_owned(),
        coordinates: None,
    });
    counts.push(quai, day().first_hour(), number);
    counts
}

async fn read(warehouse: &BigQueryWarehouse) -> Result<Vec<u32>, WarehouseError> {
    let counts = warehouse.counts(day(), day()).await?;
    Ok(counts.rows().iter().map(|row| row.count).collect())
}

/// Returns the counts in the fake's table.
fn loaded(fake: &BigQueryFake) -> Vec<u32> {
    let rows = fake.table(TABLE).unwrap_or_default();
    let row = |line: &str| serde_json::from_str::<Value>(line).unwrap();
    rows.lines()
        .map(|line| serde_json::from_value(row(line)["comptage_horaire"].clone()).unwrap())
        .collect()
}

/// BigQuery itself rejects a URI outside Cloud Storage only after it has run the query.
#[tokio::test]
async fn export_to_a_store_without_bucket_fails_before_any_request() {
    let (fake, warehouse) = open().await;
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    let folder = "exports/a".parse().unwrap();
    let exported = warehouse
        .export_counts((day(), day()), &store, &folder, ExportFormat::Csv)
        .await;
    let text = chain(&exported.unwrap_err());
    assert!(
        text.contains("cannot export the table a-project.bike_traffic_raw.daily_*"),
        "{text}"
    );
    assert!(
        text.contains("exports/a is not in a bucket") && text.contains("GCS_BUCKET"),
        "{text}"
    );
    assert_eq!(fake.calls(), 0);
}

/// Returns a row of the counts query: count, Unix seconds, id, name, coordinates and table day.
fn row(hours: i32, count: u32) -> Value {
    let second = day().first_hour().plus(hours).timestamp().as_second();
    json!([
        count.to_string(),
        second.to_string(),
        null,
        "Quai",
        null,
        day().compact()
    ])
}

fn day() -> Day {
    "2021-07-01".parse().unwrap()
}
