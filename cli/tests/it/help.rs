//! Snapshots of the help of all commands.

use clap::{Command, CommandFactory};
use cli::Arguments;

/// The width of the help in columns, independent of the terminal that runs the tests.
const WIDTH: usize = 100;

/// Returns the definition of the command line. The help of its options names their environment
/// variables, but not the values in the environment of the tests.
fn definition() -> Command {
    let mut command = without_environment_values(Arguments::command()).term_width(WIDTH);
    // Passes the width and the global options on to the subcommands.
    command.build();
    command
}

fn without_environment_values(command: Command) -> Command {
    command
        .mut_args(|argument| argument.hide_env_values(true))
        .mut_subcommands(without_environment_values)
}

/// Returns all commands, each with the words that call it, as in `bike-traffic data verify`.
/// Omits `help`, which clap generates.
fn commands(command: &Command, words: &str) -> Vec<(String, Command)> {
    let mut all = vec![(words.to_owned(), command.clone())];
    for subcommand in command.get_subcommands() {
        if subcommand.get_name() != "help" {
            let words = format!("{words} {}", subcommand.get_name());
            all.extend(commands(subcommand, &words));
        }
    }
    all
}

#[test]
fn help_of_each_command() {
    let all = commands(&definition(), "bike-traffic");
    assert!(all.len() > 15, "only {} commands found", all.len());
    for (words, mut command) in all {
        let help = command.render_long_help().to_string();
        insta::assert_snapshot!(words.replace(' ', "-"), help);
    }
}
