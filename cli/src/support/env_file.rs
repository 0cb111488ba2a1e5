//! Environment variables from the file `.env` in the working folder.

use std::{collections::BTreeSet, fs, path::Path};

use anyhow::{Context, anyhow};
use shared::settings::{ProcessVariables, Variables};

/// The name of the file in the working folder.
pub(crate) const NAME: &str = ".env";

/// Sets the variables of a file that the environment does not set, and returns their names.
///
/// A missing file sets no variable. Call this function before any thread is started: another thread
/// might read the environment at the same time.
///
/// # Errors
/// Returns an error if the file cannot be read, or if a line cannot be parsed. No variable is set
/// then.
pub(crate) fn load(path: &Path) -> anyhow::Result<BTreeSet<String>> {
    // `.env` may also be the folder of a Python virtual environment.
    if !path.is_file() {
        return Ok(BTreeSet::new());
    }
    let text =
        fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    // Some editors on Windows begin a file with a byte order mark.
    let text = text.trim_start_matches('\u{feff}');
    let parse = || dotenvy::from_read_iter(text.as_bytes());
    let variables: Result<Vec<_>, _> = parse().collect();
    let variables = variables.map_err(|error| malformed(path, text, &error))?;
    let is_unset = |name: &String| ProcessVariables.get(name).is_none();
    let names = variables
        .into_iter()
        .map(|(name, _)| name)
        .filter(is_unset)
        .collect();
    parse()
        .load()
        .map_err(|error| malformed(path, text, &error))?;
    Ok(names)
}

/// Returns an error with the line number, but without the text of the line, which may be a secret.
fn malformed(path: &Path, text: &str, error: &dotenvy::Error) -> anyhow::Error {
    let dotenvy::Error::LineParse(line, _) = error else {
        return anyhow!("cannot load {}: {error}", path.display());
    };
    let start = line.lines().next().unwrap_or_default().trim_end();
    let position = text.lines().position(|known| known.trim_end() == start);
    let location =
        position.map_or_else(String::new, |position| format!("line {} of ", position + 1));
    anyhow!(
        "cannot parse {location}{}; write NAME=VALUE, and quote values that contain whitespace",
        path.display()
    )
}
