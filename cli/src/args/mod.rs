//! Options that several commands share. No module here depends on a command.

mod open_data;
mod recipe;
mod since;
mod strategy;
mod target;

pub use open_data::OpenDataArguments;
pub use recipe::{DeviceArgument, RecipeArguments};
pub use since::Since;
pub use strategy::StrategyArguments;
pub(crate) use target::state_folder;
pub use target::{StateArguments, TargetArguments};
