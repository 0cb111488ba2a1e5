//! Parameters of the training strategy.

use clap::Args;
use forecasting::policy::Policy;
use model::FineTuneRecipe;

/// The numbers of the strategy.
#[derive(Debug, Clone, Args)]
pub struct StrategyArguments {
    /// The numbers of the policy that differ from the default, as JSON.
    #[arg(long, env = "POLICY", default_value = "{}", value_name = "JSON")]
    pub policy: Policy,
    /// What of the fine-tuning recipe differs from the default, as JSON.
    #[arg(long, env = "FINE_TUNE", default_value = "{}", value_name = "JSON")]
    pub fine_tune: FineTuneRecipe,
}
