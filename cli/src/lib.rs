#![doc = include_str!("../README.md")]

mod arguments;
mod data;
pub mod dead_letters;
mod drift;
mod exit;
pub mod merge;
mod output;
mod progress;
pub mod replay;
pub mod rollback;
pub mod run;
pub mod sample_data;
mod sample_data_command;
pub mod set_up;
mod split;
pub mod stack;
mod state;
pub mod status;
mod subscriptions;
pub mod train;

use std::process::ExitCode;

use clap::Parser;

pub use arguments::{Arguments, Command, PlaceArguments, StrategyArguments};
pub use exit::Failure;
pub use state::State;

/// Runs the command that the process was started with.
pub async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    shared::runtime::init_logs(arguments.log_filter());
    let result = match arguments.command {
        Command::Train(arguments) => train::command(arguments).await,
        Command::Run(arguments) => run::command(arguments).await,
        Command::Stack(arguments) => stack::command(arguments).await,
        Command::Replay(arguments) => replay::command(arguments).await,
        Command::Status(arguments) => status::command(arguments).await,
        Command::Rollback(arguments) => rollback::command(arguments).await,
        Command::SetUp(arguments) => set_up::command(arguments).await,
        Command::DriftCheck(arguments) => drift::command(arguments).await,
        Command::Split(arguments) => split::command(&arguments),
        Command::MergeBaseline(arguments) => merge::command(arguments).await,
        Command::SampleData(arguments) => sample_data_command::command(&arguments),
    };
    exit::report(result)
}
