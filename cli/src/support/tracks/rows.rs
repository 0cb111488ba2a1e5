//! The hours of a period with their counts and features, on which all tracks are compared.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Range,
};

use forecasting::{
    correction::{CORRECTION_DAYS, Correction, Observation},
    counts::{Counter, CounterKey, Counts},
    features::{FeatureSpec, Frame, HISTORY_DAYS, History},
    time::{Day, Hour, Week},
};
use model::{Model, ModelError};
use shared::warehouse::Forecast;

/// The hours of a period, and of the days before it that the correction learns from.
///
/// The features of each day use only counts before that day. A list of forecasts has one value for
/// each row.
pub(crate) struct LiveRows {
    frame: Frame,
    /// The days without gaps, each with its rows.
    days: Vec<(Day, Range<usize>)>,
    /// The first day of the period. Earlier days serve only the correction.
    first: Day,
    /// The first day with a full history. The correction learns nothing from earlier days, as
    /// `predict` does.
    learned_from: Day,
    positions: HashMap<(u32, Hour), usize>,
}

/// The compared rows of a week.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WeekRows {
    /// The week.
    pub(crate) week: Week,
    /// The positions of the rows in [`LiveRows`].
    pub(crate) rows: Vec<usize>,
}

impl LiveRows {
    /// Builds the rows of the days from `first` to `last` inclusive: all hours of the counters that
    /// had a count on the day before, as `predict` forecasts them.
    pub(crate) fn new(counts: &Counts, (first, last): (Day, Day)) -> Self {
        let start = first.plus(-CORRECTION_DAYS);
        let known = counts.days(start.plus(-HISTORY_DAYS), last);
        let history = History::new(&[&known]);
        let counters = 0..history.counters().len();
        let (mut rows, mut days) = (Vec::new(), Vec::new());
        for day in start.through(last) {
            let (before, begin) = (counted_on(&history, day.plus(-1)), rows.len());
            for hour in day.hours() {
                let is_row =
                    |counter: &usize| before[*counter] || !history.count(*counter, hour).is_nan();
                rows.extend(
                    counters
                        .clone()
                        .filter(is_row)
                        .map(|counter| (counter, hour)),
                );
            }
            days.push((day, begin..rows.len()));
        }
        let frame = Frame::from_rows(&FeatureSpec::for_counters([]), &history, rows.into_iter());
        let first_counted = known.period().map_or(first, |(hour, _)| hour.day());
        let keys = frame.rows().iter().map(|row| (row.counter, row.hour));
        Self {
            positions: keys.zip(0..).collect(),
            days,
            first,
            learned_from: first_counted.plus(HISTORY_DAYS),
            frame,
        }
    }

    /// Returns a model's uncorrected forecasts.
    ///
    /// # Errors
    /// Returns an error if the model cannot predict.
    pub(crate) fn forecast(&self, model: &Model) -> Result<Vec<f64>, ModelError> {
        let forecasts = model.predict(&self.frame)?;
        Ok(forecasts.into_iter().map(f64::from).collect())
    }

    /// Returns the forecasts of the period as `predict` publishes them: each day corrected by the
    /// errors of the days before it.
    pub(crate) fn correct(&self, uncorrected: &[f64]) -> Vec<f64> {
        let observations = self.observations(uncorrected);
        let window = usize::try_from(CORRECTION_DAYS).unwrap_or_default();
        let mut corrected = uncorrected.to_vec();
        for (position, (day, rows)) in self.days.iter().enumerate() {
            if *day < self.first {
                continue;
            }
            let mut correction = Correction::new(self.frame.counters().len());
            for (earlier, rows) in &self.days[position.saturating_sub(window)..position] {
                correction.learn(*earlier, &observations[rows.clone()]);
            }
            for row in rows.clone() {
                let Observation { counter, hour, .. } = observations[row];
                corrected[row] *= correction.factor(counter, hour);
            }
        }
        corrected
    }

    fn observations(&self, forecasts: &[f64]) -> Vec<Observation> {
        let learned_from = self.learned_from.first_hour();
        let rows = self.frame.rows().iter().zip(forecasts);
        let values = self.frame.targets().iter().zip(self.frame.silent());
        rows.zip(values)
            .map(|((row, forecast), (count, silent))| Observation {
                counter: row.counter as usize,
                hour: row.hour,
                forecast: *forecast,
                count: (row.hour >= learned_from && !count.is_nan()).then(|| f64::from(*count)),
                silent: *silent,
            })
            .collect()
    }

    /// Returns the seasonal naive forecasts, `NaN` where they are unknown.
    pub(crate) fn seasonal_naive(&self) -> Vec<f64> {
        let forecasts = self.frame.seasonal_naive();
        forecasts.into_iter().map(f64::from).collect()
    }

    /// Returns published forecasts, `NaN` for rows without one.
    pub(crate) fn published(&self, forecasts: &[Forecast]) -> Vec<f64> {
        let counters = self.frame.counters().iter().map(Counter::key);
        let counters: HashMap<CounterKey, u32> = counters.zip(0..).collect();
        // Folding a name takes longer than looking it up.
        let mut names = HashMap::<&str, Option<u32>>::new();
        let mut published = vec![f64::NAN; self.frame.len()];
        for forecast in forecasts {
            let counter = names
                .entry(&forecast.counter_name)
                .or_insert_with(|| counters.get(&forecast.counter_key()).copied());
            let row = counter.and_then(|counter| self.positions.get(&(counter, forecast.hour)));
            if let Some(row) = row {
                published[*row] = forecast.prediction;
            }
        }
        published
    }

