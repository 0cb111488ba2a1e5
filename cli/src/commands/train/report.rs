//! The report of a training.

use std::fmt;

use forecasting::metrics::{Scores, standard_deviation};
use serde::Serialize;
use shared::{
    baseline::{DataSet, DataSetName},
    registry::Version,
};

use super::{Trained, TrainingData, served::ServedScores};
use crate::support::{
    data_file::Loaded,
    table::{Column, Table},
};

/// The outcome of a training.
#[derive(Clone, Debug, Serialize)]
pub struct TrainReport {
    /// The version in the registry.
    pub version: Option<Version>,
    /// The decision about the promotion.
    pub champion: Option<PromotionOutcome>,
    /// The address of the model's files.
    pub model: String,
    /// The scores on the fixed test set.
    pub scores: Scores,
    /// The scores with the daily correction, and those of living counters.
    pub served: ServedScores,
    /// The scores of the seasonal naive forecast (same hour, one week earlier), on the rows of the
    /// fixed test set for which it is known.
    pub seasonal_naive: Scores,
    /// The standard deviation of the counts of the fixed test set, in bicycles an hour.
    pub test_std: f64,
    /// The number of boosting rounds.
    pub rounds: u32,
    /// The number of rows in outages, which the training left out.
    pub excluded_rows: usize,
    /// The training data that were read.
    pub train: DataReport,
    /// The fixed test set that was read.
    pub test: DataReport,
    /// The feature columns without values in the training data.
    pub empty_columns: Vec<&'static str>,
    /// `true` if the training data are those of the published baseline.
    pub is_in_use: bool,
    /// The reason why the audit row of a promotion is missing, with its event id; `None` if it was
    /// written.
    pub unrecorded: Option<String>,
}

/// A summary of a data file.
#[derive(Clone, Debug, Serialize)]
pub struct DataReport {
    /// The name of the stored data set.
    pub name: DataSetName,
    /// The number of counts.
    pub rows: usize,
    /// The number of counters.
    pub counters: usize,
    /// The number of rows that were read: counts, duplicates and rejected rows.
    pub rows_read: u64,
    /// The number of rows dropped because another row has the same counter and hour.
    pub duplicates: u64,
    /// The number of rejected rows.
    pub rejected: u64,
    /// The assumptions that the reader made, as sentences.
    pub notes: Vec<String>,
    /// The first and the last hour, as text; empty without counts.
    pub period: String,
}

impl DataReport {
    fn of(loaded: &Loaded, data: &DataSet) -> Self {
        let period = loaded
            .counts
            .period()
            .map(|(first, last)| format!("{first} to {last}"));
        Self {
            name: data.name.clone(),
            rows: loaded.counts.len(),
            counters: loaded.counts.counters().len(),
            rows_read: loaded.summary.rows,
            duplicates: loaded.summary.duplicates,
            rejected: loaded.summary.rejected,
            notes: loaded.summary.notes(),
            period: period.unwrap_or_default(),
        }
    }

    /// Writes the summary as lines that begin with the name of the data.
    fn write(&self, formatter: &mut fmt::Formatter<'_>, name: &str) -> fmt::Result {
        writeln!(
            formatter,
            "{name}: {} counts of {} counters, {} ({} rows read, {} duplicates, {} rejected), stored as {}",
            self.rows,
            self.counters,
            self.period,
            self.rows_read,
            self.duplicates,
            self.rejected,
            self.name
        )?;
        for note in &self.notes {
            writeln!(formatter, "{name}: {note}")?;
        }
        Ok(())
    }
}

/// The decision about the promotion of a new version.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PromotionOutcome {
    /// The version is the first champion.
    First,
    /// The same training was already registered, and its version is not promoted again.
    Already {
        /// The current champion, possibly the version itself.
        champion: Version,
    },
    /// The version is better on the fixed test set and was promoted.
    Better {
        /// The previous champion.
        champion: Version,
        /// The champion's mean absolute error on the same test set.
        champion_mae: f64,
    },
    /// The version is not better on the fixed test set and was not promoted.
    Worse {
        /// The current champion.
        champion: Version,
        /// The champion's mean absolute error on the same test set.
        champion_mae: f64,
    },
}

