//! Options of `replay`.

use clap::Args;
use shared::{Timestamp, event::Function};

use crate::args::{OpenDataArguments, StrategyArguments, TargetArguments, start_of_day_or_instant};

/// Options of `replay`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  bike-traffic replay --from 2021-07-26T00:00:00Z --to 2021-08-02T12:00:00Z
  bike-traffic replay --state state/run-1a2b3c4d --from 2021-07-26
  bike-traffic replay --cloud --from 2021-08-02T05:00:00Z --dry-run
  bike-traffic replay --cloud --function evaluate --snapshot before-release
  bike-traffic replay --cloud --dead-letters --edit

A replay is idempotent: finished work stays unchanged, unfinished work is completed.")]
#[command(group = clap::ArgGroup::new("what").required(true).args(["from", "snapshot", "dead_letters"]))]
pub struct ReplayArguments {
    /// The state or the services to work on.
    #[command(flatten)]
    pub target: TargetArguments,
    /// Deliver only the messages of this function.
    #[arg(long, value_name = "NAME")]
    pub function: Option<Function>,
    /// Deliver the messages published at this instant or later; a day stands for its midnight in
    /// Paris.
    #[arg(long, value_name = "TIME", value_parser = start_of_day_or_instant)]
    pub from: Option<Timestamp>,
    /// Deliver only messages published before this instant or day. With --cloud, they are
    /// republished, because a subscription can seek to an instant, but not to a range.
    #[arg(long, value_name = "TIME", requires = "from", value_parser = start_of_day_or_instant)]
    pub to: Option<Timestamp>,
    /// Seek the function's subscription to this snapshot: deliver the messages that were not
    /// acknowledged when it was made, and all later messages.
    #[arg(long, value_name = "NAME", requires = "function", requires = "cloud")]
    pub snapshot: Option<String>,
    /// Republish dead letters, each to the topic that its function reads.
    #[arg(long)]
    pub dead_letters: bool,
    /// Open each dead letter in an editor first; one that is saved empty stays a dead letter.
    #[arg(long, requires = "dead_letters")]
    pub edit: bool,
    /// The editor, with its options if any, as in `code --wait`.
    #[arg(long, env = "EDITOR", default_value = "vi", value_name = "PROGRAM")]
    pub editor: String,
    /// List the messages and deliver nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// The source of counts, for days that are not ingested yet.
    #[command(flatten)]
    pub open_data: OpenDataArguments,
    /// The parameters of the strategy.
    #[command(flatten)]
    pub strategy: StrategyArguments,
    /// Print the result as JSON.
    #[arg(long)]
    pub json: bool,
}
