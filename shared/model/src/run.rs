//! The parts of a training run that champions and challengers have in common.

use std::collections::BTreeMap;

use forecasting::{
    correction::{BANDS, band},
    features::{COLUMNS, Frame, Outage},
    metrics::{self, Scores},
};

use crate::{Model, ModelCard, ModelError};

impl ModelCard {
    /// Returns the parameters of a run that trains this model, with the names of the training
    /// strategy: `learning_rate` instead of `eta`, and `rounds` for all trees of the model.
    ///
    /// `epochs` is the number of rounds that the run has trained.
    pub fn run_params(&self, epochs: u32) -> BTreeMap<String, String> {
        let mut params = self.params.clone();
        if let Some(rate) = params.remove("eta") {
            params.insert("learning_rate".to_owned(), rate);
        }
        params.insert("rounds".to_owned(), self.rounds.to_string());
        params.insert("epochs".to_owned(), epochs.to_string());
        params
    }
}

impl Model {
    /// Returns the share of each feature in the total gain of all splits, in the order of
    /// [`COLUMNS`]. Features without splits have 0.
    ///
    /// # Errors
    /// Returns an error if XGBoost fails.
    pub fn importance(&self) -> Result<Vec<(&'static str, f64)>, ModelError> {
        let gains = self.booster.total_gains().map_err(ModelError::Predict)?;
        let sum: f64 = gains.iter().map(|(_, gain)| f64::from(*gain)).sum();
        let share = |(position, column): (usize, &'static str)| {
            // A booster without names has numbers.
            let number = format!("f{position}");
            let found = gains
                .iter()
                .find(|(name, _)| name == column || *name == number);
            let gain = found.map_or(0.0, |(_, gain)| f64::from(*gain));
            (column, if sum > 0.0 { gain / sum } else { 0.0 })
        };
        Ok(COLUMNS.into_iter().enumerate().map(share).collect())
    }

    /// Returns the metrics of a run: those of the model's forecasts of the fixed test set, and the
    /// importance of features. `frame` are the rows of the forecasts.
    ///
    /// | metric | rows |
    /// |---|---|
    /// | `test_mae`, `test_rmse`, `test_r2`, `test_bias` | all |
    /// | `test_mae_living` | living counters |
    /// | `test_mae_hours_06_09` and others | a part of the day |
    /// | `test_mae_naive` | those with a seasonal naive forecast, whose MAE this is |
    /// | `importance_hour` and others | none: the share of a feature in the gain of all splits |
    ///
    /// # Errors
    /// Returns an error if XGBoost fails or the frame has no rows.
    pub fn run_metrics(
        &self,
        frame: &Frame,
        forecasts: &[f32],
    ) -> Result<BTreeMap<String, f64>, ModelError> {
        let naive = frame.seasonal_naive();
        let of = |forecasts: &[f32], is_selected: &dyn Fn(usize) -> bool| {
            let selected: Vec<_> = (0..frame.len()).filter(|row| is_selected(*row)).collect();
            let forecasts: Vec<_> = selected.iter().map(|row| forecasts[*row]).collect();
            let counts: Vec<_> = selected.iter().map(|row| frame.targets()[*row]).collect();
            match Scores::new(&forecasts, &counts) {
                Ok(scores) => Ok(Some(scores)),
                Err(metrics::Error::NoRows) => Ok(None),
                Err(error) => Err(ModelError::Score(error)),
            }
        };
        let all = Scores::new(forecasts, frame.targets()).map_err(ModelError::Score)?;
        let mut metrics: BTreeMap<String, f64> = [
            ("test_mae", all.mae),
            ("test_rmse", all.rmse),
            ("test_r2", all.r2),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        metrics.extend(all.bias.map(|bias| ("test_bias".to_owned(), bias)));
        let mut add = |name: &str, scores: Option<Scores>| {
            metrics.extend(scores.map(|scores| (name.to_owned(), scores.mae)));
        };
        let is_living = |row: usize| frame.outages()[row] != Outage::Zeros;
        add("test_mae_living", of(forecasts, &is_living)?);
        add(
            "test_mae_naive",
            of(&naive, &|row: usize| !naive[row].is_nan())?,
        );
        for (position, (first, last)) in BANDS.into_iter().enumerate() {
            let is_in_band = |row: usize| band(frame.rows()[row].hour) == position;
            let name = format!("test_mae_hours_{first:02}_{last:02}");
            add(&name, of(forecasts, &is_in_band)?);
        }
        let importance = self.importance()?.into_iter();
        metrics.extend(importance.map(|(column, share)| (format!("importance_{column}"), share)));
        Ok(metrics)
    }
}
