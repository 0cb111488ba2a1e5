//! Published forecasts compared with an independent implementation in Python, which reads the same
//! counts and the same model.

use forecasting::counts;
use shared::store::Condition;

use super::*;

const COUNTS: &[u8] = include_bytes!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../shared/forecasting/tests/fixtures/features/spring_counts.csv"
));
const MODEL: &[u8] = include_bytes!("../fixtures/model.ubj");
const CARD: &[u8] = include_bytes!("../fixtures/card.json");
const PUBLISHED: &str = include_str!("../fixtures/published.csv");
const TOLERANCE: f64 = 1e-4;

/// Returns ports with the tables of the counts before 2021-04-06, and with the model.
async fn ports_of_python() -> Ports {
    let mut rejects = Vec::new();
    let counts = counts::read(COUNTS, &mut rejects).unwrap();
    assert!(rejects.is_empty(), "{rejects:?}");
    let (first, _) = counts.period().unwrap();
    let ports = empty_ports();
    replace_counts(&ports, &counts.days(first.day(), day("2021-04-05"))).await;
    let run = Run::new("champion-python".parse().unwrap(), Timestamp::UNIX_EPOCH);
    for (name, contents) in [("model.ubj", MODEL), ("card.json", CARD)] {
        let path = run.artifacts.join(name);
        let contents = contents.to_vec().into();
        ports
            .store
            .write(&path, contents, Condition::Always)
            .await
            .unwrap();
    }
    register(&ports, &run, None).await;
    ports
}

#[tokio::test]
async fn published_forecasts_equal_those_of_python() {
    let ports = ports_of_python().await;
    assert!(ingested(&ports, "2021-04-05").await.is_ok());
    let day = day("2021-04-06");
    let forecasts = ports.warehouse.forecasts(day, day).await.unwrap();
    let key = |row: &Forecast| (row.counter_name.clone(), row.hour.to_string());
    let found: BTreeMap<_, _> = forecasts.iter().map(|row| (key(row), row)).collect();
    let expected: Vec<Vec<&str>> = PUBLISHED
        .lines()
        .skip(1)
        .map(|line| line.split(',').collect())
        .collect();
    assert_eq!((found.len(), expected.len()), (96, 96));
    for cells in expected {
        let row = found[&(cells[0].to_owned(), cells[1].to_owned())];
        let values = [
            Some(row.prediction),
            row.model_prediction,
            row.correction,
            row.prediction_low_80,
            row.prediction_high_80,
            row.prediction_low_95,
            row.prediction_high_95,
        ];
        for (value, cell) in values.into_iter().zip(&cells[2..]) {
            let expected: Option<f64> = (!cell.is_empty()).then(|| cell.parse().unwrap());
            let is_close = match (value, expected) {
                (Some(value), Some(expected)) => (value - expected).abs() <= TOLERANCE,
                (value, expected) => value == expected,
            };
            assert!(is_close, "{value:?} instead of {expected:?}: {row:?}");
        }
        assert_eq!(row.silent, Some(cells[9] == "true"), "{row:?}");
    }
}
