//! `bike-traffic merge-baseline`: merges the current baseline and exports into the next baseline.

mod arguments;
mod inputs;
mod rejects;
mod report;

#[cfg(test)]
mod tests;

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use forecasting::{counts::Export, time::Hour};
use inputs::Source;
use rejects::RejectFile;
use tables::Union;

pub use arguments::MergeArguments;
pub use report::{MergeReport, SourceReport};

use crate::support::{
    data_file,
    progress::{self, Progress},
    stdout,
};

/// The inputs and outputs of a merge.
#[derive(Clone, Debug)]
pub struct MergePlan {
    /// The current baseline.
    pub baseline: PathBuf,
    /// The exports in increasing precedence: files, or folders with `*.csv` and `*.csv.gz` files.
    pub exports: Vec<PathBuf>,
    /// The first and the last hour of the fixed test set; rows of this period are excluded.
    pub test_period: Option<(Hour, Hour)>,
    /// The number of rejected rows of the fixed test set.
    pub test_rejected: u64,
    /// The output file, compressed if its name ends in `.gz`.
    pub output: PathBuf,
    /// The file for rejected rows, written only if there are any.
    pub rejects: PathBuf,
}

/// Runs the command.
pub(crate) async fn command(arguments: MergeArguments) -> anyhow::Result<()> {
    tables::require_polars()?;
    let as_json = arguments.json;
    let plan = plan(arguments).await?;
    let report = tokio::task::spawn_blocking(move || merge(&plan))
        .await
        .context("the merge task failed")??;
    stdout::print(&report, as_json)
}

async fn plan(arguments: MergeArguments) -> anyhow::Result<MergePlan> {
    let MergeArguments {
        baseline,
        bq_export,
        output,
        test_path,
        rejects,
        ..
    } = arguments;
    let rejects = rejects.unwrap_or_else(|| beside(&output, ".rejects.csv"));
    let (test_period, test_rejected) = match test_path {
        Some(path) => {
            let test_rejects = beside(&output, ".test-rejects.csv");
            let test = Path::new(path.strip_prefix("file://").unwrap_or(&path));
            for written in [&output, &rejects, &test_rejects] {
                inputs::refuse_same_file(written, "the fixed test set", test)?;
            }
            for read in [&baseline].into_iter().chain(&bq_export) {
                inputs::refuse_same_file(&test_rejects, "an input of the merge", read)?;
            }
            let read = test_period(&path, &test_rejects);
            let read = progress::noting("reading the fixed test set", read).await;
            let (period, rejected) = read?;
            (Some(period), rejected)
        }
        None => (None, 0),
    };
    Ok(MergePlan {
        baseline,
        exports: bq_export,
        test_period,
        test_rejected,
        output,
        rejects,
    })
}

/// Returns `path` with `ending` appended to its file name.
fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// Returns the first and the last hour of the fixed test set, and the number of rejected rows.
///
/// `path` is a file path or `gs://BUCKET/OBJECT`. Invalid rows are written to `rejects`.
///
/// # Errors
/// Returns an error if the test set cannot be read or has no valid row.
async fn test_period(path: &str, rejects: &Path) -> anyhow::Result<((Hour, Hour), u64)> {
    let loaded = data_file::load(path, rejects)
        .await
        .context("cannot read the fixed test set")?;
    let period = loaded
        .counts
        .period()
        .with_context(|| format!("the fixed test set {path} has no counts"))?;
    Ok((period, loaded.summary.rejected))
}

/// Merges a baseline and exports by counter and hour; the later source wins.
///
/// Equal inputs give byte-identical output. The merge blocks for seconds to minutes: in async code,
/// call it through `spawn_blocking`.
///
/// # Errors
/// Returns an error if a source cannot be read, if no row remains, if a file cannot be written, or
/// if this build has no Polars. The output and the reject file are then unchanged, with one
/// exception: the reject file is written last, so the output is already replaced if that step
/// fails.
pub fn merge(plan: &MergePlan) -> anyhow::Result<MergeReport> {
    tables::require_polars()?;
    let sources = inputs::sources(plan)?;
    let steps = sources.len() as u64 + 1;
    let mut progress = Progress::new("merging", "steps", steps);
    let mut union = Union::new(plan.test_period)?;
    let mut rejects = RejectFile::create(&plan.rejects)?;
    let mut reports = Vec::new();
    for (done, source) in (0..).zip(&sources) {
        progress.show(done, steps, source.path.display().to_string());
        reports.push(add(source, &mut union, &mut rejects)?);
    }
    let (appeared, vanished) = (union.appeared(), union.vanished());
    let counts = union.into_counts()?;
    let Some((first, last)) = counts.period() else {
        bail!(
            "nothing to write to {}: no source has a count outside the test period",
            plan.output.display()
        );
    };
    progress.show(
        steps - 1,
        steps,
        format!("writing {}", plan.output.display()),
    );
    data_file::save(&counts, &plan.output)?;
    let rejects = rejects.finish()?;
    progress.finish();
    Ok(MergeReport {
        output: plan.output.display().to_string(),
        rows: counts.len(),
        counters: counts
            .rows()
            .iter()
            .map(|row| row.counter)
            .collect::<BTreeSet<_>>()
            .len(),
        period: format!("{first} to {last}"),
        test_period: plan
            .test_period
            .map(|(first, last)| format!("{first} to {last}")),
        test_rejected: plan.test_rejected,
        sources: reports,
        appeared,
        vanished,
        rejects: rejects.map(|path| path.display().to_string()),
    })
}

/// Reads one source and adds it to the union, which holds the earlier sources as columns only.
fn add(
    source: &Source,
    union: &mut Union,
    rejects: &mut RejectFile,
) -> anyhow::Result<SourceReport> {
    let path = source.path.display().to_string();
    let mut rejected = rejects.of(&path);
    let Export { counts, summary } = data_file::read_file(&source.path, &mut rejected)?;
    let rejected = rejected.by_reason();
    let changes = union
        .add(counts, source.role)
        .with_context(|| format!("cannot merge {path}"))?;
    let mut notes = summary.notes();
    if !changes.separated.is_empty() {
        notes.push(format!(
            "{} counters share a name with another id of the earlier files, which has other counts in the same \
             hours; both are named with their id: {}",
            changes.separated.len(),
            changes.separated.join("; ")
        ));
    }
    Ok(SourceReport {
        file: path,
        rows: summary.rows,
        new: changes.new as u64,
        replaced: changes.overlap.replaced as u64,
        unchanged: changes.overlap.unchanged as u64,
        in_test_period: changes.in_test_period as u64,
        duplicates: summary.duplicates,
        rejected,
        notes,
    })
}
