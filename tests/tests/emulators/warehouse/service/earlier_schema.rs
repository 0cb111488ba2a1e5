//! Daily tables of forecasts that an earlier version wrote, without the columns added since.

use forecasting::time::Day;
use serde_json::{Value, json};
use shared::{
    registry::Version,
    warehouse::{Forecast, Warehouse, schema::FORECASTS},
};
use tests::bigquery_fake::BigQueryFake;

use super::{day, open};

/// The number of columns before the correction was added.
const EARLIER_COLUMNS: usize = 8;

/// A query of all tables has the schema of the newest, and is NULL where a table lacks a column.
#[tokio::test]
async fn earlier_tables_beside_a_newer_one_are_read_by_one_query() {
    let (fake, warehouse) = open().await;
    create_earlier_table(&fake, day());
    let newest = [forecast(day().plus(1))];
    warehouse
        .replace_forecasts(day().plus(1), &newest)
        .await
        .unwrap();
    fake.set_query_pages(vec![vec![row(day(), false), row(day().plus(1), true)]]);
    let read = warehouse.forecasts(day(), day().plus(1)).await.unwrap();
    assert_eq!(read, [earlier(day()), forecast(day().plus(1))]);
    assert_eq!((read[0].uncorrected(), read[1].uncorrected()), (15.5, 12.5));
    let queries = fake.queries();
    let [query] = &queries[..] else {
        panic!("{queries:?}")
    };
    assert!(
        query.contains("bike_traffic_predictions.daily_2021070*"),
        "{query}"
    );
}

/// An earlier version may have created the newest table, for example after a rollback of the
/// program. Then no query of all tables can name the new columns.
#[tokio::test]
async fn newest_table_of_an_earlier_schema_is_read_with_the_others() {
    let (fake, warehouse) = open().await;
    let newer = [forecast(day().plus(1))];
    warehouse
        .replace_forecasts(day().plus(1), &newer)
        .await
        .unwrap();
    for day in [day(), day().plus(2)] {
        create_earlier_table(&fake, day);
    }
    fake.set_query_pages(vec![vec![
        row(day(), false),
        row(day().plus(1), true),
        row(day().plus(2), false),
    ]]);
    let read = warehouse.forecasts(day(), day().plus(2)).await.unwrap();
    let expected = [
        earlier(day()),
        forecast(day().plus(1)),
        earlier(day().plus(2)),
    ];
    assert_eq!(read, expected);
    let queries = fake.queries();
    let [query] = &queries[..] else {
        panic!("{queries:?}")
    };
    let selects: Vec<_> = query.split("UNION ALL").collect();
    assert_eq!(selects.len(), 3, "{query}");
    for (select, has_columns) in selects.into_iter().zip([false, true, false]) {
        for column in &FORECASTS[EARLIER_COLUMNS..] {
            let absent = format!("CAST(NULL AS {}) AS `{}`", column.kind, column.name);
            assert_eq!(select.contains(&absent), !has_columns, "{select}");
            assert!(select.contains(&format!("`{}`", column.name)), "{select}");
        }
    }
}

/// The condition on the suffix does not change the schema of a query of all tables.
#[tokio::test]
async fn newest_table_of_an_earlier_schema_outside_the_range_does_not_hide_columns() {
    let (fake, warehouse) = open().await;
    warehouse
        .replace_forecasts(day(), &[forecast(day())])
        .await
        .unwrap();
    create_earlier_table(&fake, day().plus(4));
    fake.set_query_pages(vec![vec![row(day(), true)]]);
    let read = warehouse.forecasts(day(), day()).await.unwrap();
    assert_eq!(read, [forecast(day())]);
    assert!(
        fake.queries()[0].contains("FROM `a-project.bike_traffic_predictions.daily_20210701`"),
        "{:?}",
        fake.queries()
    );
}

/// A query has the longest prefix of its days, so tables of other months do not match.
#[tokio::test]
async fn newest_table_of_another_month_does_not_match() {
    let (fake, warehouse) = open().await;
    warehouse
        .replace_forecasts(day(), &[forecast(day())])
        .await
        .unwrap();
    create_earlier_table(&fake, day().plus(-40));
    fake.create_view("bike_traffic_predictions.daily_latest");
    for (days, prefix) in [(0, "2021070"), (30, "202107"), (62, "20210")] {
        fake.set_query_pages(vec![vec![row(day(), true)]]);
        let read = warehouse.forecasts(day(), day().plus(days)).await.unwrap();
        assert_eq!(read, [forecast(day())]);
        let query = fake.queries().pop().unwrap();
        // The table of 2021-05-22 matches the prefix of July and September.
        let expected = if days < 62 {
            format!("FROM `a-project.bike_traffic_predictions.daily_{prefix}*`")
        } else {
            "FROM `a-project.bike_traffic_predictions.daily_20210701`".to_owned()
        };
        assert!(query.contains(&expected), "{query}");
    }
}

/// Writing the counts of a day into its forecasts replaces the schema of the table as well.
#[tokio::test]
async fn rewritten_earlier_table_has_all_columns() {
    let (fake, warehouse) = open().await;
    create_earlier_table(&fake, day());
    warehouse
        .replace_forecasts(day(), &[earlier(day())])
        .await
        .unwrap();
    fake.set_query_pages(vec![vec![row(day(), false)]]);
    let read = warehouse.forecasts(day(), day()).await.unwrap();
    assert_eq!(read, [earlier(day())]);
    assert!(
        fake.queries()[0].contains("daily_2021070*"),
        "{:?}",
        fake.queries()
    );
}

fn create_earlier_table(fake: &BigQueryFake, day: Day) {
    let name = format!("bike_traffic_predictions.daily_{}", day.compact());
    fake.create_table(&name, &FORECASTS[..EARLIER_COLUMNS]);
}

/// Returns the forecast of the first hour of a day, as an earlier version wrote it.
fn earlier(day: Day) -> Forecast {
    Forecast {
        model_prediction: None,
        correction: None,
        prediction_low_80: None,
        prediction_high_80: None,
        prediction_low_95: None,
        prediction_high_95: None,
        silent: None,
        ..forecast(day)
    }
}

fn forecast(day: Day) -> Forecast {
    Forecast {
        actual: None,
        prediction: 15.5,
        model_type: "xgboost".to_owned(),
        model_version: Version::new(3),
        predicted_at: day.at(6),
        counter_id: None,
        counter_name: "Quai".to_owned(),
        hour: day.first_hour(),
        model_prediction: Some(12.5),
        correction: Some(1.24),
        prediction_low_80: Some(8.0),
        prediction_high_80: Some(24.0),
        prediction_low_95: Some(4.0),
        prediction_high_95: Some(40.0),
        silent: Some(false),
    }
}

/// Returns a row of the forecasts query, in the order of the columns.
fn row(day: Day, has_columns: bool) -> Value {
    let microseconds = |instant: jiff::Timestamp| instant.as_microsecond().to_string();
    let mut cells = vec![
        Value::Null,
        json!("15.5"),
        json!("xgboost"),
        json!("3"),
        json!(microseconds(day.at(6))),
        Value::Null,
        json!("Quai"),
        json!(microseconds(day.first_hour().timestamp())),
    ];
    let added = ["12.5", "1.24", "8.0", "24.0", "4.0", "40.0", "false"];
    cells.extend(added.map(|text| {
        if has_columns {
            json!(text)
        } else {
            Value::Null
        }
    }));
    json!(cells)
}
