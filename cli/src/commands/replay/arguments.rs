//! The command line of `replay`.

use clap::Args;
use shared::{Timestamp, event::Function};

use crate::args::{OpenDataArguments, StrategyArguments, TargetArguments};

/// Options of `replay`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  bike-traffic replay --state state/run-1a2b3c4d --from 2021-07-26T00:00:00Z --to 2021-08-02T12:00:00Z
  bike-traffic replay --cloud --function evaluate --from 2021-08-02T05:00:00Z --dry-run
  bike-traffic replay --cloud --function evaluate --snapshot before-the-release
  bike-traffic replay --cloud --dead-letters --edit

What was done before stays as it is; what was not is finished.")]
#[command(group = clap::ArgGroup::new("what").required(true).args(["from", "snapshot", "dead_letters"]))]
pub struct ReplayArguments {
    /// The places to work on.
    #[command(flatten)]
    pub place: TargetArguments,
    /// Only the messages of this function.
    #[arg(long, value_name = "NAME")]
    pub function: Option<Function>,
    /// Messages published at this instant or later.
    #[arg(long, value_name = "TIME")]
    pub from: Option<Timestamp>,
    /// Only messages published before this instant. In the cloud they are published anew, since a subscription is set back
    /// to an instant, not to a span of time.
    #[arg(long, value_name = "TIME", requires = "from")]
    pub to: Option<Timestamp>,
    /// What was not acknowledged when this snapshot of the function's subscription was made, and all messages since then.
    #[arg(long, value_name = "NAME", requires = "function", requires = "cloud")]
    pub snapshot: Option<String>,
    /// Dead letters: each goes back to the topic that its function reads.
    #[arg(long)]
    pub dead_letters: bool,
    /// Open each dead letter in an editor first; one that is saved empty stays where it is.
    #[arg(long, requires = "dead_letters")]
    pub edit: bool,
    /// The editor.
    #[arg(long, env = "EDITOR", default_value = "vi", value_name = "PROGRAM")]
    pub editor: String,
    /// List what would be delivered and deliver nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Where counts come from, for days that were not ingested yet.
    #[command(flatten)]
    pub open_data: OpenDataArguments,
    /// The numbers of the strategy.
    #[command(flatten)]
    pub strategy: StrategyArguments,
    /// Print the result as JSON.
    #[arg(long)]
    pub json: bool,
}
