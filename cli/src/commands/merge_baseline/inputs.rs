//! The input files of a merge, in increasing precedence.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use tables::Role;

use super::MergePlan;

/// An input file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Source {
    pub(super) path: PathBuf,
    pub(super) role: Role,
}

/// Returns the baseline and all files of the exports.
///
/// # Errors
/// Returns an error if a folder cannot be read or has no file of counts. Also returns an error if
/// an export folder contains the output, or if the reject file is the output or an input.
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

/// Returns an error if `written` and `needed` are the same file.
///
/// A merge writes `written`, or removes it if there is nothing to write. `role` describes `needed`.
pub(super) fn refuse_same_file(written: &Path, role: &str, needed: &Path) -> anyhow::Result<()> {
    if resolve(written) == resolve(needed) {
        bail!(
            "cannot write to {}, which is {role}: choose another file with --output or --rejects",
            written.display()
        );
    }
    Ok(())
}

/// Resolves the path of a file, which need not exist, to an absolute path without symbolic links.
fn resolve(file: &Path) -> PathBuf {
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
                "cannot write {} into the export folder {}: the next merge would read it as an export; \
                 choose another folder with --output or --rejects",
                written.display(),
                folder.display()
            );
        }
    }
    let mut files = Vec::new();
    find_csv(folder, &mut files)?;
    if files.is_empty() {
        bail!(
            "the export folder {0} contains no *.csv, *.csv.gz or *.parquet file; to export the daily tables into it, run \
             `bike-traffic export --out {0}`",
            folder.display()
        );
    }
    files.sort();
    Ok(files)
}

/// Returns `true` if a file, which need not exist, is in the folder or below it.
fn is_within(file: &Path, folder: &Path) -> bool {
    let dot_if_empty = |path: &Path| {
        if path.as_os_str().is_empty() {
            PathBuf::from(".")
        } else {
            path.to_owned()
        }
    };
    let mut ancestors = file.ancestors().skip(1).map(dot_if_empty);
    let existing = ancestors.find_map(|ancestor| fs::canonicalize(ancestor).ok());
    existing
        .zip(fs::canonicalize(folder).ok())
        .is_some_and(|(existing, folder)| existing.starts_with(folder))
}

/// Finds the files of counts in a folder and its subfolders. Warns of archives and workbooks, whose
/// counts would be missing without a word.
fn find_csv(folder: &Path, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let cannot_list = || format!("cannot list the export folder {}", folder.display());
    for entry in fs::read_dir(folder).with_context(cannot_list)? {
        let path = entry.with_context(cannot_list)?.path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .to_lowercase();
        // A zip archive made on macOS has a file `._NAME` or `__MACOSX/._NAME` for each file.
        if name.starts_with('.') || name == "__macosx" {
            continue;
        }
        if path.is_dir() {
            find_csv(&path, files)?;
        } else if [".csv", ".csv.gz", ".parquet"]
            .iter()
            .any(|ending| name.ends_with(ending))
        {
            files.push(path);
        } else if is_packed(&name) {
            tracing::warn!(
                file = %path.display(),
                "ignoring archive or workbook in the export folder; unpack it, or export it as CSV, to read its counts"
            );
        }
    }
    Ok(())
}

/// Returns `true` for the name, in lowercase, of an archive or a workbook.
fn is_packed(name: &str) -> bool {
    let endings = [
        ".zip", ".7z", ".bz2", ".xz", ".zst", ".tar", ".tgz", ".xls", ".xlsx", ".ods",
    ];
    endings.iter().any(|ending| name.ends_with(ending))
}
