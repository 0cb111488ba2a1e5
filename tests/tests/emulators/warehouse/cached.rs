//! The day cache of a warm process, against a fake: the emulator does not report which tables a
//! query has read, and its clock cannot be set.

use std::collections::BTreeSet;

use forecasting::{
    counts::{Counter, Counts},
    time::Day,
};
use google_cloud::BigQueryWarehouse;
use serde_json::{Value, json};
use shared::warehouse::Warehouse;
use tests::bigquery_fake::BigQueryFake;

const AN_HOUR: u64 = 3_600;

/// Opens a warehouse with a table for each day, written an hour ago.
async fn with_tables(days: impl Iterator<Item = i32>) -> (BigQueryFake, BigQueryWarehouse) {
    let fake = BigQueryFake::start().await;
    let warehouse = BigQueryWarehouse::open(&"a-project".parse().unwrap(), &fake.cloud())
        .await
        .unwrap();
    write(&warehouse, days).await;
    fake.pass(AN_HOUR);
    (fake, warehouse)
}

#[tokio::test]
async fn second_check_a_week_later_reads_only_the_seven_new_days() {
    let (fake, warehouse) = with_tables(0..44).await;
    let cold = check(
        &fake,
        &warehouse,
        (0, 36),
        (0..37).map(|number| row(number, 7)),
    )
    .await;
    assert_eq!(cold.days_read, (0..37).map(day).collect());

    let warm = check(
        &fake,
        &warehouse,
        (7, 43),
        (37..44).map(|number| row(number, 7)),
    )
    .await;
    assert_eq!(warm.days_read, (37..44).map(day).collect());
    // Another handle starts with an empty cache.
    let cold_warehouse = BigQueryWarehouse::open(&"a-project".parse().unwrap(), &fake.cloud())
        .await
        .unwrap();
    let uncached = check(
        &fake,
        &cold_warehouse,
        (7, 43),
        (7..44).map(|number| row(number, 7)),
    )
    .await;
    assert_eq!((warm.rows.len(), warm.rows), (37, uncached.rows));

    let again = check(&fake, &warehouse, (7, 43), [].into_iter()).await;
    assert_eq!((again.days_read, again.rows.len()), (BTreeSet::new(), 37));
}

#[tokio::test]
async fn replaced_table_is_read_again() {
    let (fake, warehouse) = with_tables(0..3).await;
    check(
        &fake,
        &warehouse,
        (0, 2),
        (0..3).map(|number| row(number, 7)),
    )
    .await;
    write(&warehouse, 1..2).await;
    fake.pass(AN_HOUR);
    let read = check(&fake, &warehouse, (0, 2), [row(1, 8)].into_iter()).await;
    assert_eq!(read.days_read, [day(1)].into());
    assert_eq!(read.counts(), [7, 8, 7]);
}

#[tokio::test]
async fn deleted_table_is_not_served_from_the_cache() {
    let (fake, warehouse) = with_tables(0..3).await;
    check(
        &fake,
        &warehouse,
        (0, 2),
        (0..3).map(|number| row(number, 7)),
    )
    .await;
    fake.delete_table("bike_traffic_raw.daily_20210702");
    let read = check(&fake, &warehouse, (0, 2), [].into_iter()).await;
    assert_eq!((read.days_read, read.rows.len()), (BTreeSet::new(), 2));
}

/// The cache compares modification times, and both replacements have the same one.
#[tokio::test]
async fn table_replaced_within_a_millisecond_is_not_served_stale() {
    let fake = BigQueryFake::start().await;
    let warehouse = BigQueryWarehouse::open(&"a-project".parse().unwrap(), &fake.cloud())
        .await
        .unwrap();
    write(&warehouse, 0..2).await;
    check(
        &fake,
        &warehouse,
        (0, 1),
        (0..2).map(|number| row(number, 7)),
    )
    .await;
    // The rows of the fake change, the modification times do not.
    fake.pass(AN_HOUR);
    let read = check(
        &fake,
        &warehouse,
        (0, 1),
        (0..2).map(|number| row(number, 8)),
    )
    .await;
    assert_eq!(read.counts(), [8, 8]);
    // The tables are now old enough to be cached.
    let read = check(&fake, &warehouse, (0, 1), [].into_iter()).await;
    assert_eq!(read.counts(), [8, 8]);
}

