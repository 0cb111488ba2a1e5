//! Tests of the published forecasts: correction, intervals and silent counters.

use forecasting::{
    correction::{CORRECTION_DAYS, Observation, correct},
    interval::intervals,
    time::Hour,
};

use super::*;
use crate::recent::Adjustments;

const COLUMNS: [&str; 8] = [
    "prediction",
    "model_prediction",
    "correction",
    "prediction_low_80",
    "prediction_high_80",
    "prediction_low_95",
    "prediction_high_95",
    "silent",
];

async fn forecasts(ports: &Ports, text: &str) -> Vec<Forecast> {
    ports
        .warehouse
        .forecasts(day(text), day(text))
        .await
        .unwrap()
}

/// Returns ports with a champion, and twice as many bicycles in the last week as it was trained on.
async fn busier_ports() -> Ports {
    let ports = ports(true).await;
    let week = day("2021-07-13").through(day("2021-07-19"));
    replace_counts(&ports, &counts_of(week, 2)).await;
    ports
}

#[tokio::test]
async fn correction_follows_a_change_that_the_champion_does_not_know() {
    let ports = busier_ports().await;
    assert!(ingested(&ports, "2021-07-19").await.is_ok());
    let (mut error_before, mut error_after) = (0.0, 0.0);
    for row in forecasts(&ports, "2021-07-20").await {
        let (model, correction) = (row.model_prediction.unwrap(), row.correction.unwrap());
        assert_eq!(row.prediction, correction * model);
        assert_eq!((row.uncorrected(), row.silent), (model, Some(false)));
        assert!(correction > 1.0, "{row:?}");
        let expected = 2.0 * f64::from(row.hour.local().hour);
        error_before += (model - expected).abs();
        error_after += (row.prediction - expected).abs();
    }
    assert!(
        error_after < 0.9 * error_before,
        "{error_after} instead of {error_before}"
    );
}

/// With thirty days of counts, no earlier day has the history that its features need.
#[tokio::test]
async fn forecasts_after_a_short_history_are_not_corrected() {
    let ports = empty_ports();
    let month = day("2021-06-20").through(day("2021-07-19"));
    replace_counts(&ports, &counts_of(month, 2)).await;
    promote(&ports, &counts()).await;
    assert!(ingested(&ports, "2021-07-19").await.is_ok());
    for row in forecasts(&ports, "2021-07-20").await {
        assert_eq!(row.correction, Some(1.0), "{row:?}");
        assert_eq!(row.model_prediction, Some(row.prediction), "{row:?}");
        assert_eq!(row.prediction_low_80, None, "{row:?}");
    }
}

#[tokio::test]
async fn intervals_are_nested() {
    let ports = busier_ports().await;
    assert!(ingested(&ports, "2021-07-19").await.is_ok());
    for row in forecasts(&ports, "2021-07-20").await {
        let ends = [
            row.prediction_low_95,
            row.prediction_low_80,
            row.prediction_high_80,
            row.prediction_high_95,
        ];
        assert!(ends.is_sorted() && ends[0] >= Some(0.0), "{row:?}");
        assert!(ends[0] < ends[3], "{row:?}");
    }
}

#[tokio::test]
async fn answer_for_the_next_day_equals_the_stored_forecasts() {
    let ports = busier_ports().await;
    assert!(ingested(&ports, "2021-07-19").await.is_ok());
    let stored = forecasts(&ports, "2021-07-20").await;
    let record = |row: &Forecast| json!({ "identifiant_du_compteur": "7", "date_et_heure_de_comptage": row.hour.to_string() });
    let records: Vec<_> = stored.iter().map(record).collect();
    let (status, reply) = post_records(&ports, &json!({ "records": records }).to_string()).await;
    assert_eq!(status, StatusCode::OK, "{reply}");
    let answers = reply["predictions"].as_array().unwrap();
    assert_eq!(answers.len(), 24);
    for (answer, row) in answers.iter().zip(&stored) {
        let row = serde_json::to_value(row).unwrap();
        for column in COLUMNS {
            assert_eq!(answer[column], row[column], "{column}: {answer}");
            assert!(!row[column].is_null(), "{column}: {row}");
        }
    }
}

/// The last count is three weeks old. The stored forecasts were made from the counts of the 58 days
/// before it, not of the 58 days before today.
#[tokio::test]
async fn answer_after_late_counts_equals_the_stored_forecasts() {
    let now = "2021-08-10T04:00:00Z".parse().unwrap();
    let ports = Ports {
        clock: Arc::new(SimulatedClock::new(now)),
        ..busier_ports().await
    };
    assert!(ingested(&ports, "2021-07-19").await.is_ok());
    let stored = forecasts(&ports, "2021-07-20").await;
    let body = r#"{"records":[
        {"nom_du_compteur":"Quai E-O","date_et_heure_de_comptage":"2021-07-20T08:00:00+02:00"}
    ]}"#;
    let (_, reply) = post_records(&ports, body).await;
    let prediction = reply["predictions"][0]["prediction"].as_f64();
    assert_eq!(prediction, Some(stored[8].prediction), "{reply}");
}

