//! The forecasts of one day.

use std::collections::BTreeSet;

use forecasting::{
    features::{Frame, FrameRow, History},
    time::Day,
};
use runtime::Error;
use shared::{
    Timestamp,
    warehouse::{Forecast, Warehouse},
};

use crate::{
    Champion,
    recent::{Adjustments, recent_observations},
};

/// Forecasts every hour of the day `target` for each counter with a count on the day `last`.
///
/// The forecasts are corrected and have intervals, both from the errors of the champion on the days
/// before `target`. `last` is the last day of `history`. The history starts 58 days before
/// `target`: 28 for the correction, and the 30 that the features of the first of these need. The
/// result is empty if the last day has no counts.
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
    if counters.is_empty() {
        return Ok(Vec::new());
    }
    let observations = recent_observations(champion, history, target)?;
    let adjustments = Adjustments::new(history.counters().len(), &observations, target);
    let rows = target
        .hours()
        .flat_map(|hour| counters.iter().map(move |counter| (*counter, hour)));
    let frame = Frame::from_rows(champion.model.features(), history, rows);
    let predictions = champion.model.predict(&frame)?;
    let forecast = |((row, prediction), silent): ((&FrameRow, f32), &bool)| {
        let position = row.counter as usize;
        let counter = &frame.counters()[position];
        let published = adjustments.publish((position, row.hour), f64::from(prediction), *silent);
        Forecast {
            counter_id: counter.id.clone(),
            counter_name: counter.name.clone(),
            hour: row.hour,
            prediction: published.prediction,
            actual: None,
            model_type: champion.model.card().model_type.clone(),
            model_version: champion.version,
            predicted_at: now,
            model_prediction: Some(published.model_prediction),
            correction: Some(published.correction),
            prediction_low_80: published.prediction_low_80,
            prediction_high_80: published.prediction_high_80,
            prediction_low_95: published.prediction_low_95,
            prediction_high_95: published.prediction_high_95,
            silent: Some(published.silent),
        }
    };
    let rows = frame.rows().iter().zip(predictions).zip(frame.silent());
    Ok(rows.map(forecast).collect())
}

/// The summary of a day's forecasts in the audit log.
#[derive(Debug, PartialEq)]
pub(crate) struct Summary {
    /// The names of the silent counters, in alphabetical order.
    pub(crate) silent_counter_names: BTreeSet<String>,
    /// The median correction of the other counters.
    pub(crate) median_correction: Option<f64>,
    /// The mean width of the 80 % intervals.
    pub(crate) mean_width_80: Option<f64>,
    /// The mean width of the 95 % intervals.
    pub(crate) mean_width_95: Option<f64>,
}

impl Summary {
    pub(crate) fn of(forecasts: &[Forecast]) -> Self {
        let is_silent = |forecast: &&Forecast| forecast.silent == Some(true);
        let names = forecasts.iter().filter(is_silent);
        let silent_counter_names: BTreeSet<_> = names
            .map(|forecast| forecast.counter_name.clone())
            .collect();
        let living = forecasts.iter().filter(|forecast| !is_silent(forecast));
        let corrections = living.filter_map(|forecast| forecast.correction).collect();
        let widths = |low: fn(&Forecast) -> Option<f64>, high: fn(&Forecast) -> Option<f64>| {
            let width = |forecast: &Forecast| Some(high(forecast)? - low(forecast)?);
            mean(&forecasts.iter().filter_map(width).collect::<Vec<_>>())
        };
        Self {
            silent_counter_names,
            median_correction: median(corrections),
            mean_width_80: widths(|row| row.prediction_low_80, |row| row.prediction_high_80),
            mean_width_95: widths(|row| row.prediction_low_95, |row| row.prediction_high_95),
        }
    }
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    let last = values.len().checked_sub(1)?;
    Some(f64::midpoint(values[last / 2], values[last.div_ceil(2)]))
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
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
