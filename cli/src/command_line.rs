//! The commands and the global options.

use clap::{Parser, Subcommand};

use crate::commands::notebook::{
    AuditArguments, FeaturesArguments, ForecastsArguments, ReportsArguments,
};
use crate::commands::{
    backtest::BacktestArguments, completions::CompletionsArguments, data::DataArguments,
    drift_check::DriftArguments, export::ExportArguments, fine_tune::FineTuneArguments,
    ingest::IngestArguments, man::ManArguments, merge_baseline::MergeArguments,
    model_card::ModelCardArguments, publish_baseline::PublishArguments,
    registry_unlock::UnlockArguments, replay::ReplayArguments, report::ReportArguments,
    retrain::RetrainArguments, rollback::RollbackArguments, run::RunArguments,
    sample_data::SampleDataArguments, set_up::SetUpArguments, split::SplitArguments,
    stack::StackArguments, status::StatusArguments, train::TrainArguments,
};

/// Train, run and replay the bicycle traffic forecast for Paris.
#[derive(Debug, Parser)]
#[command(name = "bike-traffic", version, arg_required_else_help = true, after_help = EXIT_CODES)]
pub struct Arguments {
    /// The command to run.
    #[command(subcommand)]
    pub command: Command,
    /// The filter of the logs on standard error, in the syntax of RUST_LOG.
    #[arg(
        long,
        global = true,
        env = "RUST_LOG",
        default_value = "error,cli=info",
        value_name = "FILTER"
    )]
    log: String,
}

const EXIT_CODES: &str = "\
Exit codes:
  0    success
  1    failure; the message names the attempt, its object, and what to do
  2    the command line cannot be parsed
  3    success, but messages became dead letters
  130  terminated by Ctrl-C (143 by SIGTERM); unfinished files are removed

Colours and progress bars appear on terminals only, and NO_COLOR turns colours off. Elsewhere, \
progress is a plain line on standard error for each quarter. Tables fit the terminal, or 80 columns \
without one: columns that do not fit are in the output of --json. A file .env in the working folder sets variables that the environment does not set.";

impl Arguments {
    pub(crate) fn log_filter(&self) -> &str {
        &self.log
    }
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Train a champion, score it on the fixed test set and register it.
    Train(TrainArguments),
    /// Run the whole loop: train, start the local stack, and run the live data in simulated time.
    Run(RunArguments),
    /// Play the weekly cycle over past days, for several policies and strategies side by side.
    Backtest(BacktestArguments),
    /// Start all functions and the bus on this machine and keep them running.
    Stack(StackArguments),
    /// Deliver past messages or dead letters again.
    Replay(ReplayArguments),
    /// Request the days whose tables lack counts.
    Ingest(IngestArguments),
    /// Show the champion and the challengers, the last event of each function, unfinished events
    /// and dead letters.
    Status(StatusArguments),
    /// Show the card of the champion, or of any other version: data, parameters, scores.
    ModelCard(ModelCardArguments),
    /// Make the on-call page, or the page of a week or month.
    Report(ReportArguments),
    /// Make the version before the last promotion, or any other version, champion again.
    Rollback(RollbackArguments),
    /// Break the lock of the model registry, if it does not expire by itself.
    RegistryUnlock(UnlockArguments),
    /// Create on emulators the bucket, datasets, topics and subscriptions that Terraform creates on
    /// Google Cloud.
    SetUp(SetUpArguments),
    /// Retrain the champion from the baseline and all daily tables.
    Retrain(RetrainArguments),
    /// Make the training data of a better champion the baseline.
    PublishBaseline(PublishArguments),
    /// Verify data sets against their manifests, or show their ancestors.
    Data(DataArguments),
    /// Compare a week with the fixed test set, or request this check from the function.
    DriftCheck(DriftArguments),
    /// Request the fine-tuning of the champion without drift.
    FineTune(FineTuneArguments),
    /// Split an export by time into training data and a fixed test set.
    Split(SplitArguments),
    /// Export the counts of the daily tables into files, month by month.
    Export(ExportArguments),
    /// Write the features of counts as a Parquet file for a notebook.
    Features(FeaturesArguments),
    /// Write the stored forecasts as a Parquet file for a notebook.
    Forecasts(ForecastsArguments),
    /// Write the audit log as a Parquet file for a notebook.
    Audit(AuditArguments),
    /// Write the drift reports as a Parquet file for a notebook.
    Reports(ReportsArguments),
    /// Merge a baseline with newer exports, leaving out the fixed test set.
    MergeBaseline(MergeArguments),
    /// Generate data of invented counters in the schema of the public export.
    SampleData(SampleDataArguments),
    /// Print the completion script for a shell.
    Completions(CompletionsArguments),
    /// Print the manual page, or write the pages of all commands into a folder.
    Man(ManArguments),
}

impl Command {
    /// Returns `true` if the command handles Ctrl-C itself.
    pub(crate) fn handles_ctrl_c(&self) -> bool {
        matches!(self, Self::Stack(_))
    }

    /// Returns `true` if the command may train a model, itself or by a function that it hosts.
    pub(crate) fn trains(&self) -> bool {
        matches!(
            self,
            Self::Train(_)
                | Self::Run(_)
                | Self::Backtest(_)
                | Self::Stack(_)
                | Self::Replay(_)
                | Self::Retrain(_)
        )
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, FromArgMatches, builder::Resettable};

    use super::*;