#[tokio::test]
async fn silent_counter_is_flagged_and_forecast_as_0_without_an_interval() {
    let ports = ports(true).await;
    let outage = day("2021-07-18").through(day("2021-07-19"));
    replace_counts(&ports, &counts_of(outage, 0)).await;
    let outcome = ingested(&ports, "2021-07-19").await.unwrap();
    let rows = forecasts(&ports, "2021-07-20").await;
    assert_eq!(rows.len(), 24);
    for row in rows {
        assert_eq!((row.prediction, row.silent), (0.0, Some(true)), "{row:?}");
        assert_eq!(row.model_prediction, Some(0.0), "{row:?}");
        let ends = (row.prediction_low_80, row.prediction_high_95);
        assert_eq!(ends, (None, None), "{row:?}");
    }
    let detail = &outcome.entry().detail;
    assert_eq!(detail["silent_counters"], json!(1));
    assert_eq!(detail["silent_counter_names"], json!(["Quai E-O"]));
    assert_eq!(detail["median_correction"], Value::Null);
    assert_eq!(detail["mean_width_80"], Value::Null);
}

#[tokio::test]
async fn audit_entry_has_median_correction_and_mean_widths() {
    let ports = busier_ports().await;
    let outcome = ingested(&ports, "2021-07-19").await.unwrap();
    let rows = forecasts(&ports, "2021-07-20").await;
    let mut corrections: Vec<_> = rows.iter().map(|row| row.correction.unwrap()).collect();
    corrections.sort_by(f64::total_cmp);
    let width = |row: &Forecast| row.prediction_high_95.unwrap() - row.prediction_low_95.unwrap();
    let detail = &outcome.entry().detail;
    for (name, expected) in [
        (
            "median_correction",
            f64::midpoint(corrections[11], corrections[12]),
        ),
        ("mean_width_95", rows.iter().map(width).sum::<f64>() / 24.0),
    ] {
        let found = detail[name].as_f64().unwrap();
        assert!((found - expected).abs() < 1e-9, "{name}: {found}");
    }
    assert_eq!(detail["silent_counters"], json!(0));
    assert!(detail["mean_width_80"].as_f64() < detail["mean_width_95"].as_f64());
}

#[tokio::test]
async fn forecasts_depend_only_on_champion_and_earlier_counts() {
    let first = ports(true).await;
    assert!(ingested(&first, "2021-07-18").await.is_ok());
    let expected = forecasts(&first, "2021-07-19").await;
    assert_eq!(expected.len(), 24);

    let second = ports(true).await;
    let later = day("2021-07-19").through(day("2021-07-19"));
    replace_counts(&second, &counts_of(later, 9)).await;
    for stored in day("2021-07-10").through(day("2021-07-18")) {
        let days = day("2021-07-19").days_until(stored);
        let other = |row: &Forecast| Forecast {
            prediction: 900.0,
            model_prediction: Some(900.0),
            hour: row.hour.plus(24 * days),
            ..row.clone()
        };
        let others: Vec<_> = expected.iter().map(other).collect();
        second
            .warehouse
            .replace_forecasts(stored, &others)
            .await
            .unwrap();
    }
    assert!(ingested(&second, "2021-07-18").await.is_ok());
    // The counts of the forecast day settle its forecasts, and change nothing else.
    let unsettled = |row: Forecast| Forecast {
        actual: None,
        ..row
    };
    let found = forecasts(&second, "2021-07-19").await.into_iter();
    let expected = expected.into_iter().map(unsettled);
    assert!(found.map(unsettled).eq(expected));
}

/// Returns an observation whose count is above the forecast.
fn observation(counter: usize, hour: Hour) -> Observation {
    let forecast = f64::from(hour.local().hour);
    let noise = f64::from(hour.number() % 7);
    Observation {
        counter,
        hour,
        forecast,
        count: Some(forecast * (counter as f64 + 1.0) + noise),
        silent: counter == 1 && noise == 0.0,
    }
}

#[test]
fn adjustments_equal_those_of_served_rows() {
    let target = day("2021-07-20");
    let rows: Vec<_> = target
        .plus(-CORRECTION_DAYS)
        .through(target)
        .flat_map(Day::hours)
        .flat_map(|hour| [observation(0, hour), observation(1, hour)])
        .collect();
    let known = rows.partition_point(|row| row.hour < target.first_hour());
    let adjustments = Adjustments::new(2, &rows[..known], target);
    let factors = correct(&rows);
    for ((row, factor), intervals) in rows.iter().zip(&factors).zip(intervals(&rows, &factors)) {
        let published = adjustments.publish((row.counter, row.hour), row.forecast, row.silent);
        assert_eq!(published.correction, *factor, "{row:?}");
        let low = intervals.map(|intervals| intervals.level_80.low);
        assert_eq!(published.prediction_low_80, low, "{row:?}");
        let high = intervals.map(|intervals| intervals.level_95.high);
        assert_eq!(published.prediction_high_95, high, "{row:?}");
    }
    let beyond = adjustments.publish((0, target.plus(1).first_hour()), 7.0, false);
    assert_eq!((beyond.prediction, beyond.correction), (7.0, 1.0));
    assert_eq!(beyond.prediction_low_80, None);
}
