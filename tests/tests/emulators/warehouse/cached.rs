//! Counts that a warm process keeps, against a fake: the emulator does not say which tables a query has read, and its
//! time cannot be set.

use std::collections::BTreeSet;

use forecasting::{
    counts::{Counter, Counts},
    time::Day,
};
use google_cloud::BigQueryWarehouse;
use serde_json::{Value, json};
use shared::warehouse::Warehouse;
use tests::bigquery_fake::BigQueryDouble;

const AN_HOUR: u64 = 3_600;

/// A warehouse with a table for each of these days, written an hour ago.
async fn with_tables(days: impl Iterator<Item = i32>) -> (BigQueryDouble, BigQueryWarehouse) {
    let fake = BigQueryDouble::start().await;
    let warehouse = BigQueryWarehouse::open(&"a-project".parse().unwrap(), &fake.cloud())
        .await
        .unwrap();
    write(&warehouse, days).await;
    fake.pass(AN_HOUR);
    (fake, warehouse)
}

#[tokio::test]
async fn a_second_check_a_week_later_reads_the_seven_new_days_only() {
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
    // As a process reads them that has kept nothing.
    let other = BigQueryWarehouse::open(&"a-project".parse().unwrap(), &fake.cloud())
        .await
        .unwrap();
    let whole = check(&fake, &other, (7, 43), (7..44).map(|number| row(number, 7))).await;
    assert_eq!((warm.rows.len(), warm.rows), (37, whole.rows));

    let again = check(&fake, &warehouse, (7, 43), [].into_iter()).await;
    assert_eq!((again.days_read, again.rows.len()), (BTreeSet::new(), 37));
}

#[tokio::test]
async fn a_table_that_was_replaced_is_read_again() {
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
async fn a_table_that_was_deleted_is_not_served_from_memory() {
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

/// Such a replacement carries the same time, which is all that tells one from another.
#[tokio::test]
async fn tables_replaced_again_within_a_millisecond_are_not_served_stale() {
    let fake = BigQueryDouble::start().await;
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
    // The fake's rows change, its times do not.
    fake.pass(AN_HOUR);
    let read = check(
        &fake,
        &warehouse,
        (0, 1),
        (0..2).map(|number| row(number, 8)),
    )
    .await;
    assert_eq!(read.counts(), [8, 8]);
    // By now they are old enough to be kept.
    let read = check(&fake, &warehouse, (0, 1), [].into_iter()).await;
    assert_eq!(read.counts(), [8, 8]);
}

#[tokio::test]
async fn a_day_on_which_nothing_was_counted_is_kept_as_well() {
    let (fake, warehouse) = with_tables(0..2).await;
    check(&fake, &warehouse, (0, 1), [row(1, 7)].into_iter()).await;
    let read = check(&fake, &warehouse, (0, 1), [].into_iter()).await;
    assert_eq!((read.days_read.len(), read.counts()), (0, vec![7]));
}

/// They would push out what the next check asks for.
#[tokio::test]
async fn the_days_of_a_long_range_are_not_kept() {
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

/// What a call returned, and what it asked for.
struct Check {
    days_read: BTreeSet<Day>,
    rows: Vec<(i32, String, u32)>,
}

impl Check {
    fn counts(&self) -> Vec<u32> {
        self.rows.iter().map(|(_, _, count)| *count).collect()
    }
}

/// Asks for the counts of a range, of which the service returns these rows.
async fn check(
    fake: &BigQueryDouble,
    warehouse: &BigQueryWarehouse,
    (first, last): (i32, i32),
    rows: impl Iterator<Item = Value>,
) -> Check {
    fake.answer_queries(vec![rows.collect()]);
    let before = fake.queries().len();
    let counts = warehouse.counts(day(first), day(last)).await.unwrap();
    let asked = fake.queries().split_off(before).join(" ");
    let days_read = asked
        .split('\'')
        .filter_map(|text| Day::from_compact(text).ok())
        .collect();
    let name = |row: &forecasting::counts::Count| counts.counter(row.counter).name.clone();
    let rows = counts
        .rows()
        .iter()
        .map(|row| (row.hour.number(), name(row), row.count))
        .collect();
    Check { days_read, rows }
}

/// Writes tables; what is in them does not matter to the fake.
async fn write(warehouse: &BigQueryWarehouse, days: impl Iterator<Item = i32>) {
    // A job of the same rows is not done again while the table is untouched.
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

/// The first hour of a day, as the query for counts selects it.
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
