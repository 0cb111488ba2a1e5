//! Options that several commands share. No module here depends on a command.

mod environment;
mod instant;
mod open_data;
mod recipe;
mod since;
mod strategy;
mod target;
mod version;

pub use environment::EnvironmentArgument;
pub(crate) use instant::{day_or_instant, start_of_day_or_instant};
pub use open_data::OpenDataArguments;
pub use recipe::{DeviceArgument, RecipeArguments};
pub use since::Since;
pub use strategy::StrategyArguments;
pub(crate) use target::state_folder;
pub use target::{StateArguments, TargetArguments};
pub(crate) use version::version_number;
