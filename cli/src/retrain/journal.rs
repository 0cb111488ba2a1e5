//! What a retraining has done, so that it goes on where it was stopped.

use std::{
    fs,
    future::Future,
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
};

use anyhow::Context;
use serde::{Deserialize, Serialize};
use shared::{
    baseline::{DataSet, Source},
    event::EventId,
    metrics::Scores,
    registry::{RunName, Version},
};

use super::{Comparison, Plan};
use crate::output::OutputFile;

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
    pub crown: Option<Version>,
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
            Err(error) => return Err(error).with_context(|| format!("cannot read the journal {}", path.display())),
        };
        let contents = serde_json::from_slice(&text)
            .with_context(|| format!("cannot understand the journal {}; begin anew with --anew", path.display()))?;
        Ok(Some(Self { folder: folder.to_owned(), contents }))
    }

    /// Begins a journal.
    pub(super) fn begin(folder: &Path, plan: Plan) -> anyhow::Result<Self> {
        let journal = Self { folder: folder.to_owned(), contents: Contents { plan, done: Done::default() } };
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
        let result =
            work.await.with_context(|| format!("the step `{name}` failed; run the command again to go on there"))?;
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
