#![doc = include_str!("../README.md")]

pub mod args;
pub mod command_line;
pub mod commands;
pub mod support;

use std::{path::Path, process::ExitCode};

use anyhow::Context;
use clap::{CommandFactory, Parser};
use support::{env_file, exit, interrupt, table};

pub use command_line::{Arguments, Command};
pub use support::{exit::Failure, state::State};

/// Runs the command in the arguments of the process, and returns its exit code.
///
/// Must be called before any thread is started, because `.env` changes the environment. A command
/// that trains restarts the program once, see [`model::restart_for_training`].
pub fn main() -> ExitCode {
    exit::report(run_process())
}

fn run_process() -> anyhow::Result<()> {
    let set_by_file = env_file::load(Path::new(env_file::NAME))?;
    let arguments = Arguments::parse();
    // Ends this process if it succeeds. The restarted one reads the file again.
    let restarted = if arguments.command.trains() {
        model::restart_for_training(set_by_file.iter().map(String::as_str))
    } else {
        Ok(())
    };
    table::use_terminal_width();
    runtime::init_plain_logs(arguments.log_filter());
    if let Err(error) = restarted {
        tracing::warn!(%error, "cannot restart the program with the variables of a training; training may be slow");
    }
    if !set_by_file.is_empty() {
        let variables = Vec::from_iter(set_by_file).join(", ");
        tracing::info!(file = env_file::NAME, variables, "variables set from file");
    }
    if !arguments.command.handles_ctrl_c() {
        interrupt::end_on_signals()?;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the async runtime")?;
    runtime.block_on(run_command(arguments.command))
}

async fn run_command(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Train(arguments) => commands::train::command(arguments).await,
        Command::Run(arguments) => commands::run::command(arguments).await,
        Command::Backtest(arguments) => commands::backtest::command(arguments).await,
        Command::Stack(arguments) => commands::stack::command(arguments).await,
        Command::Replay(arguments) => commands::replay::command(arguments).await,
        Command::Ingest(arguments) => commands::ingest::command(arguments).await,
        Command::Status(arguments) => commands::status::command(arguments).await,
        Command::ModelCard(arguments) => commands::model_card::command(arguments).await,
        Command::Report(arguments) => commands::report::command(arguments).await,
        Command::Rollback(arguments) => commands::rollback::command(arguments).await,
        Command::RegistryUnlock(arguments) => commands::registry_unlock::command(arguments).await,
        Command::SetUp(arguments) => commands::set_up::command(arguments).await,
        Command::Retrain(arguments) => commands::retrain::command(arguments).await,
        Command::PublishBaseline(arguments) => commands::publish_baseline::command(arguments).await,
        Command::Data(arguments) => commands::data::command(arguments).await,
        Command::DriftCheck(arguments) => commands::drift_check::command(arguments).await,
        Command::FineTune(arguments) => commands::fine_tune::command(arguments).await,
        Command::Split(arguments) => commands::split::command(arguments).await,
        Command::Export(arguments) => commands::export::command(arguments).await,
        Command::Features(arguments) => commands::notebook::features(arguments).await,
        Command::Forecasts(arguments) => commands::notebook::forecasts(arguments).await,
        Command::Audit(arguments) => commands::notebook::audit(arguments).await,
        Command::Reports(arguments) => commands::notebook::reports(arguments).await,
        Command::MergeBaseline(arguments) => commands::merge_baseline::command(arguments).await,
        Command::SampleData(arguments) => commands::sample_data::command(&arguments),
        Command::Completions(arguments) => {
            commands::completions::command(&arguments, Arguments::command())
        }
        Command::Man(arguments) => commands::man::command(&arguments, Arguments::command()),
    }
}
