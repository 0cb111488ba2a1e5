//! Tables and views that others put beside the daily tables, and daily tables of another schema.

use std::{
    io,
    sync::{Arc, Mutex},
};

use shared::{
    retryability::{Classify, Retryability},
    warehouse::{Warehouse, WarehouseError},
};

use super::{TABLE, chain, day, open, replace, row};

/// Real wildcard queries fail because of any of them, whatever their condition.
#[tokio::test]
async fn foreign_tables_and_views_are_not_read() {
    let (fake, warehouse) = open().await;
    replace(&warehouse, 7).await.unwrap();
    for name in ["daily_20210701_backup", "daily_backup01", "daily_20210631"] {
        fake.create_foreign_table(&format!("bike_traffic_raw.{name}"));
        fake.create_foreign_table(&format!("bike_traffic_predictions.{name}"));
    }
    fake.create_view("bike_traffic_raw.daily_20210630");
    fake.set_query_pages(vec![vec![row(0, 7)]]);
    let (first, last) = (day().plus(-1), day());
    let counts = warehouse.counts(first, last).await.unwrap();
    assert_eq!(counts.rows()[0].count, 7);
    let queries = fake.queries();
    let [query] = &queries[..] else {
        panic!("{queries:?}")
    };
    assert!(
        query.contains("FROM `a-project.bike_traffic_raw.daily_20210701`"),
        "{query}"
    );
    let versions = warehouse.table_versions(first, last).await.unwrap();
    assert_eq!(versions.into_keys().collect::<Vec<_>>(), [day()]);
    assert_eq!(warehouse.forecasts(first, last).await.unwrap(), []);
}

/// The lines of a log.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn view_beside_daily_tables_is_named_in_the_log() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let _logging = tracing::subscriber::set_default(subscriber);
    let (fake, warehouse) = open().await;
    replace(&warehouse, 7).await.unwrap();
    fake.create_view("bike_traffic_raw.daily_20210709_view");
    fake.set_query_pages(vec![vec![row(0, 7)]]);
    let counts = warehouse.counts(day(), day()).await.unwrap();
    assert_eq!(counts.rows()[0].count, 7);
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let warning = text.lines().find(|line| line.contains("WARN"));
    let warning = warning.expect("a warning");
    for expected in [
        "cannot query the daily tables by their prefix, naming each",
        "tables=a-project.bike_traffic_raw.daily_2021070*",
        "First view a-project:bike_traffic_raw.daily_20210709_view.",
    ] {
        assert!(warning.contains(expected), "{warning}");
    }
}

#[tokio::test]
async fn daily_table_of_another_schema_is_permanent_and_named() {
    let (fake, warehouse) = open().await;
    fake.create_foreign_table(TABLE);
    fake.create_foreign_table("bike_traffic_predictions.daily_20210701");
    let counts = warehouse.counts(day(), day()).await.map(drop);
    let forecasts = warehouse.forecasts(day(), day()).await.map(drop);
    for (result, expected) in [
        (
            counts,
            "bike_traffic_raw.daily_20210701: the column comptage_horaire is missing",
        ),
        (
            forecasts,
            "bike_traffic_predictions.daily_20210701: the column prediction is missing",
        ),
    ] {
        let error: WarehouseError = result.unwrap_err();
        assert_eq!(error.retryability(), Retryability::Permanent, "{error:?}");
        assert!(chain(&error).contains(expected), "{}", chain(&error));
    }
}
