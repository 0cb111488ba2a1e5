//! The parameters of fine-tuning, named as in the training strategy.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use shared::registry::Version;

use super::base_params;
use crate::StrategyChoice;

/// The parameters of fine-tuning a champion, named as in the training strategy. The environment
/// variable `FINE_TUNE` holds the deviations from the default as JSON.
///
/// The defaults of `append` change the model little. On the real data of summer 2021, the
/// champion's lags already follow a falling level. Stronger parameters (`learning_rate` 0.03, 60
/// `epochs`) increased the error on the fresh week by 4 to 17 %.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FineTuneRecipe {
    /// The strategy, or `auto` to try all of them.
    pub strategy: StrategyChoice,
    /// The model that is fine-tuned.
    pub base_model: BaseModel,
    /// `append`: the weight of each new round.
    pub learning_rate: f64,
    /// `append`: the number of new rounds, boosted on the recent rows.
    pub epochs: u32,
    /// `append`: the part of the champion that does not change.
    pub freeze_layers: FreezeLayers,
    /// `leaf-refit`: the share of the old value of a leaf in its new value. Also applies to
    /// `append` with [`FreezeLayers::None`].
    pub decay: f64,
}

impl Default for FineTuneRecipe {
    fn default() -> Self {
        Self {
            strategy: StrategyChoice::Auto,
            base_model: BaseModel::Champion,
            learning_rate: 0.01,
            epochs: 30,
            freeze_layers: FreezeLayers::All,
            decay: 0.9,
        }
    }
}

impl FineTuneRecipe {
    /// Returns the parameters of the new rounds for XGBoost. Trees are shallower and leaves have
    /// more rows than the champion's, because a month has few rows.
    pub(crate) fn params(&self) -> Vec<(String, String)> {
        let mut params = base_params(self.learning_rate, 4, 42);
        params.push(("min_child_weight".to_owned(), "100".to_owned()));
        params.push(("subsample".to_owned(), "0.8".to_owned()));
        params.push(("colsample_bytree".to_owned(), "0.5".to_owned()));
        params
    }

    /// Checks the ranges of the numbers.
    ///
    /// # Errors
    /// Returns the reason why a number is invalid.
    pub fn validate(&self) -> Result<(), String> {
        if !(self.learning_rate > 0.0 && self.learning_rate <= 1.0) {
            return Err(format!(
                "learning_rate is {}, but must be greater than 0 and at most 1",
                self.learning_rate
            ));
        }
        if self.epochs == 0 {
            return Err("epochs is 0, but must be at least 1".to_owned());
        }
        if !(0.0..=1.0).contains(&self.decay) {
            return Err(format!("decay is {}, but must be from 0 to 1", self.decay));
        }
        Ok(())
    }
}

impl FromStr for FineTuneRecipe {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let recipe: Self = serde_json::from_str(text).map_err(|error| error.to_string())?;
        recipe.validate()?;
        Ok(recipe)
    }
}

/// The model that is fine-tuned: `champion`, or `champion_v3` to require that it is version 3.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum BaseModel {
    /// The champion of the event.
    #[default]
    Champion,
    /// The champion, which must have this version.
    Version(Version),
}

impl BaseModel {
    /// Returns `true` if `champion` is the model that is to be fine-tuned.
    pub fn admits(self, champion: Version) -> bool {
        match self {
            Self::Champion => true,
            Self::Version(version) => version == champion,
        }
    }
}

impl fmt::Display for BaseModel {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Champion => formatter.write_str("champion"),
            Self::Version(version) => write!(formatter, "champion_v{version}"),
        }
    }
}

impl From<BaseModel> for String {
    fn from(model: BaseModel) -> Self {
        model.to_string()
    }
}