impl TrainReport {
    pub(super) fn new(
        data: &TrainingData,
        trained: &Trained,
        is_in_use: bool,
    ) -> anyhow::Result<Self> {
        let fixed_test = &trained.fixed_test.frame;
        let pairs = fixed_test
            .seasonal_naive()
            .into_iter()
            .zip(fixed_test.targets().iter().copied());
        let (seasonal_naive, actuals): (Vec<f32>, Vec<f32>) = pairs
            .filter(|(seasonal_naive, _)| !seasonal_naive.is_nan())
            .unzip();
        Ok(Self {
            version: None,
            champion: None,
            model: String::new(),
            scores: trained.scores,
            served: ServedScores::new(&trained.forecasts, fixed_test)?,
            seasonal_naive: Scores::new(&seasonal_naive, &actuals)?,
            test_std: standard_deviation(fixed_test.targets())?,
            rounds: trained.model.card().rounds,
            excluded_rows: trained.model.card().training.excluded,
            train: DataReport::of(&data.train, &data.train_data),
            test: DataReport::of(&data.test, &data.test_data),
            empty_columns: trained.empty_columns.clone(),
            is_in_use,
            unrecorded: None,
        })
    }

    /// Returns `true` if the training has made its version champion.
    pub fn is_promoted(&self) -> bool {
        matches!(
            self.champion,
            Some(PromotionOutcome::First | PromotionOutcome::Better { .. })
        )
    }

    pub(super) fn with_outcome(
        self,
        version: Version,
        champion: PromotionOutcome,
        model: String,
    ) -> Self {
        Self {
            version: Some(version),
            champion: Some(champion),
            model,
            ..self
        }
    }
}

impl fmt::Display for TrainReport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.train.write(formatter, "training data")?;
        self.test.write(formatter, "fixed test set")?;
        writeln!(formatter, "{}", self.table())?;
        writeln!(
            formatter,
            "standard deviation of the fixed test set: {:.1}",
            self.test_std
        )?;
        for (level, report) in [(80, self.served.interval_80), (95, self.served.interval_95)] {
            if let Some(report) = report {
                writeln!(formatter, "{level} % intervals: {report}")?;
            }
        }
        if self.excluded_rows > 0 {
            writeln!(
                formatter,
                "left out of the training: {} rows in outages",
                self.excluded_rows
            )?;
        }
        if let Some(version) = self.version {
            writeln!(
                formatter,
                "version {version} ({} rounds): {}",
                self.rounds, self.model
            )?;
        }
        if !self.empty_columns.is_empty() {
            writeln!(
                formatter,
                "warning: these columns have no values in the training data: {}; the model ignores them, and so does the weekly check",
                self.empty_columns.join(", ")
            )?;
        }
        if !self.is_in_use {
            writeln!(
                formatter,
                "the training data are not the published baseline; to publish them, run `bike-traffic publish-baseline`"
            )?;
        }
        if let Some(reason) = &self.unrecorded {
            writeln!(formatter, "the audit row is missing: {reason}")?;
        }
        match self.champion {
            None => Ok(()),
            Some(outcome) => write!(formatter, "{outcome}"),
        }
    }
}

impl fmt::Display for PromotionOutcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::First => formatter.write_str("promoted as the first champion"),
            Self::Already { champion } => write!(
                formatter,
                "already registered; the champion is version {champion}"
            ),
            Self::Better {
                champion,
                champion_mae,
            } => write!(
                formatter,
                "promoted; it replaces version {champion} (MAE {champion_mae:.2} on the same test set)"
            ),
            Self::Worse {
                champion,
                champion_mae,
            } => write!(
                formatter,
                "not promoted; version {champion} stays champion (MAE {champion_mae:.2} on the same test set)"
            ),
        }
    }
}

impl TrainReport {
    fn table(&self) -> Table<5> {
        scores_table([
            ("model alone".to_owned(), &self.scores),
            (
                "with the daily correction".to_owned(),
                &self.served.corrected,
            ),
            ("seasonal naive".to_owned(), &self.seasonal_naive),
            (
                "living counters: model alone".to_owned(),
                &self.served.living,
            ),
            (
                "living counters: corrected".to_owned(),
                &self.served.corrected_living,
            ),
        ])
    }
}

/// Returns the table of named scores on the fixed test set.
pub(crate) fn scores_table<'a>(rows: impl IntoIterator<Item = (String, &'a Scores)>) -> Table<5> {
    let mut table = Table::new([
        Column::text("on the fixed test set"),
        Column::number("MAE"),
        Column::number("RMSE"),
        Column::number("R2"),
        Column::number("rows"),
    ]);
    for (name, scores) in rows {
        table.add_row([
            name,
            format!("{:.2}", scores.mae),
            format!("{:.2}", scores.rmse),
            format!("{:.3}", scores.r2),
            scores.rows.to_string(),
        ]);
    }
    table
}
