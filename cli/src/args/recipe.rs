//! The recipe of a champion training.

use std::num::NonZeroU32;

use clap::{Args, ValueEnum};
use model::{Device, TrainRecipe};

/// How to train.
#[derive(Clone, Debug, Args)]
pub struct RecipeArguments {
    /// Where to train; cuda needs the library of the CUDA wheel.
    #[arg(long, value_enum, default_value_t = DeviceArgument::Cpu)]
    pub device: DeviceArgument,
    /// Boosting rounds.
    #[arg(long, default_value_t = TrainRecipe::default().rounds, value_parser = clap::value_parser!(u32).range(1..))]
    pub rounds: u32,
    /// The weight of each round, above 0 and up to 1.
    #[arg(long, value_name = "ETA", default_value_t = TrainRecipe::default().learning_rate, value_parser = learning_rate)]
    pub learning_rate: f64,
    /// Stop after so many rounds without a better MAE on the last 20 % of the time.
    #[arg(long, value_name = "ROUNDS")]
    pub early_stopping: Option<NonZeroU32>,
}

impl RecipeArguments {
    /// Returns the settings of the training.
    pub fn recipe(&self) -> TrainRecipe {
        let device = match self.device {
            DeviceArgument::Cpu => Device::Cpu,
            DeviceArgument::Cuda => Device::Cuda,
        };
        TrainRecipe {
            rounds: self.rounds,
            learning_rate: self.learning_rate,
            early_stopping_rounds: self.early_stopping,
            device,
            ..TrainRecipe::default()
        }
    }
}

fn learning_rate(text: &str) -> Result<f64, String> {
    let rate: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    let is_valid = rate > 0.0 && rate <= 1.0;
    is_valid
        .then_some(rate)
        .ok_or_else(|| "it must lie above 0 and not above 1".to_owned())
}

/// Where to train.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DeviceArgument {
    /// The processor.
    Cpu,
    /// An NVIDIA graphics card.
    Cuda,
}
