//! The journal of a retraining, from which a stopped retraining resumes.

use std::{
    collections::BTreeMap,
    fs,
    future::Future,
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
};

use anyhow::Context;
use forecasting::metrics::Scores;
use serde::{Deserialize, Serialize};
use shared::{
    baseline::{DataSet, Source},
    event::EventId,
    registry::{RunName, Version},
};

use super::{Comparison, Plan};
use crate::{commands::merge_baseline::MergeReport, support::output::OutputFile};

/// The result of each finished step; a step without a result is still to do.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Done {
    /// The local files with the counts of the daily tables.
    pub export: Option<Exported>,
    /// The local file that merges the baseline and the exports.
    pub merge: Option<Merged>,
    /// The model that was trained on the merged file and registered.
    pub train: Option<Fitted>,
    /// The comparison of the new model with the champion.
    pub compare: Option<Comparison>,
    /// The promoted version; absent if the new model is not better.
    #[serde(alias = "crown")]
    pub promote: Option<Version>,
    /// The data set published as the baseline; absent if the new model is not better.
    pub publish: Option<DataSet>,
    /// The event id of the audit row.
    pub record: Option<EventId>,
}

/// The files of an export.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Exported {
    /// The paths of the files, in the order of their days.
    pub files: Vec<PathBuf>,
    /// The number of counts in all files.
    pub rows: u64,
}

/// A local file of merged training data, and the statistics of the merge.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Merged {
    /// The path of the file.
    pub file: PathBuf,
    /// The files that were merged, the baseline first.
    pub sources: Vec<Source>,
    /// The number of counts in the file.
    pub rows: u64,
    /// The number of counts that the baseline does not have.
    pub new: u64,
    /// The number of counts that differ from those of the baseline.
    pub replaced: u64,
    /// The number of rejected rows of all sources, by reason.
    pub rejected: BTreeMap<String, u64>,
    /// The path of the file with the rejected rows, if there are any.
    pub rejects: Option<PathBuf>,
    /// The names of the counters that the baseline does not have.
    pub appeared: Vec<String>,
    /// The names of the baseline's counters without a count in the last export.
    pub vanished: Vec<String>,
}

impl Merged {
    /// Reduces the report of a merge to the values in the final report.
    pub(super) fn of(report: MergeReport, file: PathBuf, sources: Vec<Source>) -> Self {
        let mut rejected = BTreeMap::<String, u64>::new();
        for (reason, rows) in report.sources.iter().flat_map(|source| &source.rejected) {
            *rejected.entry((*reason).to_owned()).or_default() += *rows;
        }
        // The first source is the baseline itself.
        let exports = || report.sources.iter().skip(1);
        Self {
            file,
            sources,
            rows: report.rows as u64,
            new: exports().map(|source| source.new).sum(),
            replaced: exports().map(|source| source.replaced).sum(),
            rejected,
            rejects: report.rejects.map(PathBuf::from),
            appeared: report.appeared,
            vanished: report.vanished,
        }
    }
}

/// A registered model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fitted {
    /// The version in the registry.
    pub version: Version,
    /// The name of the training run.
    pub run: RunName,
    /// The data set that the model was trained on.
    pub data: DataSet,
    /// The scores on the fixed test set.
    pub scores: Scores,
}

/// The journal of one retraining: a file in its folder, rewritten after each step.
pub(super) struct Journal {
    folder: PathBuf,
    contents: Contents,
}

#[derive(Serialize, Deserialize)]
struct Contents {
    plan: Plan,
    done: Done,
}

impl Journal {
    /// Opens the journal in a folder. Returns `None` if no retraining was started there.
    pub(super) fn open(folder: &Path) -> anyhow::Result<Option<Self>> {
        let path = file(folder);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                return Err(error)
                    .with_context(|| format!("cannot read the journal {}", path.display()));
            }
        };
        let contents = serde_json::from_slice(&text).with_context(|| {
            format!(
                "cannot parse the journal {}; start over with --restart",
                path.display()
            )
        })?;
        Ok(Some(Self {
            folder: folder.to_owned(),
            contents,
        }))
    }

    /// Creates a journal without finished steps, and replaces an existing one.
    pub(super) fn begin(folder: &Path, plan: Plan) -> anyhow::Result<Self> {
        let journal = Self {
            folder: folder.to_owned(),
            contents: Contents {
                plan,
                done: Done::default(),
            },
        };
        journal.save()?;
        Ok(journal)
    }

    pub(super) const fn plan(&self) -> &Plan {
        &self.contents.plan
    }

    pub(super) const fn done(&self) -> &Done {
        &self.contents.done
    }

    /// Runs a step and records its result. Returns the recorded result if the step is already done.
    pub(super) async fn step<T: Clone>(
        &mut self,
        name: &str,
        slot: impl Fn(&mut Done) -> &mut Option<T>,
        work: impl Future<Output = anyhow::Result<T>>,
    ) -> anyhow::Result<T> {
        if let Some(done) = slot(&mut self.contents.done) {
            tracing::info!(step = name, "step already done");
            return Ok(done.clone());
        }
        tracing::info!(step = name, "step started");
        let result = work.await.with_context(|| {
            format!("the step `{name}` failed; run the command again to resume there")
        })?;
        *slot(&mut self.contents.done) = Some(result.clone());
        self.save()?;
        Ok(result)
    }

    /// Deletes the comparison, because its champion was replaced meanwhile.
    pub(super) fn forget_comparison(&mut self) -> anyhow::Result<()> {
        self.contents.done.compare = None;
        self.save()
    }

    fn save(&self) -> anyhow::Result<()> {
        let mut out = OutputFile::create(&file(&self.folder))?;
        serde_json::to_writer_pretty(&mut out, &self.contents)?;
        out.write_all(b"\n")?;
        out.finish()
    }
}

fn file(folder: &Path) -> PathBuf {
    folder.join("journal.json")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::merge_baseline::SourceReport;

    #[test]
    fn rejected_rows_are_summed_over_all_sources() {
        let source = |new, rejected: &[(&'static str, u64)]| SourceReport {
            file: "export.csv".to_owned(),
            rows: 9,
            new,
            replaced: 1,
            unchanged: 0,
            in_test_period: 0,
            duplicates: 0,
            rejected: rejected.iter().copied().collect(),
            notes: Vec::new(),
        };
        let report = MergeReport {
            output: "next.csv".to_owned(),
            rows: 20,
            counters: 2,
            period: String::new(),
            test_period: None,
            test_rejected: 0,
            sources: vec![
                source(9, &[("no count", 1)]),
                source(3, &[("no count", 2), ("no counter name", 1)]),
                source(2, &[]),
            ],
            appeared: vec!["Parc".to_owned()],
            vanished: vec!["Pont".to_owned()],
            rejects: Some("rejects.csv".to_owned()),
        };
        let merged = Merged::of(report, "next.csv".into(), Vec::new());
        let expected = [("no count", 3), ("no counter name", 1)];
        assert_eq!(
            merged.rejected,
            BTreeMap::from(expected.map(|(reason, rows)| (reason.to_owned(), rows)))
        );
        assert_eq!(
            (merged.new, merged.replaced, merged.rejects),
            (5, 2, Some("rejects.csv".into()))
        );
        assert_eq!(
            (merged.appeared, merged.vanished),
            (vec!["Parc".to_owned()], vec!["Pont".to_owned()])
        );
    }
}
