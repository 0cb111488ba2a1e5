//! `.env` in the working folder: variables of the environment that are not set otherwise.

use std::{collections::BTreeSet, fs, path::Path};

use anyhow::{Context, anyhow};
use shared::settings::{ProcessVariables, Variables};

/// The file, in the working folder.
pub(crate) const NAME: &str = ".env";

/// Sets the variables that a file names and the environment does not, and returns their names. Without a file there are
/// none.
///
/// It is for the time before any thread is started, since another thread might read the environment just then.
///
/// # Errors
/// When the file cannot be read, or a line of it cannot be understood; then nothing is set.
pub(crate) fn load(path: &Path) -> anyhow::Result<BTreeSet<String>> {
    // Some keep a virtual environment of Python in a folder of this name.
    if !path.is_file() {
        return Ok(BTreeSet::new());
    }
    let text =
        fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let parse = || dotenvy::from_read_iter(text.as_bytes());
    let variables: Result<Vec<_>, _> = parse().collect();
    let variables = variables.map_err(|error| malformed(path, &text, &error))?;
    let is_unset = |name: &String| ProcessVariables.get(name).is_none();
    let names = variables
        .into_iter()
        .map(|(name, _)| name)
        .filter(is_unset)
        .collect();
    parse()
        .load()
        .map_err(|error| malformed(path, &text, &error))?;
    Ok(names)
}

/// Names the line and not what it says, which may be a secret.
fn malformed(path: &Path, text: &str, error: &dotenvy::Error) -> anyhow::Error {
    let dotenvy::Error::LineParse(line, _) = error else {
        return anyhow!("cannot use {}: {error}", path.display());
    };
    let start = line.lines().next().unwrap_or_default().trim_end();
    let position = text.lines().position(|known| known.trim_end() == start);
    let place = position.map_or_else(String::new, |position| format!("line {} of ", position + 1));
    anyhow!(
        "cannot understand {place}{}: write NAME=VALUE, and quotes around a value with whitespace",
        path.display()
    )
}
