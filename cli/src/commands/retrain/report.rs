//! The report of a retraining.

use std::{fmt, path::PathBuf};

use serde::Serialize;
use shared::event::EventId;

use super::{
    Comparison, Plan,
    compare::CounterComparison,
    journal::{Exported, Fitted, Merged},
};
use crate::{commands::train::scores_table, support::table::Table};

/// The number of counters to list with the greatest gains, and with the greatest losses.
const LISTED_COUNTERS: usize = 3;

/// The outcome of a retraining.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RetrainReport {
    /// The plan that was followed.
    pub plan: Plan,
    /// The files with the counts of the daily tables.
    pub export: Exported,
    /// The training data.
    pub merge: Merged,
    /// The new model and its scores.
    pub train: Fitted,
    /// The scores of the champion and of the new model.
    pub comparison: Comparison,
    /// `true` if the new model is champion and its data are the baseline.
    pub is_better: bool,
    /// The event id of the audit row.
    pub event_id: EventId,
    /// The folder that contains the journal and the files of the retraining.
    pub folder: PathBuf,
    /// `true` if earlier calls had finished all steps.
    pub done_before: bool,
}

impl fmt::Display for RetrainReport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            plan,
            export,
            merge,
            train,
            comparison,
            ..
        } = self;
        if self.done_before {
            let quarter = plan.quarter;
            writeln!(
                formatter,
                "the retraining for {quarter} is already done; pass --restart to include the days ingested since"
            )?;
        }
        writeln!(
            formatter,
            "exported {} counts of {} days, {} to {}",
            export.rows, plan.days, plan.first, plan.last
        )?;
        self.write_merge(merge, formatter)?;
        writeln!(formatter, "{}", self.table())?;
        if !comparison.is_same_version(train.version) && !comparison.counters.is_empty() {
            self.write_counters(formatter)?;
        }
        if self.is_better {
            writeln!(
                formatter,
                "version {} is champion, and {} is the baseline",
                train.version, train.data
            )?;
        } else {
            writeln!(
                formatter,
                "version {} stays champion, and {} stays the baseline",
                comparison.champion, plan.baseline.train
            )?;
        }
        write!(
            formatter,
            "audit row {}: {}",
            self.event_id,
            comparison.reason(train.version)
        )
    }
}

impl RetrainReport {
    fn write_merge(&self, merge: &Merged, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Merged {
            rows,
            new,
            replaced,
            rejected,
            rejects,
            appeared,
            vanished,
            ..
        } = merge;
        let baseline = &self.plan.baseline.train;
        writeln!(
            formatter,
            "merged with {baseline}: {rows} rows, {new} of them new, {replaced} replaced"
        )?;
        for (reason, rows) in rejected {
            writeln!(formatter, "  {rows} rows rejected: {reason}")?;
        }
        if let Some(rejects) = rejects {
            writeln!(formatter, "  rejected rows: {}", rejects.display())?;
        }
        for (change, names) in [("appeared", appeared), ("vanished", vanished)] {
            if !names.is_empty() {
                writeln!(
                    formatter,
                    "  {} counters {change}: {}",
                    names.len(),
                    names.join("; ")
                )?;
            }
        }
        Ok(())
    }

    fn write_counters(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            comparison, train, ..
        } = self;
        let (wins, losses) = comparison.wins_and_losses();
        writeln!(
            formatter,
            "version {} is better at {wins} counters and worse at {losses}:",
            train.version
        )?;
        let (first, last) = (
            comparison.counters.iter().take(LISTED_COUNTERS),
            comparison.counters.iter().skip(LISTED_COUNTERS),
        );
        let last = last
            .clone()
            .skip(last.count().saturating_sub(LISTED_COUNTERS));
        for CounterComparison {
            name,
            before,
            after,
        } in first.chain(last)
        {
            writeln!(formatter, "  {name}: MAE {before:.2} -> {after:.2}")?;
        }
        Ok(())
    }

    fn table(&self) -> Table<5> {
        let Comparison {
            champion,
            before,
            after,
            ..
        } = &self.comparison;
        scores_table([
            (format!("version {champion}, champion"), before),
            (format!("version {}, retrained", self.train.version), after),
        ])
    }
}
