//! Options for the parameters of the strategy.

use clap::Args;
use forecasting::policy::Policy;
use model::FineTuneRecipe;

/// The parameters of the strategy.
#[derive(Debug, Clone, Args)]
pub struct StrategyArguments {
    /// The policy, as JSON; missing fields have their default values.
    #[arg(long, env = "POLICY", default_value = "{}", value_name = "JSON")]
    pub policy: Policy,
    /// The strategy and the recipe of the fine-tuning, as JSON; missing fields have their default
    /// values.
    #[arg(long, env = "FINE_TUNE", default_value = "{}", value_name = "JSON")]
    pub fine_tune: FineTuneRecipe,
}
