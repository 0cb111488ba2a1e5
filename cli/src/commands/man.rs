//! `bike-traffic man`: generates manual pages from the definition of the command line.

use std::{
    fmt,
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::Context;
use clap::Args;
use clap_mangen::Man;
use serde::Serialize;

use crate::support::{output::OutputFile, stdout};

/// Options of `man`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  bike-traffic man | man -l -
  bike-traffic man --out ~/.local/share/man/man1 && man bike-traffic-train")]
pub struct ManArguments {
    /// The output folder for a page per command [default: print the page of bike-traffic].
    #[arg(long, value_name = "FOLDER")]
    pub out: Option<PathBuf>,
    /// Print the list of pages as JSON.
    #[arg(long, requires = "out")]
    pub json: bool,
}

/// The pages that were written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Pages {
    pages: Vec<PathBuf>,
}

impl fmt::Display for Pages {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.pages
            .iter()
            .try_for_each(|page| writeln!(formatter, "{}", page.display()))
    }
}

/// Runs the command.
pub(crate) fn command(arguments: &ManArguments, definition: clap::Command) -> anyhow::Result<()> {
    let root = complete(definition);
    match &arguments.out {
        Some(folder) => stdout::print(&write(&root, folder)?, arguments.json),
        None => stdout::write(&render(root)?),
    }
}

fn write(root: &clap::Command, folder: &Path) -> anyhow::Result<Pages> {
    let mut pages = Vec::new();
    for command in with_subcommands(root) {
        // The display name is `bike-traffic-train`, the name only `train`.
        let name = command.get_display_name().unwrap_or(command.get_name());
        let path = folder.join(format!("{name}.1"));
        let mut file = OutputFile::create(&path)?;
        file.write_all(&render(command.clone())?)
            .with_context(|| format!("cannot write {}", path.display()))?;
        file.finish()?;
        pages.push(path);
    }
    pages.sort();
    Ok(Pages { pages })
}

/// Returns a command and all its direct and indirect subcommands.
fn with_subcommands(command: &clap::Command) -> Vec<&clap::Command> {
    let mut all = vec![command];
    command
        .get_subcommands()
        .for_each(|subcommand| all.extend(with_subcommands(subcommand)));
    all
}

/// Sets the display names and the global options of all subcommands.
fn complete(definition: clap::Command) -> clap::Command {
    let mut command = definition.disable_help_subcommand(true);
    command.build();
    command
}

fn render(command: clap::Command) -> anyhow::Result<Vec<u8>> {
    let mut page = Vec::new();
    Man::new(command)
        .render(&mut page)
        .context("cannot write the manual page")?;
    Ok(page)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use clap::CommandFactory;

    use super::*;

    #[test]
    fn every_command_has_a_page() {
        let folder = tempfile::tempdir().unwrap();
        let root = complete(crate::Arguments::command());
        let pages = write(&root, folder.path()).unwrap().pages;
        let commands = with_subcommands(&root);
        assert_eq!(pages.len(), commands.len());
        for command in &commands[1..] {
            let path = folder
                .path()
                .join(format!("{}.1", command.get_display_name().unwrap()));
            let page = fs::read_to_string(&path).unwrap();
            assert!(
                page.contains(".SH OPTIONS") && page.contains(".SH SYNOPSIS"),
                "{}",
                path.display()
            );
            for argument in command.get_arguments().filter_map(clap::Arg::get_long) {
                assert!(
                    page.contains(&argument.replace('-', "\\-")),
                    "{} {argument}",
                    path.display()
                );
            }
        }
        for name in [
            "bike-traffic-train.1",
            "bike-traffic-data.1",
            "bike-traffic-data-verify.1",
        ] {
            assert!(folder.path().join(name).exists(), "{name}: {pages:?}");
        }
        let root = fs::read_to_string(folder.path().join("bike-traffic.1")).unwrap();
        assert!(
            root.contains("sample\\-data") && root.contains("Exit codes"),
            "{root}"
        );
    }
}