impl TryFrom<String> for BaseModel {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text == "champion" {
            return Ok(Self::Champion);
        }
        text.strip_prefix("champion_v")
            .and_then(|number| number.parse().ok())
            .map(|number| Self::Version(Version::new(number)))
            .ok_or_else(|| {
                format!(
                    "base_model is `{text}`, but only the champion can be fine-tuned: `champion`, or `champion_v` and its version"
                )
            })
    }
}

/// The part of the champion that `append` does not change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Frozen", try_from = "Option<Frozen>")]
pub enum FreezeLayers {
    /// All rounds stay: `true`, or `null` as written by earlier versions.
    #[default]
    All,
    /// The splits stay, but the leaves are refitted as by `leaf-refit`: `false`.
    None,
    /// The first rounds stay, and later rounds are dropped: a number of at least 1.
    First(u32),
}

#[derive(Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "freeze_layers must be true, false or a number of rounds"
)]
enum Frozen {
    Switch(bool),
    Rounds(u32),
}

impl From<FreezeLayers> for Frozen {
    fn from(frozen: FreezeLayers) -> Self {
        match frozen {
            FreezeLayers::All => Self::Switch(true),
            FreezeLayers::None => Self::Switch(false),
            FreezeLayers::First(rounds) => Self::Rounds(rounds),
        }
    }
}

impl TryFrom<Option<Frozen>> for FreezeLayers {
    type Error = &'static str;

    fn try_from(frozen: Option<Frozen>) -> Result<Self, &'static str> {
        match frozen {
            None | Some(Frozen::Switch(true)) => Ok(Self::All),
            Some(Frozen::Switch(false)) => Ok(Self::None),
            Some(Frozen::Rounds(0)) => {
                Err("freeze_layers is 0, but at least one round must be retained")
            }
            Some(Frozen::Rounds(rounds)) => Ok(Self::First(rounds)),
        }
    }
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
            r#"{"freeze_layers":-1}"#,
            r#"{"freeze_layers":"all"}"#,
            r#"{"decay":1.5}"#,
            r#"{"strategy":"best"}"#,
            r#"{"base_model":"challenger"}"#,
            r#"{"base_model":"champion_v"}"#,
            r#"{"epoch":1}"#,
            "{",
        ] {
            assert!(text.parse::<FineTuneRecipe>().is_err(), "{text}");
        }
    }

    #[test]
    fn invalid_freeze_layers_are_named_with_the_valid_ones() {
        let error = r#"{"freeze_layers":"all"}"#.parse::<FineTuneRecipe>().unwrap_err();
        assert!(error.contains("true, false or a number"), "{error}");
    }

    #[test]
    fn values_of_the_strategy_are_accepted() {
        let text = r#"{"strategy":"append","base_model":"champion_v3","learning_rate":0.001,"epochs":5,"freeze_layers":true}"#;
        let expected = FineTuneRecipe {
            strategy: StrategyChoice::Append,
            base_model: BaseModel::Version(Version::new(3)),
            learning_rate: 0.001,
            epochs: 5,
            ..FineTuneRecipe::default()
        };
        assert_eq!(text.parse(), Ok(expected));
    }

    #[test]
    fn freeze_layers_are_a_switch_or_a_number() {
        for (text, expected) in [
            ("null", FreezeLayers::All),
            ("true", FreezeLayers::All),
            ("false", FreezeLayers::None),
            ("200", FreezeLayers::First(200)),
        ] {
            let recipe: FineTuneRecipe = format!(r#"{{"freeze_layers":{text}}}"#).parse().unwrap();
            assert_eq!(recipe.freeze_layers, expected, "{text}");
            let written = serde_json::to_string(&recipe).unwrap();
            assert_eq!(written.parse(), Ok(recipe), "{written}");
        }
    }

    #[test]
    fn base_model_admits_the_champion_only() {
        let champion = Version::new(3);
        assert!(BaseModel::Champion.admits(champion));
        assert!(BaseModel::Version(champion).admits(champion));
        assert!(!BaseModel::Version(Version::new(2)).admits(champion));
    }
}
