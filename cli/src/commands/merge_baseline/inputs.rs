//! The files that a merge reads, in the order in which they win.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use tables::Role;

use super::MergePlan;

/// A file to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Source {
    pub(super) path: PathBuf,
    pub(super) role: Role,
}

/// Lists the baseline and all files of the exports.
///
/// # Errors
/// When a folder cannot be read or has no CSV file, when the output would be an export of the next merge, or when the
/// reject file is one that is read or the output.
pub(super) fn sources(plan: &MergePlan) -> anyhow::Result<Vec<Source>> {
    let mut sources = vec![Source {
        path: plan.baseline.clone(),
        role: Role::Baseline,
    }];
    for (at, export) in (1..).zip(&plan.exports) {
        let role = if at == plan.exports.len() {
            Role::LastExport
        } else {
            Role::Export
        };
        let files = if export.is_dir() {
            files_of(export, plan)?
        } else {
            vec![export.clone()]
        };
        sources.extend(files.into_iter().map(|path| Source { path, role }));
    }
    refuse_same_file(&plan.rejects, "the output", &plan.output)?;
    for source in &sources {
        refuse_same_file(&plan.rejects, "an input of the merge", &source.path)?;
    }
    Ok(sources)
}

/// Refuses to write a file, or to remove it where there is nothing to write, that is needed as something else.
pub(super) fn refuse_same_file(written: &Path, what: &str, needed: &Path) -> anyhow::Result<()> {
    if place(written) == place(needed) {
        bail!(
            "cannot write to {}, which is {what}: choose another file with --output or --rejects",
            written.display()
        );
    }
    Ok(())
}

/// Returns where a file is or would be, by whatever path it is named.
fn place(file: &Path) -> PathBuf {
    let file = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    for ancestor in file.ancestors() {
        if let (Ok(found), Ok(rest)) = (fs::canonicalize(ancestor), file.strip_prefix(ancestor)) {
            return found.join(rest);
        }
    }
    file
}

fn files_of(folder: &Path, plan: &MergePlan) -> anyhow::Result<Vec<PathBuf>> {
    for written in [&plan.output, &plan.rejects] {
        if is_within(written, folder) {
            bail!(
                "cannot write {} into {}, a folder of exports: the next merge would read it as one; choose another folder",
                written.display(),
                folder.display()
            );
        }
    }
    let mut files = Vec::new();
    find_csv(folder, &mut files)?;
    if files.is_empty() {
        bail!(
            "the folder of exports {} has no *.csv and no *.csv.gz",
            folder.display()
        );
    }
    files.sort();
    Ok(files)
}

/// Tells whether a file that may not be there yet would lie in the folder or below it.
fn is_within(file: &Path, folder: &Path) -> bool {
    let here_if_empty = |path: &Path| {
        if path.as_os_str().is_empty() {
            PathBuf::from(".")
        } else {
            path.to_owned()
        }
    };
    let mut ancestors = file.ancestors().skip(1).map(here_if_empty);
    let existing = ancestors.find_map(|ancestor| fs::canonicalize(ancestor).ok());
    existing
        .zip(fs::canonicalize(folder).ok())
        .is_some_and(|(existing, folder)| existing.starts_with(folder))
}

fn find_csv(folder: &Path, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let cannot = || format!("cannot list the folder of exports {}", folder.display());
    for entry in fs::read_dir(folder).with_context(cannot)? {
        let path = entry.with_context(cannot)?.path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .to_lowercase();
        if path.is_dir() {
            find_csv(&path, files)?;
        } else if name.ends_with(".csv") || name.ends_with(".csv.gz") {
            files.push(path);
        }
    }
    Ok(())
}
