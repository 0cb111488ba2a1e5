//! The command line.

use clap::{Parser, Subcommand};

use crate::commands::{
    completions::CompletionsArguments, data::DataArguments, drift_check::DriftArguments,
    export::ExportArguments, ingest::IngestArguments, man::ManArguments,
    merge_baseline::MergeArguments, publish_baseline::PublishArguments, replay::ReplayArguments,
    retrain::RetrainArguments, rollback::RollbackArguments, run::RunArguments,
    sample_data::SampleDataArguments, set_up::SetUpArguments, split::SplitArguments,
    stack::StackArguments, status::StatusArguments, train::TrainArguments,
};

/// Trains, runs and replays the bicycle forecast of Paris on one machine.
#[derive(Debug, Parser)]
#[command(name = "bike-traffic", version, arg_required_else_help = true, after_help = EXIT_CODES)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Which logs to write to standard error, in the syntax of RUST_LOG.
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
  0    done
  1    failed; the message says what was attempted, on what, and what to do
  2    the command line cannot be understood
  3    done, but messages became dead letters
  130  ended by Ctrl-C, 143 by SIGTERM; files that were not finished are removed

Colours and progress bars are for terminals, and NO_COLOR turns the colours off. A file .env in the working folder sets \
variables that the environment does not.";

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
    /// Play the whole loop: train, bring up the local stack, live through the weeks of the live data.
    Run(RunArguments),
    /// Bring up all functions and the bus on this machine and keep them running.
    Stack(StackArguments),
    /// Deliver messages of the past again.
    Replay(ReplayArguments),
    /// Ask for days whose counts are missing.
    Ingest(IngestArguments),
    /// Show champion and challengers, the last event of each function, unfinished events and dead letters.
    Status(StatusArguments),
    /// Make the version before the last promotion, or any other, champion again.
    Rollback(RollbackArguments),
    /// Make on emulators what terraform makes on Google Cloud: bucket, datasets, topics and subscriptions.
    SetUp(SetUpArguments),
    /// Train the champion anew from the baseline and all that production has gathered.
    Retrain(RetrainArguments),
    /// Make the data of a better champion the baseline.
    PublishBaseline(PublishArguments),
    /// Check data sets against their manifests, or show where they come from.
    Data(DataArguments),
    /// Compare a week with the fixed test set, without writing anything.
    DriftCheck(DriftArguments),
    /// Split an export by time into training data and a fixed test set.
    Split(SplitArguments),
    /// Export the counts of the daily tables into files, month by month.
    Export(ExportArguments),
    /// Merge a baseline with newer exports into the next baseline, without the fixed test set.
    MergeBaseline(MergeArguments),
    /// Write data of invented counters in the schema of the public export.
    SampleData(SampleDataArguments),
    /// Print what a shell needs to complete this command line.
    Completions(CompletionsArguments),
    /// Print the manual page, or write those of all commands.
    Man(ManArguments),
}

impl Command {
    /// Tells whether the command handles Ctrl-C itself.
    pub(crate) fn ends_by_itself(&self) -> bool {
        matches!(self, Self::Stack(_))
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, FromArgMatches, builder::Resettable};

    use super::*;

    /// Returns a command with all below it, each with the words that call it, as in `data verify`.
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
    fn the_command_line_is_valid_and_every_option_is_explained() {
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
    fn every_command_has_an_example_and_prints_json_if_it_prints_a_result() {
        for (words, command) in all_commands() {
            let examples = examples(&command);
            assert!(
                examples.iter().any(|example| example.contains(&words)),
                "{words}: {examples:?}"
            );
            let has_json = command
                .get_arguments()
                .any(|argument| argument.get_long() == Some("json"));
            // The one runs until it is ended, the next prints a script, and the last leaves the work to those below it.
            let prints_no_result = ["stack", "completions", "data"].contains(&command.get_name());
            assert_eq!(has_json, !prints_no_result, "{words}");
        }
    }

    #[test]
    fn every_example_is_understood() {
        // Whatever the environment of the tests sets, such as the path of the test set.
        let definition = without_environment(Arguments::command());
        let mut understood = 0;
        for (_, command) in all_commands() {
            for example in examples(&command) {
                let mut arguments = arguments_of(&example);
                // What it sets in the environment stands for options.
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
                understood += 1;
            }
        }
        assert!(understood > 40, "only {understood} examples were found");
    }

    /// Returns the lines of a command's help that call `bike-traffic`.
    fn examples(command: &clap::Command) -> Vec<String> {
        let help = command
            .get_after_help()
            .map(ToString::to_string)
            .unwrap_or_default();
        let indented = help.lines().filter_map(|line| line.strip_prefix("  "));
        let calls = |line: &&str| {
            let mut words = line.split(' ').skip_while(|word| word.contains('='));
            words.next() == Some("bike-traffic")
        };
        indented.filter(calls).map(str::to_owned).collect()
    }

    /// Splits a line as a shell does, up to what goes to a file or to another command.
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
    fn a_week_or_policy_that_makes_no_sense_is_refused() {
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