    /// Returns all subcommands of a command, recursively, each with the words that call it, as in
    /// `bike-traffic data verify`.
    fn commands(command: &clap::Command, words: &str) -> Vec<(String, clap::Command)> {
        let mut all = Vec::new();
        for subcommand in command.get_subcommands() {
            let words = format!("{words} {}", subcommand.get_name());
            all.extend(commands(subcommand, &words));
            all.push((words, subcommand.clone()));
        }
        all
    }

    fn all_commands() -> Vec<(String, clap::Command)> {
        commands(&Arguments::command(), "bike-traffic")
    }

    #[test]
    fn command_line_is_valid_and_every_option_has_help() {
        Arguments::command().debug_assert();
        for (words, command) in all_commands() {
            for argument in command.get_arguments() {
                assert!(
                    argument.get_help().is_some(),
                    "{words} {}",
                    argument.get_id()
                );
            }
        }
    }

    #[test]
    fn every_command_has_an_example_and_every_report_has_a_json_form() {
        for (words, command) in all_commands() {
            let examples = examples(&command);
            assert!(
                examples.iter().any(|example| example.contains(&words)),
                "{words}: {examples:?}"
            );
            let has_json = command
                .get_arguments()
                .any(|argument| argument.get_long() == Some("json"));
            // `stack` runs until it is stopped, `completions` prints a script, and `data` only has
            // subcommands.
            let has_no_report = ["stack", "completions", "data"].contains(&command.get_name());
            assert_eq!(has_json, !has_no_report, "{words}");
        }
    }

    /// A line that a terminal wraps cannot be copied.
    #[test]
    fn lists_in_the_help_fit_eighty_columns() {
        for (words, command) in all_commands() {
            let help = command.get_after_help().map(ToString::to_string);
            let help = help.unwrap_or_default();
            // Sentences are wrapped, indented lines are not.
            for line in help.lines().filter(|line| line.starts_with("  ")) {
                assert!(line.chars().count() <= 80, "{words}: {line}");
            }
        }
    }

    #[test]
    fn every_example_parses() {
        // The environment of the tests must not set options, such as the path of the test set.
        let definition = without_environment(Arguments::command());
        let mut parsed_examples = 0;
        for (_, command) in all_commands() {
            for example in examples(&command) {
                let mut arguments = arguments_of(&example);
                // Replace the variables in front of the command by their options.
                let first = arguments
                    .iter()
                    .position(|word| word == "bike-traffic")
                    .unwrap();
                for setting in arguments.drain(..first).collect::<Vec<_>>() {
                    let (variable, value) = setting.split_once('=').unwrap();
                    let mut options = command.get_arguments();
                    let option = options
                        .find(|option| option.get_env().is_some_and(|name| name == variable));
                    arguments.extend([
                        format!("--{}", option.unwrap().get_long().unwrap()),
                        value.to_owned(),
                    ]);
                }
                let parsed = definition.clone().try_get_matches_from(&arguments);
                let parsed = parsed.and_then(|matches| Arguments::from_arg_matches(&matches));
                assert!(parsed.is_ok(), "{example}\n{}", parsed.unwrap_err());
                parsed_examples += 1;
            }
        }
        assert!(
            parsed_examples > 40,
            "only {parsed_examples} examples found"
        );
    }

    /// Returns the lines in the help of a command that call `bike-traffic`, each joined with its
    /// continuation lines.
    fn examples(command: &clap::Command) -> Vec<String> {
        let help = command
            .get_after_help()
            .map(ToString::to_string)
            .unwrap_or_default()
            .replace(" \\\n    ", " ");
        let indented = help.lines().filter_map(|line| line.strip_prefix("  "));
        let calls = |line: &&str| {
            let mut words = line.split(' ').skip_while(|word| word.contains('='));
            words.next() == Some("bike-traffic")
        };
        indented.filter(calls).map(str::to_owned).collect()
    }

    /// Splits a line into words as a shell does, up to a pipe or a redirection.
    fn arguments_of(line: &str) -> Vec<String> {
        let (mut words, mut word, mut quote) = (Vec::new(), String::new(), None);
        for character in line.chars() {
            match (character, quote) {
                ('|' | '>' | '&', None) => break,
                (' ', None) => words.push(std::mem::take(&mut word)),
                ('\'' | '"', None) => quote = Some(character),
                (_, Some(end)) if character == end => quote = None,
                _ => word.push(character),
            }
        }
        words.push(word);
        words.retain(|word| !word.is_empty());
        words
    }

    fn without_environment(command: clap::Command) -> clap::Command {
        command
            .mut_args(|argument| argument.env(Resettable::Reset))
            .mut_subcommands(without_environment)
    }

    #[test]
    fn invalid_option_values_are_rejected() {
        for arguments in [
            vec!["bike-traffic", "drift-check", "--week", "2021-W60"],
            vec![
                "bike-traffic",
                "drift-check",
                "--week",
                "2021-W30",
                "--policy",
                r#"{"drift_share":-1}"#,
            ],
            vec![
                "bike-traffic",
                "split",
                "--input",
                "a",
                "--out",
                "b",
                "--train-share",
                "1.5",
            ],
            vec![
                "bike-traffic",
                "split",
                "--input",
                "a",
                "--out",
                "b",
                "--train-share",
                "0.5",
                "--at",
                "2021-05-16",
            ],
            vec![
                "bike-traffic",
                "split",
                "--input",
                "a",
                "--out",
                "b",
                "--at",
                "2021-02-30",
            ],
            vec!["bike-traffic", "train", "--rounds", "0"],
        ] {
            assert!(
                Arguments::try_parse_from(&arguments).is_err(),
                "{arguments:?}"
            );
        }
    }
}
