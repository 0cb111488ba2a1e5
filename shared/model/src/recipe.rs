//! The settings of a training.

use std::{num::NonZeroU32, str::FromStr};

use serde::{Deserialize, Serialize};

/// How a champion is trained.
///
/// The defaults were measured on the real data: 500 rounds at 0.03 have an MAE of 15.44 on the fixed test set, 300 at 0.05
/// one of 15.48, in three fifths of the time to train and to forecast.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainRecipe {
    /// Boosting rounds.
    pub rounds: u32,
    /// The weight of each round (XGBoost's `eta`).
    pub learning_rate: f64,
    /// The depth of each tree.
    pub max_depth: u32,
    /// The least weight of rows in a leaf.
    pub min_child_weight: f64,
    /// The share of rows that each tree sees.
    pub subsample: f64,
    /// The share of columns that each tree sees.
    pub colsample_bytree: f64,
    /// The seed of the random draws.
    pub seed: u32,
    /// After how many rounds without a better MAE on the last 20 % of the time training stops; never, if absent.
    pub early_stopping_rounds: Option<NonZeroU32>,
    /// Where to train.
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
    /// Returns XGBoost's parameters.
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

/// How a champion is fine-tuned, in the words of the training strategy. The setting `FINE_TUNE` holds what differs from
/// the default, as JSON.
///
/// The default is gentle. On the real data of summer 2021 the champion's lags follow a falling level by themselves, and
/// stronger recipes (`learning_rate` 0.03, 60 `epochs`) made the fresh week 4 to 17 % worse.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FineTuneRecipe {
    /// The weight of each new round.
    pub learning_rate: f64,
    /// The number of new rounds that are boosted on the recent rows.
    pub epochs: u32,
    /// How many of the champion's first rounds stay; those after are dropped before the new ones. All, if absent.
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
    /// Returns XGBoost's parameters: shallower trees and fuller leaves than the champion's, since a month has few rows.
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
                "learning_rate is {}, not within 0 and 1",
                recipe.learning_rate
            )),
            Self { epochs: 0, .. } => Err("epochs is 0".to_owned()),
            Self {
                freeze_layers: Some(0),
                ..
            } => Err("freeze_layers is 0, which leaves nothing to tune".to_owned()),
            recipe => Ok(recipe),
        }
    }
}

/// Where to train.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Device {
    /// On the processor.
    #[default]
    Cpu,
    /// On an NVIDIA graphics card.
    Cuda,
}

impl Device {
    /// Returns XGBoost's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Cuda => "cuda",
        }
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
    fn a_recipe_that_tunes_nothing_is_refused() {
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