    /// Returns the rows of the period that have a count and a forecast in each list, by week.
    pub(crate) fn compared(&self, forecasts: &[&[f64]]) -> Vec<WeekRows> {
        let mut weeks = BTreeMap::<Week, Vec<usize>>::new();
        for (day, rows) in &self.days {
            if *day < self.first {
                continue;
            }
            let is_compared = |row: &usize| {
                let mut values = forecasts.iter().map(|forecasts| forecasts[*row]);
                !self.frame.targets()[*row].is_nan() && values.all(|value| !value.is_nan())
            };
            let of_week = weeks.entry(day.week()).or_default();
            of_week.extend(rows.clone().filter(is_compared));
        }
        let week = |(week, rows)| WeekRows { week, rows };
        weeks.into_iter().map(week).collect()
    }

    /// Returns the counts, `NaN` where they are unknown.
    pub(crate) fn counts(&self) -> &[f32] {
        self.frame.targets()
    }
}

/// Returns `true` for each counter with a count on a day.
fn counted_on(history: &History, day: Day) -> Vec<bool> {
    let hours: Vec<_> = day.hours().collect();
    let is_counted = |counter: usize| {
        let mut counts = hours.iter().map(|hour| history.count(counter, *hour));
        counts.any(|count| !count.is_nan())
    };
    (0..history.counters().len()).map(is_counted).collect()
}

/// Returns the mean absolute error over the rows with a known forecast, or `None` if there are
/// none.
pub(crate) fn mae(rows: &[usize], forecasts: &[f64], counts: &[f32]) -> Option<f64> {
    let errors = rows
        .iter()
        .map(|row| (forecasts[*row] - f64::from(counts[*row])).abs())
        .filter(|error| !error.is_nan());
    let (mut sum, mut known) = (0.0, 0_u32);
    for error in errors {
        (sum, known) = (sum + error, known + 1);
    }
    (known > 0).then(|| sum / f64::from(known))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Day {
        text.parse().unwrap()
    }

    /// Returns counts of two counters on each hour of 70 days up to 2021-06-06, except those of
    /// `Pont` on the last two days.
    fn counts() -> Counts {
        let last = day("2021-06-06");
        let mut counts = Counts::default();
        let [quai, pont] = ["Quai", "Pont"].map(|name| {
            counts.intern(Counter {
                id: None,
                name: name.to_owned(),
                coordinates: None,
            })
        });
        for day in last.plus(-69).through(last) {
            for hour in day.hours() {
                counts.push(quai, hour, 10);
                if day < last.plus(-1) {
                    counts.push(pont, hour, 20);
                }
            }
        }
        counts
    }

    fn forecast(name: &str, hour: Hour, prediction: f64) -> Forecast {
        serde_json::from_value(serde_json::json!({
            "comptage_horaire": null,
            "prediction": prediction,
            "model_type": "xgboost",
            "model_version": 1,
            "prediction_ts": "2021-06-05 04:00:00.000000 UTC",
            "identifiant_du_compteur": null,
            "nom_du_compteur": name,
            "date_et_heure_de_comptage": hour.timestamp().strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
        }))
        .unwrap()
    }

    /// A constant forecast that is half the count becomes right by the daily correction.
    #[test]
    fn correction_learns_from_the_days_before_the_period() {
        let rows = LiveRows::new(&counts(), (day("2021-05-31"), day("2021-06-06")));
        let half: Vec<_> = rows
            .counts()
            .iter()
            .map(|count| f64::from(*count) / 2.0)
            .collect();
        let corrected = rows.correct(&half);
        let weeks = rows.compared(&[&corrected]);
        let [
            WeekRows {
                week,
                rows: of_week,
            },
        ] = &weeks[..]
        else {
            panic!("{weeks:?}");
        };
        assert_eq!(week.to_string(), "2021-W22");
        let error = mae(of_week, &corrected, rows.counts()).unwrap();
        let uncorrected = mae(of_week, &half, rows.counts()).unwrap();
        assert!(error < 0.75 * uncorrected, "{error} {uncorrected}");
    }

    #[test]
    fn rows_without_a_count_or_a_forecast_in_each_list_are_not_compared() {
        let (friday, sunday) = (day("2021-06-04"), day("2021-06-06"));
        let rows = LiveRows::new(&counts(), (friday, sunday));
        let known = vec![1.0; rows.counts().len()];
        // Both counters on Friday, and one on Saturday and Sunday.
        assert_eq!(rows.compared(&[&known])[0].rows.len(), 4 * 24);
        let hour = friday.first_hour();
        let published = rows.published(&[forecast("QUAI", hour, 7.0), forecast("Rue", hour, 9.0)]);
        let weeks = rows.compared(&[&known, &published]);
        let [row] = &weeks[0].rows[..] else {
            panic!("{weeks:?}");
        };
        assert_eq!((published[*row], rows.counts()[*row]), (7.0, 10.0));
        assert_eq!(mae(&weeks[0].rows, &published, rows.counts()), Some(3.0));
        assert_eq!(mae(&[], &published, rows.counts()), None);
    }
}
