//! Reading the stored objects that a week's page is made of.

use std::collections::BTreeMap;

use forecasting::{
    metrics::Scores,
    time::{Day, Week},
};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use shared::{
    audit::AuditRow,
    evaluation::{self, Evaluation},
    event::Function,
    ports::Ports,
    registry::{ModelVersion, Registry, RegistryError, Version},
    store::{Store, StoreError, malformed, read_json},
    warehouse::{Warehouse, WarehouseError},
    week_report::{self, WeekReport},
};

use super::{
    data::{DayOfData, Histogram, Mark, Step, TestScores, Traffic, Training, Trial, WeekPage},
    traffic::DAYS_BEFORE,
};
use crate::state::target_option;

/// The number of weeks that the page shows, the week included.
const WEEKS: i32 = 12;
/// The largest number of evaluations that are read to find the scores of a champion.
const EVALUATIONS: usize = 12;
/// The prefix of the metrics of a run that hold the importance of a feature.
const IMPORTANCE: &str = "importance_";

/// The error returned when the data of a page cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum GatherError {
    /// The week has no report.
    #[error(
        "cannot make the page of {week}: the week is not judged; judge it with `bike-traffic drift-check --week {week} --request`"
    )]
    NotJudged {
        /// The week.
        week: Week,
    },
    /// The store failed, or an object is invalid.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The warehouse failed.
    #[error(transparent)]
    Warehouse(#[from] WarehouseError),
    /// The registry failed.
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

impl WeekPage {
    /// Reads the data of a week's page.
    ///
    /// Objects and rows about later weeks are ignored, so a page does not change when later weeks
    /// are judged.
    ///
    /// # Errors
    /// Returns an error if the week is not judged, or if a port fails.
    pub async fn gather(ports: &Ports, week: Week) -> Result<Self, GatherError> {
        Self::gather_from(&*ports.store, &*ports.warehouse, &*ports.registry, week).await
    }

    /// Reads the data of a week's page from single ports, see [`WeekPage::gather`].
    ///
    /// # Errors
    /// Returns the errors of [`WeekPage::gather`].
    pub async fn gather_from(
        store: &dyn Store,
        warehouse: &dyn Warehouse,
        registry: &dyn Registry,
        week: Week,
    ) -> Result<Self, GatherError> {
        let first_week = week.first_day().plus(7 * (1 - WEEKS)).week();
        let reports = judgements(store).await?;
        let subject = reports
            .get(&week)
            .cloned()
            .ok_or(GatherError::NotJudged { week })?;
        let (report, histograms) = read_report(store, &subject).await?;
        let mut earlier = Vec::new();
        for (earlier_week, subject) in reports.range(first_week..) {
            if *earlier_week < week {
                earlier.push(read_report(store, subject).await?.0);
            }
        }
        let (first, last) = (week.first_day(), week.last_day());
        let before = first.plus(-DAYS_BEFORE);
        let counts = warehouse.counts(before, last).await?;
        let forecasts = warehouse.forecasts(before, last).await?;
        let log = warehouse
            .audit_log_since(first_week.first_day().at(0))
            .await?;
        let evaluation = read_evaluation(store, &subject).await?;
        let training = match &evaluation {
            Some(evaluation) => {
                let version = registered(registry, evaluation.challenger).await?;
                Some(training(&log, week, version.as_ref()))
            }
            None => None,
        };
        let champion = report.champion.version;
        let test = match test_scores(store, evaluation.as_ref(), champion, week).await? {
            Some(scores) => Some(scores),
            None => scores_of_training(store, registry, champion).await?,
        };
        Ok(Self {
            week,
            test,
            marks: marks(&log, week),
            last_step: steps(&log, week).last().map(|row| Step::of(row)),
            days: days(&log, (first, last)),
            traffic: Traffic::of(week, &counts, &forecasts),
            target: target_option(store),
            subject,
            report,
            histograms,
            earlier,
            evaluation,
            training,
        })
    }
}

/// Returns the subject of the last judgement of each week.
async fn judgements(store: &dyn Store) -> Result<BTreeMap<Week, String>, StoreError> {
    let mut last = BTreeMap::new();
    for path in store.list(week_report::FOLDER).await? {
        let name = path.as_str().strip_prefix(week_report::FOLDER);
        let Some(subject) = name.and_then(|name| name.strip_suffix(".json")) else {
            continue;
        };
        // The paths are sorted, and a repeated judgement adds `@INSTANT` to the week.
        if let Some(week) = week_of(subject) {
            last.insert(week, subject.to_owned());
        }
    }
    Ok(last)
}

/// Returns the week that a subject is about.
fn week_of(subject: &str) -> Option<Week> {
    let (week, _) = subject.split_once('@').unwrap_or((subject, ""));
    week.parse().ok()
}

/// The fields of a report that reports of earlier versions do not have.
#[derive(Default, Deserialize)]
struct Extras {
    #[serde(default)]
    histograms: Option<Vec<Histogram>>,
}

async fn read_report(
    store: &dyn Store,
    subject: &str,
) -> Result<(WeekReport, Vec<Histogram>), StoreError> {
    let path = week_report::path(subject);
    let bytes = store.read(&path).await?.bytes;
    let report =
        serde_json::from_slice(&bytes).map_err(|source| malformed(store, &path, source))?;
    // Histograms of an unknown form are not worth a missing page.
    let extras: Extras = serde_json::from_slice(&bytes).unwrap_or_default();
    Ok((report, extras.histograms.unwrap_or_default()))
}

async fn read_evaluation(
    store: &dyn Store,
    subject: &str,
) -> Result<Option<Evaluation>, StoreError> {
    match read_json(store, &Evaluation::path(subject)).await {
        Ok((evaluation, _)) => Ok(Some(evaluation)),
        Err(StoreError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Returns the scores of a champion on the fixed test set, from the last evaluation up to `week`
/// that scored it.
async fn test_scores(
    store: &dyn Store,
    of_week: Option<&Evaluation>,
    champion: Version,
    week: Week,
) -> Result<Option<TestScores>, StoreError> {
    if let Some(scores) = of_week.and_then(|evaluation| scores_of(evaluation, champion)) {
        return Ok(Some(scores));
    }
    let paths = store.list(evaluation::FOLDER).await?;
    let subjects = paths.iter().rev().filter_map(|path| {
        let name = path.as_str().strip_prefix(evaluation::FOLDER)?;
        let subject = name.strip_suffix(".json")?;
        week_of(subject).filter(|found| *found <= week)?;
        Some(subject)
    });
    for subject in subjects.take(EVALUATIONS) {
        let found = read_evaluation(store, subject).await?;
        if let Some(scores) = found.and_then(|evaluation| scores_of(&evaluation, champion)) {
            return Ok(Some(scores));
        }
    }
    Ok(None)
}

fn scores_of(evaluation: &Evaluation, version: Version) -> Option<TestScores> {
    let pair = &evaluation.comparison.fixed_test;
    let scored = [
        (evaluation.champion, pair.champion),
        (evaluation.challenger, pair.challenger),
    ];
    let (_, champion) = scored.into_iter().find(|(scored, _)| *scored == version)?;
    Some(TestScores {
        champion,
        seasonal_naive_mae: pair.seasonal_naive.map(|naive| naive.mae),
    })
}

/// The part of a model card that the page shows.
#[derive(Deserialize)]
struct ScoredCard {
    #[serde(default)]
    test_scores: Option<Scores>,
}

/// Returns the scores of a champion that no evaluation has scored yet, from its training.
async fn scores_of_training(
    store: &dyn Store,
    registry: &dyn Registry,
    champion: Version,
) -> Result<Option<TestScores>, GatherError> {
    let Some(version) = registered(registry, champion).await? else {
        return Ok(None);
    };
    let run = version.run;
    let card = match read_json::<ScoredCard>(store, &run.artifacts.join("card.json")).await {
        Ok((card, _)) => card,
        Err(StoreError::NotFound { .. }) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    Ok(card.test_scores.map(|champion| TestScores {
        champion,
        seasonal_naive_mae: run.metrics.get("test_mae_naive").copied(),
    }))
}

/// Returns a version with its run, or `None` if it was deleted.
async fn registered(
    registry: &dyn Registry,
    version: Version,
) -> Result<Option<ModelVersion>, RegistryError> {
    match registry.version(version).await {
        Ok(version) => Ok(Some(version)),
        Err(RegistryError::NotFound { .. } | RegistryError::Unusable { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Returns the rows about what followed from the judgement of a week, in the order of recording.
fn steps(log: &[AuditRow], week: Week) -> Vec<&AuditRow> {
    let followed = [Function::FineTune, Function::Evaluate, Function::Promote];
    log.iter()
        .filter(|row| followed.contains(&row.function) && !row.entry.is_repetition())
        .filter(|row| week_of(row.event_id.subject()) == Some(week))
        .collect()
}

fn marks(log: &[AuditRow], week: Week) -> Vec<Mark> {
    let mark = |row: &AuditRow| {
        // Operators decide about no week. Their decisions belong to the week of the decision.
        let about =
            week_of(row.event_id.subject()).unwrap_or_else(|| Day::of(row.timestamp).week());
        Mark::of(about, &Step::of(row)).filter(|_| about <= week)
    };
    let decisions = log.iter().filter(|row| !row.entry.is_repetition());
    decisions.filter_map(mark).collect()
}

/// Returns what is recorded about the training of a challenger.
fn training(log: &[AuditRow], week: Week, version: Option<&ModelVersion>) -> Training {
    let rows = steps(log, week);
    let trained = rows
        .iter()
        .rev()
        .find(|row| row.entry.decision == "challenger-trained");
    let run = version.map(|version| &version.run);
    let from_tag = run.and_then(|run| run.tags.get("strategy").cloned());
    let importance = run.map(|run| {
        let mut shares: Vec<_> = run
            .metrics
            .iter()
            .filter_map(|(name, share)| Some((name.strip_prefix(IMPORTANCE)?.to_owned(), *share)))
            .collect();
        shares.sort_by(|left, right| right.1.total_cmp(&left.1));
        shares
    });
    let detail = trained.map(|row| &row.entry.detail);
    let field = |name: &str| detail.and_then(|detail| detail.get(name));
    let trials = field("strategies").and_then(Value::as_array);
    Training {
        strategy: field("strategy")
            .and_then(Value::as_str)
            .map(str::to_owned)
            .or(from_tag),
        champion_mae: field("champion_selection_scores").and_then(mae),
        trials: trials
            .map(|trials| trials.iter().filter_map(trial).collect())
            .unwrap_or_default(),
        importance: importance.unwrap_or_default(),
    }
}

fn trial(trial: &Value) -> Option<Trial> {
    Some(Trial {
        strategy: trial.get("strategy")?.as_str()?.to_owned(),
        mae: trial.get("selection_scores").and_then(mae),
        error: trial
            .get("error")
            .and_then(Value::as_str)
            .map(str::to_owned),
    })
}

fn mae(scores: &Value) -> Option<f64> {
    scores.get("mae")?.as_f64()
}

/// Returns the ingestion of the days from `first` to `last`, with the numbers of the last reply.
fn days(log: &[AuditRow], (first, last): (Day, Day)) -> Vec<DayOfData> {
    let mut days = BTreeMap::<Day, DayOfData>::new();
    for row in log.iter().filter(|row| row.function == Function::Ingest) {
        let reports = row.entry.detail.get("days").and_then(Value::as_array);
        for report in reports.into_iter().flatten() {
            let Some(found) = day_of_data(report, row.timestamp) else {
                continue;
            };
            if !(first..=last).contains(&found.day) {
                continue;
            }
            let known = days.get(&found.day).map(|known| known.ingested_at);
            let ingested_at = known.map_or(found.ingested_at, |known| known.min(found.ingested_at));
            days.insert(
                found.day,
                DayOfData {
                    ingested_at,
                    ..found
                },
            );
        }
    }
    days.into_values().collect()
}

fn day_of_data(report: &Value, ingested_at: Timestamp) -> Option<DayOfData> {
    let number = |name: &str| report.get(name).and_then(Value::as_u64);
    let rows = number("rows")?;
    (rows > 0).then_some(())?;
    Some(DayOfData {
        day: report.get("day")?.as_str()?.parse().ok()?,
        ingested_at,
        records: number("records").unwrap_or(rows),
        rows,
        duplicates: number("duplicates").unwrap_or_default(),
        rejected: number("rejected").unwrap_or_default(),
    })
}
