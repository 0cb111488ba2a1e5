//! Tests of the daily tables of forecasts.

use forecasting::time::Hour;
use shared::{registry::Version, warehouse::Forecast};

use super::{Setup, day, hour, timestamp};

/// Forecasts with and without actual count and id are read back unchanged, bit for bit.
pub async fn forecasts_are_read_back(target: &Setup) {
    let day = day("2020-07-19");
    let of = |hours: i32, name: &str| forecast(hour(day, hours), name);
    let forecasts = vec![
        of(0, "97 avenue Denfert Rochereau SO-NE"),
        Forecast {
            actual: Some(0),
            prediction: 0.1 + 0.2,
            ..of(1, "Quai d'Orsay, \"E-O\"; côté Seine")
        },
        Forecast {
            actual: Some(50_000),
            counter_id: None,
            prediction: 1e-12,
            ..of(2, "Pont")
        },
        Forecast {
            predicted_at: timestamp("2020-07-18T06:00:00.123456Z"),
            ..of(3, "Pont")
        },
        Forecast {
            model_type: "naïve, weekly".to_owned(),
            model_version: Version::new(u32::MAX),
            ..of(4, "Pont")
        },
        Forecast {
            model_prediction: Some(0.1 + 0.7),
            correction: Some(2.0 / 3.0),
            prediction_low_80: Some(1e-12),
            prediction_high_80: Some(30.5),
            prediction_low_95: Some(0.0),
            prediction_high_95: Some(50_000.0),
            silent: Some(false),
            ..of(5, "Pont")
        },
        Forecast {
            prediction: 0.0,
            silent: Some(true),
            ..of(6, "Pont")
        },
    ];
    target
        .warehouse
        .replace_forecasts(day, &forecasts)
        .await
        .unwrap();
    assert_eq!(
        sorted(target.warehouse.forecasts(day, day).await.unwrap()),
        forecasts
    );
}

/// Writing forecasts again replaces them. `predict` adds the actual counts this way.
pub async fn rewritten_forecasts_are_replaced(target: &Setup) {
    let day = day("2021-07-19");
    let without: Vec<_> = day.hours().map(|hour| forecast(hour, "Quai")).collect();
    let with: Vec<_> = without
        .iter()
        .map(|row| Forecast {
            actual: Some(7),
            ..row.clone()
        })
        .collect();
    for forecasts in [&without[..], &with[..], &with[..5]] {
        target
            .warehouse
            .replace_forecasts(day, forecasts)
            .await
            .unwrap();
        assert_eq!(
            sorted(target.warehouse.forecasts(day, day).await.unwrap()),
            forecasts
        );
    }
}

/// A range includes its first and last day and skips days without a table.
pub async fn forecast_range_includes_both_ends_and_skips_gaps(target: &Setup) {
    for text in ["2022-07-01", "2022-07-03"] {
        let rows = [forecast(day(text).first_hour(), "Quai")];
        target
            .warehouse
            .replace_forecasts(day(text), &rows)
            .await
            .unwrap();
    }
    let cases: [(&str, &str, &[&str]); 3] = [
        ("2022-07-01", "2022-07-03", &["2022-07-01", "2022-07-03"]),
        ("2022-07-02", "2022-07-09", &["2022-07-03"]),
        ("2022-07-02", "2022-07-02", &[]),
    ];
    for (first, last, expected) in cases {
        let forecasts = target
            .warehouse
            .forecasts(day(first), day(last))
            .await
            .unwrap();
        let days: Vec<_> = sorted(forecasts)
            .iter()
            .map(|row| row.hour.day().to_string())
            .collect();
        assert_eq!(days, expected, "{first} to {last}");
    }
}

pub(super) fn forecast(hour: Hour, name: &str) -> Forecast {
    Forecast {
        counter_id: Some("100003096-SC".to_owned()),
        counter_name: name.to_owned(),
        hour,
        prediction: 15.4,
        actual: None,
        model_type: "xgboost".to_owned(),
        model_version: Version::new(3),
        predicted_at: hour.plus(-20).timestamp(),
        model_prediction: None,
        correction: None,
        prediction_low_80: None,
        prediction_high_80: None,
        prediction_low_95: None,
        prediction_high_95: None,
        silent: None,
    }
}

pub(super) fn sorted(mut forecasts: Vec<Forecast>) -> Vec<Forecast> {
    forecasts.sort_by_key(|forecast| forecast.hour);
    forecasts
}
