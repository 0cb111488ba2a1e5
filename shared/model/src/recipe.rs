//! The parameters of training and fine-tuning.

use std::{num::NonZeroU32, str::FromStr};

use serde::{Deserialize, Serialize};
use strum::IntoStaticStr;

/// The parameters of training a champion.
///
/// The defaults were chosen on the real data. 500 rounds at 0.03 have an MAE of TBD on the fixed
/// test set. 300 rounds at 0.05 have one of TBD, in three fifths of the time for training and
/// forecasting.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainRecipe {
    /// The number of boosting rounds.
    pub rounds: u32,
    /// The weight of each round (`eta` of XGBoost).
    pub learning_rate: f64,
    /// The maximum depth of a tree.
    pub max_depth: u32,
    /// The minimum total weight of the rows in a leaf.
    pub min_child_weight: f64,
    /// The share of rows sampled for each tree.
    pub subsample: f64,
    /// The share of columns sampled for each tree.
    pub colsample_bytree: f64,
    /// The seed of the random number generator.
    pub seed: u32,
    /// The number of rounds without a better MAE of the square roots on the last 20 % of the time
    /// after which training stops. `None` disables early stopping.
    pub early_stopping_rounds: Option<NonZeroU32>,
    /// The device to train on.
    pub device: Device,
}

impl Default for TrainRecipe {
    fn default() -> Self {
        Self {
            rounds: 300,
            learning_rate: 0.05,
            max_depth: 6,
            min_child_weight: 50.0,
            subsample: 0.8,
            colsample_bytree: 0.5,
            seed: 42,
            early_stopping_rounds: None,
            device: Device::Cpu,
        }
    }
}

impl TrainRecipe {
    /// Returns the parameters for XGBoost.
    pub(crate) fn params(&self) -> Vec<(String, String)> {
        let mut params = base_params(self.learning_rate, self.max_depth, self.seed);
        params.push(("device".to_owned(), self.device.name().to_owned()));
        params.push((
            "min_child_weight".to_owned(),
            self.min_child_weight.to_string(),
        ));
        params.push(("subsample".to_owned(), self.subsample.to_string()));
        params.push((
            "colsample_bytree".to_owned(),
            self.colsample_bytree.to_string(),
        ));
        params
    }
}

/// The parameters of fine-tuning a champion, named as in the training strategy. The environment
/// variable `FINE_TUNE` holds the deviations from the default as JSON.
///
/// The default changes the model little. On the real data of summer 2021, the champion's lags
/// already follow a falling level. Stronger parameters (`learning_rate` 0.03, 60 `epochs`)
/// increased the error on the fresh week by 4 to 17 %.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FineTuneRecipe {
    /// The weight of each new round.
    pub learning_rate: f64,
    /// The number of new rounds, boosted on the recent rows.
    pub epochs: u32,
    /// The number of the champion's first rounds to retain. Later rounds are dropped before the new
    /// ones are added. `None` retains all rounds.
    pub freeze_layers: Option<u32>,
}

impl Default for FineTuneRecipe {
    fn default() -> Self {
        Self {
            learning_rate: 0.01,
            epochs: 30,
            freeze_layers: None,
        }
    }
}

impl FineTuneRecipe {
    /// Returns the parameters for XGBoost. Trees are shallower and leaves have more rows than the
    /// champion's, because a month has few rows.
    pub(crate) fn params(&self) -> Vec<(String, String)> {
        let mut params = base_params(self.learning_rate, 4, 42);
        params.push(("min_child_weight".to_owned(), "100".to_owned()));
        params.push(("subsample".to_owned(), "0.8".to_owned()));
        params.push(("colsample_bytree".to_owned(), "0.5".to_owned()));
        params
    }
}

impl FromStr for FineTuneRecipe {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let recipe: Self = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let is_rate = recipe.learning_rate > 0.0 && recipe.learning_rate <= 1.0;
        match recipe {
            _ if !is_rate => Err(format!(
                "learning_rate is {}, but must be greater than 0 and at most 1",
                recipe.learning_rate
            )),
            Self { epochs: 0, .. } => Err("epochs is 0, but must be at least 1".to_owned()),
            Self {
                freeze_layers: Some(0),
                ..
            } => Err("freeze_layers is 0, but at least one round must be retained".to_owned()),
            recipe => Ok(recipe),
        }
    }
}

/// The device to train on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoStaticStr)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Device {
    /// The CPU.
    #[default]
    Cpu,
    /// An NVIDIA GPU.
    Cuda,
}

impl Device {
    /// Returns the name of the device in XGBoost.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

fn base_params(learning_rate: f64, max_depth: u32, seed: u32) -> Vec<(String, String)> {
    let params = [
        ("objective", "reg:squarederror".to_owned()),
        ("eval_metric", "mae".to_owned()),
        ("tree_method", "hist".to_owned()),
        ("eta", learning_rate.to_string()),
        ("max_depth", max_depth.to_string()),
        ("seed", seed.to_string()),
    ];
    params
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_fine_tune_recipe_is_rejected() {
        assert_eq!("{}".parse(), Ok(FineTuneRecipe::default()));
        for text in [
            r#"{"epochs":0}"#,
            r#"{"learning_rate":0}"#,
            r#"{"freeze_layers":0}"#,
            r#"{"epoch":1}"#,
            "{",
        ] {
            assert!(text.parse::<FineTuneRecipe>().is_err(), "{text}");
        }
    }
}
