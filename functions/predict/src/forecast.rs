//! The forecasts of one day.

use forecasting::{
    features::{Frame, History},
    time::Day,
};
use runtime::Error;
use shared::{
    Timestamp,
    warehouse::{Forecast, Warehouse},
};

use crate::Champion;

/// Forecasts every hour of the day `target` for each counter with a count on the day `last`.
///
/// `last` is the last day of `history`. The result is empty if that day has no counts.
///
/// # Errors
/// Returns an error if the model cannot predict.
pub fn forecast_day(
    champion: &Champion,
    history: &History,
    last: Day,
    target: Day,
    now: Timestamp,
) -> Result<Vec<Forecast>, Error> {
    let counted = |counter: &usize| {
        last.hours()
            .any(|hour| !history.count(*counter, hour).is_nan())
    };
    let counters: Vec<_> = (0..history.counters().len()).filter(counted).collect();
    let rows = target
        .hours()
        .flat_map(|hour| counters.iter().map(move |counter| (*counter, hour)));
    let frame = Frame::from_rows(champion.model.features(), history, rows);
    let predictions = champion.model.predict(&frame)?;
    let forecast = |(row, prediction): (&forecasting::features::FrameRow, f32)| {
        let counter = &frame.counters()[row.counter as usize];
        Forecast {
            counter_id: counter.id.clone(),
            counter_name: counter.name.clone(),
            hour: row.hour,
            prediction: f64::from(prediction),
            actual: None,
            model_type: champion.model.card().model_type.clone(),
            model_version: champion.version,
            predicted_at: now,
        }
    };
    Ok(frame.rows().iter().zip(predictions).map(forecast).collect())
}

/// Writes the counts of a day into its forecasts, and returns the number of forecasts with a count.
///
/// # Errors
/// Returns an error if the warehouse cannot be read or written.
pub async fn settle(
    warehouse: &dyn Warehouse,
    history: &History,
    day: Day,
) -> Result<usize, Error> {
    let mut forecasts = warehouse.forecasts(day, day).await?;
    if forecasts.is_empty() {
        return Ok(0);
    }
    for forecast in &mut forecasts {
        let count = history
            .position(&forecast.counter_key())
            .map_or(f32::NAN, |counter| history.count(counter, forecast.hour));
        // The cast is exact: a count is a whole number.
        forecast.actual = (!count.is_nan()).then_some(count as u32);
    }
    warehouse.replace_forecasts(day, &forecasts).await?;
    Ok(forecasts
        .iter()
        .filter(|forecast| forecast.actual.is_some())
        .count())
}
