//! Options of `stack`.

use clap::Args;

use crate::args::{OpenDataArguments, StateArguments, StrategyArguments};

/// Options of `stack`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  bike-traffic stack --state state/run-1a2b3c4d --live-path live.csv.gz
  bike-traffic stack --open-data-url https://opendata.paris.fr

The stack runs until Ctrl-C. Messages that were not delivered by then are delivered after the \
next start.")]
pub struct StackArguments {
    /// The local state.
    #[command(flatten)]
    pub state: StateArguments,
    /// The source of counts.
    #[command(flatten)]
    pub open_data: OpenDataArguments,
    /// The parameters of the strategy.
    #[command(flatten)]
    pub strategy: StrategyArguments,
}
