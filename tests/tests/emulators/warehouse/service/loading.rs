//! Load jobs: repeated, failed and superseded ones.

use shared::{
    registry::Version,
    warehouse::{Forecast, Warehouse},
};

use super::{TABLE, chain, count, day, loaded, open, replace};

/// The emulator always responds and accepts a second job with the same id.
#[tokio::test]
async fn upload_with_lost_response_loads_rows_once() {
    let (fake, warehouse) = open().await;
    fake.lose_responses(2);
    replace(&warehouse, 7).await.unwrap();
    assert_eq!((fake.jobs().len(), loaded(&fake)), (1, vec![7]));
}

/// A crash between the load and the ledger entry makes the next delivery load the same rows.
#[tokio::test]
async fn unchanged_rows_are_not_loaded_again() {
    let (fake, warehouse) = open().await;
    for _ in 0..3 {
        replace(&warehouse, 7).await.unwrap();
    }
    let jobs = fake.jobs();
    assert_eq!((jobs.len(), loaded(&fake)), (1, vec![7]));
    let valid =
        |character: char| character.is_ascii_alphanumeric() || matches!(character, '-' | '_');
    assert!(
        jobs[0].chars().all(valid) && jobs[0].starts_with("bike_traffic_raw-daily_20210701-"),
        "{jobs:?}"
    );
}

/// A second delivery of the same event writes such rows.
#[tokio::test]
async fn rows_differing_only_in_write_time_are_not_loaded_again() {
    let (fake, warehouse) = open().await;
    for hour in [6, 7] {
        warehouse
            .replace_counts(day(), &count(7), day().at(hour))
            .await
            .unwrap();
        let forecast = Forecast {
            counter_id: None,
            counter_name: "Quai".to_owned(),
            hour: day().first_hour(),
            prediction: 15.4,
            actual: None,
            model_type: "xgboost".to_owned(),
            model_version: Version::new(3),
            predicted_at: day().at(hour),
            model_prediction: None,
            correction: None,
            prediction_low_80: None,
            prediction_high_80: None,
            prediction_low_95: None,
            prediction_high_95: None,
            silent: None,
        };
        warehouse
            .replace_forecasts(day(), &[forecast])
            .await
            .unwrap();
    }
    assert_eq!(fake.jobs().len(), 2, "expected one job per table");
    assert!(
        fake.table(TABLE).unwrap().contains("2021-07-01 04:00:00"),
        "the table must keep the first write time"
    );
    warehouse
        .replace_counts(day(), &count(8), day().at(7))
        .await
        .unwrap();
    assert_eq!((fake.jobs().len(), loaded(&fake)), (3, vec![8]));
}

/// A finished job with the same rows does not prove that the table still holds them.
#[tokio::test]
async fn earlier_rows_are_loaded_again_after_a_replacement() {
    let (fake, warehouse) = open().await;
    for count in [7, 8, 7, 8, 7] {
        replace(&warehouse, count).await.unwrap();
        assert_eq!(loaded(&fake), [count]);
    }
}

#[tokio::test]
async fn deleted_table_is_recreated() {
    let (fake, warehouse) = open().await;
    replace(&warehouse, 7).await.unwrap();
    fake.delete_table(TABLE);
    replace(&warehouse, 7).await.unwrap();
    assert_eq!(loaded(&fake), [7]);
}

#[tokio::test]
async fn failed_job_is_retried_with_a_new_id() {
    let (fake, warehouse) = open().await;
    fake.fail_jobs(2, ("invalid", "Error while reading data"));
    for suffix in ["", "-2"] {
        let text = chain(&replace(&warehouse, 7).await.unwrap_err());
        let id = fake.jobs().last().unwrap().clone();
        assert!(
            id.ends_with(suffix) && text.contains(&format!("the load job {id} failed")),
            "{text}"
        );
        assert!(
            text.contains(&format!("cannot replace the table a-project.{TABLE}")),
            "{text}"
        );
        assert!(
            text.contains("invalid: Error while reading data; invalid: row 7"),
            "{text}"
        );
    }
    assert_eq!(fake.table(TABLE), None);
    replace(&warehouse, 7).await.unwrap();
    assert_eq!((fake.jobs().len(), loaded(&fake)), (3, vec![7]));
    assert!(fake.jobs()[2].ends_with("-3"), "{:?}", fake.jobs());
}

/// A long outage of the service must not lock a table for good.
#[tokio::test]
async fn table_is_loaded_after_any_number_of_failed_jobs() {
    let (fake, warehouse) = open().await;
    fake.fail_jobs(45, ("invalid", "Error while reading data"));
    for _ in 0..45 {
        replace(&warehouse, 7).await.unwrap_err();
    }
    let before = fake.calls();
    replace(&warehouse, 7).await.unwrap();
    assert_eq!((fake.jobs().len(), loaded(&fake)), (46, vec![7]));
    assert!(
        fake.jobs().iter().any(|id| id.ends_with("-46")),
        "{:?}",
        fake.jobs()
    );
    let calls = fake.calls() - before;
    assert!(calls <= 40, "{calls} calls for one load");
}

#[tokio::test]
async fn id_of_a_job_with_unknown_outcome_is_used_again() {
    let (fake, warehouse) = open().await;
    fake.fail_jobs(1, ("invalid", "Error while reading data"));
    replace(&warehouse, 7).await.unwrap_err();
    // The second job loads the rows, but the response to its upload is lost.
    fake.lose_responses(1);
    replace(&warehouse, 7).await.unwrap();
    replace(&warehouse, 7).await.unwrap();
    assert_eq!((fake.jobs().len(), loaded(&fake)), (2, vec![7]));
}

#[tokio::test]
async fn backend_error_is_retried_immediately_with_a_new_job() {
    let (fake, warehouse) = open().await;
    fake.fail_jobs(2, ("backendError", "An internal error occurred"));
    replace(&warehouse, 7).await.unwrap();
    assert_eq!((fake.jobs().len(), loaded(&fake)), (3, vec![7]));
}
