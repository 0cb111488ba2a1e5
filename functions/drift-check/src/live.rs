//! The accuracy of a week's stored forecasts, beyond the rules of the training strategy.

use std::collections::HashMap;

use forecasting::{
    counts::{Counter, CounterKey},
    features::{Frame, Outage},
    metrics::{self, Breakdown, ForecastRow, Scores},
    policy::LiveError,
};
use runtime::Error;
use shared::{warehouse::Forecast, week_report::LiveAccuracy};

use crate::intervals::{coverage, of_80, of_95};

/// The errors of a week's stored forecasts by counter, hour and weekday.
pub(crate) struct Breakdowns {
    /// The errors of the published forecasts.
    pub(crate) published: Breakdown,
    /// The errors of the model alone, without the daily correction.
    pub(crate) uncorrected: Breakdown,
}

impl Breakdowns {
    fn of(rows: &[Row<'_>], frame: &Frame) -> Self {
        let breakdown = |forecast: fn(&Forecast) -> f64| {
            let rows: Vec<_> = rows
                .iter()
                .map(|row| ForecastRow {
                    counter: row.counter,
                    hour: row.forecast.hour,
                    count: row.count,
                    forecast: forecast(row.forecast),
                    seasonal_naive: row.seasonal_naive,
                    is_living: row.is_living,
                })
                .collect();
            Breakdown::of_forecasts(&rows, frame.counters())
        };
        Self {
            published: breakdown(|forecast| forecast.prediction),
            uncorrected: breakdown(Forecast::uncorrected),
        }
    }
}

/// The scores of a week's stored forecasts.
#[derive(Clone, Copy)]
pub(crate) struct Live {
    /// The scores of the published forecasts.
    pub(crate) published: Scores,
    /// Their accuracy in other respects.
    pub(crate) accuracy: LiveAccuracy,
}

impl Live {
    /// Scores the forecasts of hours with a count in the frame, and breaks their errors down. Returns
    /// `None` if there are none.
    pub(crate) fn of(
        forecasts: &[Forecast],
        frame: &Frame,
    ) -> Result<Option<(Self, Breakdowns)>, Error> {
        let rows = rows(forecasts, frame);
        if rows.is_empty() {
            return Ok(None);
        }
        let live = scores(&rows).map_err(|source| {
            Error::permanent("cannot score the stored forecasts").caused_by(source)
        })?;
        Ok(Some((live, Breakdowns::of(&rows, frame))))
    }

    /// Returns the error that a policy compares with the champion's on the fixed test set.
    pub(crate) fn error(&self, test_mae: f64) -> LiveError {
        LiveError {
            mae: self.published.mae,
            test_mae,
        }
    }

    /// Describes the accuracy in a sentence, to follow that about the MAE.
    pub(crate) fn sentence(&self) -> String {
        let Self {
            published,
            accuracy,
        } = self;
        let mut parts = vec![bias(published)];
        if let Some(share) = published.share {
            parts.push(format!("error {:.0} % of the counts", share * 100.0));
        }
        if let Some(naive) = accuracy.seasonal_naive {
            parts.push(format!("seasonal naive's MAE {:.1}", naive.mae));
        }
        if accuracy.uncorrected != *published {
            let mae = accuracy.uncorrected.mae;
            parts.push(format!("MAE {mae:.1} without the daily correction"));
        }
        parts.join(", ")
    }
}

fn bias(scores: &Scores) -> String {
    let (bias, relative) = (scores.bias.unwrap_or_default(), scores.relative_bias());
    let percent = relative.map_or_else(String::new, |relative| {
        format!(" ({:.0} % of the counts)", relative.abs() * 100.0)
    });
    if bias.abs() < 0.05 {
        return "the forecasts are neither too high nor too low on average".to_owned();
    }
    let direction = if bias < 0.0 { "low" } else { "high" };
    format!(
        "the forecasts are {:.1} bicycles an hour too {direction} on average{percent}",
        bias.abs()
    )
}

/// A stored forecast with the count of its hour.
struct Row<'a> {
    /// The position of the counter in the list of the frame.
    counter: usize,
    forecast: &'a Forecast,
    count: f64,
    seasonal_naive: Option<f64>,
    is_living: bool,
}

impl Row<'_> {
    /// Returns `true` if the row says something about intervals: silent counters have none.
    fn has_evidence(&self) -> bool {
        self.is_living && self.forecast.silent != Some(true)
    }
}

/// Joins forecasts with the rows of a frame. Forecasts without a count, and those of other hours, are
/// omitted.
fn rows<'a>(forecasts: &'a [Forecast], frame: &Frame) -> Vec<Row<'a>> {
    let counters: HashMap<CounterKey, usize> =
        frame.counters().iter().map(Counter::key).zip(0..).collect();
    let positions: HashMap<_, usize> = frame
        .rows()
        .iter()
        .map(|row| (row.counter as usize, row.hour))
        .zip(0..)
        .collect();
    let seasonal_naive = frame.seasonal_naive();
    // Folding a name takes longer than looking it up.
    let mut names = HashMap::<&str, Option<usize>>::new();
    let row = |forecast: &'a Forecast| {
        let counter = *names
            .entry(&forecast.counter_name)
            .or_insert_with(|| counters.get(&forecast.counter_key()).copied());
        let counter = counter?;
        let position = *positions.get(&(counter, forecast.hour))?;
        let naive = f64::from(seasonal_naive[position]);
        Some(Row {
            counter,
            forecast,
            count: f64::from(frame.targets()[position]),
            seasonal_naive: (!naive.is_nan()).then_some(naive),
            is_living: !matches!(frame.outages()[position], Outage::Zeros),
        })
    };
    forecasts.iter().filter_map(row).collect()
}

fn scores(rows: &[Row<'_>]) -> Result<Live, metrics::Error> {
    let all = || rows.iter();
    let published = |row: &Row<'_>| (row.forecast.prediction, row.count);
    let living = all().filter(|row| row.is_living).map(published);
    let naive = all().filter_map(|row| row.seasonal_naive.zip(Some(row.count)));
    let evidence = || all().filter(|row| row.has_evidence());
    let intervals = |interval: fn(&Forecast) -> Option<(f64, f64)>| {
        coverage(evidence().filter_map(|row| interval(row.forecast).zip(Some(row.count))))
    };
    Ok(Live {
        published: score(all().map(published))?,
        accuracy: LiveAccuracy {
            uncorrected: score(all().map(|row| (row.forecast.uncorrected(), row.count)))?,
            living: score_any(living)?,
            seasonal_naive: score_any(naive)?,
            interval_80: intervals(of_80),
            interval_95: intervals(of_95),
        },
    })
}

/// Scores pairs of a forecast and a count.
fn score(pairs: impl Iterator<Item = (f64, f64)>) -> Result<Scores, metrics::Error> {
    let (predictions, actuals): (Vec<f64>, Vec<f64>) = pairs.unzip();
    Scores::new(&predictions, &actuals)
}

/// Scores pairs of a forecast and a count, if there are any.
fn score_any(pairs: impl Iterator<Item = (f64, f64)>) -> Result<Option<Scores>, metrics::Error> {
    match score(pairs) {
        Ok(scores) => Ok(Some(scores)),
        Err(metrics::Error::NoRows) => Ok(None),
        Err(error) => Err(error),
    }
}
