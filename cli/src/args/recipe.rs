//! Options for the recipe of a training.

use std::num::NonZeroU32;

use clap::{Args, ValueEnum};
use model::{Device, TrainRecipe};

/// The recipe of a training.
#[derive(Clone, Debug, Args)]
pub struct RecipeArguments {
    /// The device to train on; cuda requires XGBoost's library of the CUDA wheel.
    #[arg(long, value_enum, default_value_t = DeviceArgument::Cpu)]
    pub device: DeviceArgument,
    /// The number of boosting rounds.
    #[arg(long, default_value_t = TrainRecipe::default().rounds, value_parser = clap::value_parser!(u32).range(1..))]
    pub rounds: u32,
    /// The learning rate, above 0 and at most 1.
    #[arg(long, value_name = "ETA", default_value_t = TrainRecipe::default().learning_rate, value_parser = learning_rate)]
    pub learning_rate: f64,
    /// Stop after this many rounds without a lower MAE on the last 20 % of the time, which are held
    /// out.
    #[arg(long, value_name = "ROUNDS")]
    pub early_stopping: Option<NonZeroU32>,
}

impl RecipeArguments {
    /// Returns the recipe, with defaults for the parameters that are not options.
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
        .ok_or_else(|| "must be above 0 and at most 1".to_owned())
}

/// The devices to train on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DeviceArgument {
    /// The CPU.
    Cpu,
    /// An NVIDIA GPU.
    Cuda,
}
