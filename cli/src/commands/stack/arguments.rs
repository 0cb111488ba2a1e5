//! The command line of `stack`.

use clap::Args;

use crate::args::{OpenDataArguments, StateArguments, StrategyArguments};

/// Options of `stack`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  bike-traffic stack --state state/run-1a2b3c4d --live-path live.csv.gz
  bike-traffic stack --open-data-url https://opendata.paris.fr

It goes on until Ctrl-C; what was not delivered by then is delivered when it is started again.")]
pub struct StackArguments {
    /// Where the state lives.
    #[command(flatten)]
    pub state: StateArguments,
    /// Where counts come from.
    #[command(flatten)]
    pub open_data: OpenDataArguments,
    /// The numbers of the strategy.
    #[command(flatten)]
    pub strategy: StrategyArguments,
}
