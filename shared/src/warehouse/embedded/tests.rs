//! Tests of ranges of daily tables that are read in several batches.

use std::fs;

use forecasting::{counts::Counter, time::Hour};

use super::*;
use crate::{
    registry::Version,
    store::{FileStore, MemoryStore},
};

const COUNTERS: i32 = 60;

fn first_day() -> Day {
    "2021-07-01".parse().unwrap()
}

/// Returns the names of the counters of a day: most of them each day in another order, and one of
/// this day only.
fn names(day: Day) -> Vec<String> {
    let start = day.first_hour().number();
    (start..start + COUNTERS)
        .map(|number| format!("Rue {}, côté Seine", number % COUNTERS))
        .chain([format!("Rue of {day}")])
        .collect()
}

fn counts_of(day: Day) -> Counts {
    let mut counts = Counts::default();
    let counters = names(day).into_iter().map(|name| {
        counts.intern(Counter {
            id: Some(format!("{name}-1")),
            name,
            coordinates: None,
        })
    });
    let counters: Vec<_> = counters.collect();
    for hour in day.hours() {
        for (number, counter) in (0..).zip(&counters) {
            counts.push(*counter, hour, hour.number().unsigned_abs() % 97 + number);
        }
    }
    counts
}

fn forecasts_of(day: Day) -> Vec<Forecast> {
    let names = names(day);
    let forecast = |(hour, name): (Hour, &String)| Forecast {
        actual: None,
        prediction: f64::from(hour.number()) / 97.0,
        model_type: "xgboost".to_owned(),
        model_version: Version::new(3),
        predicted_at: day.at(6),
        counter_id: None,
        counter_name: name.clone(),
        hour,
        model_prediction: None,
        correction: None,
        prediction_low_80: None,
        prediction_high_80: None,
        prediction_low_95: None,
        prediction_high_95: None,
        silent: Some(false),
    };
    day.hours()
        .flat_map(|hour| names.iter().map(move |name| (hour, name)))
        .map(forecast)
        .collect()
}

async fn fill(warehouse: &EmbeddedWarehouse, last: Day) {
    for day in first_day().through(last) {
        let (counts, forecasts) = (counts_of(day), forecasts_of(day));
        let ingested_at = day.plus(1).at(6);
        let written = warehouse.replace_counts(day, &counts, ingested_at).await;
        written.unwrap();
        warehouse.replace_forecasts(day, &forecasts).await.unwrap();
    }
}

#[tokio::test]
async fn long_range_is_in_the_order_of_its_days() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    let warehouse = EmbeddedWarehouse::new(Arc::clone(&store));
    let (first, last) = (first_day(), first_day().plus(39));
    fill(&warehouse, last).await;
    for dataset in [RAW, PREDICTIONS] {
        let table = store.read(&daily(dataset, first)).await.unwrap();
        assert!(table.bytes.len() * 40 > 2 * parallel::BATCH_BYTES);
    }

    let mut expected = Counts::default();
    first
        .through(last)
        .for_each(|day| expected.extend(&counts_of(day)));
    let counts = warehouse.counts(first, last).await.unwrap();
    assert_eq!(counts.counters(), expected.counters());
    assert!(counts.rows() == expected.rows());

    let expected: Vec<_> = first.through(last).flat_map(forecasts_of).collect();
    assert!(warehouse.forecasts(first, last).await.unwrap() == expected);
}

/// The second table is invalid, and the third one cannot be read.
#[tokio::test]
async fn first_error_in_the_order_of_the_days_is_returned() {
    let folder = tempfile::tempdir().unwrap();
    let store = FileStore::open(folder.path()).unwrap();
    let warehouse = EmbeddedWarehouse::new(Arc::new(store));
    let first = first_day();
    fill(&warehouse, first.plus(3)).await;
    let paths = |days: i32| [RAW, PREDICTIONS].map(|dataset| daily(dataset, first.plus(days)));
    for path in paths(1) {
        fs::write(folder.path().join(path.as_str()), "invalid\n1\n").unwrap();
    }
    for path in paths(2) {
        let generation = folder.path().join(".generations").join(path.as_str());
        fs::write(generation, "no number").unwrap();
    }
    let errors = async |from: i32, to: i32| {
        let (from, to) = (first.plus(from), first.plus(to));
        let counts = warehouse.counts(from, to).await.map(drop);
        let forecasts = warehouse.forecasts(from, to).await.map(drop);
        [counts, forecasts].map(|read| read.unwrap_err().to_string())
    };
    let invalid = paths(1).map(|path| format!("invalid table {path}"));
    let unreadable = paths(2).map(|path| format!("cannot read the table {path}"));
    assert_eq!(errors(0, 3).await, invalid);
    assert_eq!(errors(1, 1).await, invalid);
    assert_eq!(errors(2, 3).await, unreadable);
    assert!(warehouse.counts(first.plus(3), first.plus(3)).await.is_ok());
}
