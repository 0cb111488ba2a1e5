#![doc = include_str!("../README.md")]

mod arguments;
pub mod backfill;
mod completions;
mod data;
pub mod data_command;
pub mod dead_letters;
mod drift;
mod env_file;
mod exit;
pub mod export;
mod interrupt;
mod man;
pub mod merge;
mod output;
mod predecessor;
mod progress;
pub mod publish;
pub mod replay;
pub mod retrain;
pub mod rollback;
pub mod run;
pub mod sample_data;
mod sample_data_command;
pub mod set_up;
mod split;
pub mod stack;
mod state;
pub mod status;
mod stdout;
mod subscriptions;
pub mod train;

use std::{path::Path, process::ExitCode};

use anyhow::Context;
use clap::Parser;

pub use arguments::{Arguments, Command, PlaceArguments, StrategyArguments};
pub use exit::Failure;
pub use state::State;

/// Runs the command that the process was started with. To be called before any thread is started, since `.env` changes
/// the environment.
pub fn main() -> ExitCode {
    exit::report(run_process())
}

fn run_process() -> anyhow::Result<()> {
    let set_by_file = env_file::load(Path::new(env_file::NAME))?;
    let arguments = Arguments::parse();
    shared::runtime::init_logs(arguments.log_filter());
    if !set_by_file.is_empty() {
        let variables = Vec::from_iter(set_by_file).join(", ");
        tracing::info!(
            variables,
            "{} sets what the environment does not",
            env_file::NAME
        );
    }
    if !arguments.command.ends_by_itself() {
        interrupt::end_on_signals()?;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start threads")?;
    runtime.block_on(run_command(arguments.command))
}

async fn run_command(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Train(arguments) => train::command(arguments).await,
        Command::Run(arguments) => run::command(arguments).await,
        Command::Stack(arguments) => stack::command(arguments).await,
        Command::Replay(arguments) => replay::command(arguments).await,
        Command::Ingest(arguments) => backfill::command(arguments).await,
        Command::Status(arguments) => status::command(arguments).await,
        Command::Rollback(arguments) => rollback::command(arguments).await,
        Command::SetUp(arguments) => set_up::command(arguments).await,
        Command::Retrain(arguments) => retrain::command(arguments).await,
        Command::PublishBaseline(arguments) => publish::command(arguments).await,
        Command::Data(arguments) => data_command::command(arguments).await,
        Command::DriftCheck(arguments) => drift::command(arguments).await,
        Command::Split(arguments) => split::command(&arguments),
        Command::Export(arguments) => export::command(arguments).await,
        Command::MergeBaseline(arguments) => merge::command(arguments).await,
        Command::SampleData(arguments) => sample_data_command::command(&arguments),
        Command::Completions(arguments) => completions::command(&arguments),
        Command::Man(arguments) => man::command(&arguments),
    }
}
