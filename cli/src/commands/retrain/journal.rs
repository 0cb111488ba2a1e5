//! What a retraining has done, so that it goes on where it was stopped.

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

/// What each step has left behind; a step that has left nothing is still to be done.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Done {
    /// The daily tables are in files of this machine.
    pub export: Option<Exported>,
    /// Baseline and exports are one file.
    pub merge: Option<Merged>,
    /// A model was trained on it and registered.
    pub train: Option<Fitted>,
    /// It was compared with the champion.
    pub compare: Option<Comparison>,
    /// It is champion; absent where it is no better.
    #[serde(alias = "crown")]
    pub promote: Option<Version>,
    /// Its data are the baseline; absent where it is no better.
    pub publish: Option<DataSet>,
    /// The audit row.
    pub record: Option<EventId>,
}

/// The files of an export.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Exported {
    /// The files, in the order of their days.
    pub files: Vec<PathBuf>,
    /// The counts in them.
    pub rows: u64,
}

/// A file of training data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Merged {
    /// The file.
    pub file: PathBuf,
    /// What it was merged of.
    pub sources: Vec<Source>,
    /// The counts in it.
    pub rows: u64,
    /// The counts that the baseline did not have.
    pub new: u64,
    /// The counts that the baseline had otherwise.
    pub replaced: u64,
    /// The rows of all sources that could not be used, by reason.
    pub rejected: BTreeMap<String, u64>,
    /// The file with these rows, if there are any.
    pub rejects: Option<PathBuf>,
    /// The counters that the baseline did not have.
    pub appeared: Vec<String>,
    /// The counters of the baseline that have no count in the last export.
    pub vanished: Vec<String>,
}

impl Merged {
    /// Keeps of a merge what is told when all is done.
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
    /// Its version.
    pub version: Version,
    /// Its run.
    pub run: RunName,
    /// What it was trained on.
    pub data: DataSet,
    /// How it does on the fixed test set.
    pub scores: Scores,
}

/// The journal of one retraining: a file in its folder, written anew after each step.
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
    /// Opens the journal of a folder, if a retraining was begun there.
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
                "cannot understand the journal {}; start over with --restart",
                path.display()
            )
        })?;
        Ok(Some(Self {
            folder: folder.to_owned(),
            contents,
        }))
    }

    /// Begins a journal.
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

    /// Does a step, unless it was done before, and notes what it has left behind.
    pub(super) async fn step<T: Clone>(
        &mut self,
        name: &str,
        slot: impl Fn(&mut Done) -> &mut Option<T>,
        work: impl Future<Output = anyhow::Result<T>>,
    ) -> anyhow::Result<T> {
        if let Some(done) = slot(&mut self.contents.done) {
            tracing::info!(step = name, "done before");
            return Ok(done.clone());
        }
        tracing::info!(step = name, "begins");
        let result = work.await.with_context(|| {
            format!("the step `{name}` failed; run the command again to go on there")
        })?;
        *slot(&mut self.contents.done) = Some(result.clone());
        self.save()?;
        Ok(result)
    }

    /// Forgets a comparison with a version that is no longer champion.
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
    fn what_a_merge_rejected_is_added_up_over_its_sources() {
        let source = |new, rejected: &[(&'static str, u64)]| SourceReport {
            file: "export.csv".to_owned(),
            rows: 9,
            new,
            replaced: 1,
            unchanged: 0,
            in_test_period: 0,
            duplicates: 0,
            rejected: rejected.iter().copied().collect(),
        };
        let report = MergeReport {
            output: "next.csv".to_owned(),
            rows: 20,
            counters: 2,
            period: String::new(),
            test_period: None,
            sources: vec![
                source(9, &[("there is no count", 1)]),
                source(
                    3,
                    &[("there is no count", 2), ("the counter has no name", 1)],
                ),
                source(2, &[]),
            ],
            appeared: vec!["Parc".to_owned()],
            vanished: vec!["Pont".to_owned()],
            rejects: Some("rejects.csv".to_owned()),
        };
        let merged = Merged::of(report, "next.csv".into(), Vec::new());
        let expected = [("the counter has no name", 1), ("there is no count", 3)];
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
