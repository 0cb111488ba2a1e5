//! The input example of a model: raw counts, with hours to forecast.

use forecasting::features::Frame;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shared::{
    address::ObjectPath,
    store::{Store, StoreError, read_json},
};

use super::INPUT_COLUMNS;

pub(super) const EXAMPLE_FILE: &str = "input_example.json";
/// The number of hours of the example: a week, and a day to forecast.
const EXAMPLE_HOURS: i32 = 8 * 24;
/// The number of hours to forecast, whose counts are left out.
const FORECAST_HOURS: i32 = 24;

/// Counts of one counter from the training data, in the `split` format of pandas.
///
/// The last day has no counts: `null` is a count that is not known.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Example {
    columns: Vec<String>,
    data: Vec<Vec<Value>>,
}

impl Example {
    /// Takes the last rows of a counter from a frame.
    pub(crate) fn of(frame: &Frame) -> Self {
        let Some(last) = frame
            .rows()
            .iter()
            .max_by_key(|row| (row.hour, row.counter))
        else {
            return Self::default();
        };
        let (first, first_unknown) = (
            last.hour.plus(1 - EXAMPLE_HOURS),
            last.hour.plus(1 - FORECAST_HOURS),
        );
        let counter = &frame.counters()[last.counter as usize];
        let coordinates = counter
            .coordinates
            .map(|location| format!("{},{}", location.latitude, location.longitude));
        let rows = frame.rows().iter().zip(frame.targets());
        let mut rows: Vec<_> = rows
            .filter(|(row, _)| row.counter == last.counter && row.hour >= first)
            .collect();
        rows.sort_by_key(|(row, _)| row.hour);
        let data = rows.into_iter().map(|(row, count)| {
            // The cast is exact: a count is a whole number.
            let count = (row.hour < first_unknown).then_some(*count as u32);
            vec![
                json!(counter.name),
                json!(row.hour.timestamp().to_string()),
                json!(count),
                json!(coordinates),
            ]
        });
        Self {
            data: data.collect(),
            columns: INPUT_COLUMNS.map(str::to_owned).to_vec(),
        }
    }

    /// Reads the example of a saved model. Returns an empty example if there is none.
    pub(crate) async fn load(store: &dyn Store, folder: &ObjectPath) -> Result<Self, StoreError> {
        match read_json(store, &folder.join(EXAMPLE_FILE)).await {
            Ok((example, _)) => Ok(example),
            Err(StoreError::NotFound { .. }) => Ok(Self::default()),
            Err(error) => Err(error),
        }
    }

    pub(super) fn to_json(&self) -> String {
        // Serialization cannot fail: the value consists of numbers and strings.
        serde_json::to_string(self).unwrap_or_default()
    }
}