#[tokio::test]
async fn day_without_counts_is_cached() {
    let (fake, warehouse) = with_tables(0..2).await;
    check(&fake, &warehouse, (0, 1), [row(1, 7)].into_iter()).await;
    let read = check(&fake, &warehouse, (0, 1), [].into_iter()).await;
    assert_eq!((read.days_read.len(), read.counts()), (0, vec![7]));
}

/// They would evict the days that the next check needs.
#[tokio::test]
async fn days_of_a_long_range_are_not_cached() {
    let (fake, warehouse) = with_tables(0..3).await;
    check(
        &fake,
        &warehouse,
        (0, 2),
        (0..3).map(|number| row(number, 7)),
    )
    .await;
    let long = check(
        &fake,
        &warehouse,
        (0, 61),
        (0..3).map(|number| row(number, 7)),
    )
    .await;
    assert_eq!(long.rows.len(), 3);
    let longer = check(&fake, &warehouse, (0, 62), [row(0, 9)].into_iter()).await;
    assert_eq!(longer.counts(), [9]);
    let read = check(&fake, &warehouse, (0, 2), [].into_iter()).await;
    assert_eq!(read.counts(), [7, 7, 7]);
}

/// The result of a read, and the days that it queried.
struct Check {
    days_read: BTreeSet<Day>,
    rows: Vec<(i32, String, u32)>,
}

impl Check {
    fn counts(&self) -> Vec<u32> {
        self.rows.iter().map(|(_, _, count)| *count).collect()
    }
}

/// Reads the counts of a range; the fake returns `rows`.
async fn check(
    fake: &BigQueryFake,
    warehouse: &BigQueryWarehouse,
    (first, last): (i32, i32),
    rows: impl Iterator<Item = Value>,
) -> Check {
    fake.set_query_pages(vec![rows.collect()]);
    let before = fake.queries().len();
    let counts = warehouse.counts(day(first), day(last)).await.unwrap();
    let queries = fake.queries().split_off(before);
    let days_read = queries.iter().flat_map(|sql| named_days(sql)).collect();
    let name = |row: &forecasting::counts::Count| counts.counter(row.counter).name.clone();
    let rows = counts
        .rows()
        .iter()
        .map(|row| (row.hour.number(), name(row), row.count))
        .collect();
    Check { days_read, rows }
}

/// Returns the days that a query names: the prefix of its tables, and each suffix in quotes.
fn named_days(sql: &str) -> Vec<Day> {
    let (_, tables) = sql.split_once(".daily_").unwrap();
    let (prefix, condition) = tables.split_once('*').unwrap();
    let days = condition
        .split('\'')
        .map(|suffix| Day::from_compact(&format!("{prefix}{suffix}")));
    days.filter_map(Result::ok).collect()
}

/// Writes tables. The fake ignores their contents.
async fn write(warehouse: &BigQueryWarehouse, days: impl Iterator<Item = i32>) {
    // The warehouse skips a load of the same rows, so each write needs a new count.
    static WRITING: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    for day in days.map(day) {
        let mut counts = Counts::default();
        let quai = counts.intern(Counter {
            id: None,
            name: "Quai".to_owned(),
            coordinates: None,
        });
        let writing = WRITING.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        counts.push(quai, day.first_hour(), writing);
        warehouse
            .replace_counts(day, &counts, day.at(6))
            .await
            .unwrap();
    }
}

/// Returns the row of a day's first hour, as the counts query selects it.
fn row(number: i32, count: u32) -> Value {
    let second = day(number).first_hour().timestamp().as_second();
    json!([
        count.to_string(),
        second.to_string(),
        null,
        "Quai",
        null,
        day(number).compact()
    ])
}

fn day(number: i32) -> Day {
    "2021-07-01".parse::<Day>().unwrap().plus(number)
}
