//! `bike-traffic completions`: prints shell completion scripts.

use clap::Args;
use clap_complete::Shell;

use crate::support::stdout;

/// Options of `completions`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  bike-traffic completions bash \\
    > ~/.local/share/bash-completion/completions/bike-traffic
  bike-traffic completions zsh > ~/.zfunc/_bike-traffic
  bike-traffic completions fish > ~/.config/fish/completions/bike-traffic.fish")]
pub struct CompletionsArguments {
    /// The shell to print the script for.
    pub shell: Shell,
}

/// Runs the command.
pub(crate) fn command(
    arguments: &CompletionsArguments,
    mut definition: clap::Command,
) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(
        arguments.shell,
        &mut definition,
        "bike-traffic",
        &mut script,
    );
    stdout::write(&script)
}
