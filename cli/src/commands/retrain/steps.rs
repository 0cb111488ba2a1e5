//! The steps of a retraining. Each step is idempotent: a repetition after an interruption at any
//! moment ends in the same state.

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use forecasting::{checksum::Checksum, time::Hour};
use model::{Model, Threads};
use serde_json::json;
use shared::{
    audit::{ChampionDecision, Compared},
    baseline::{self, Baseline, DataSet, DataSetName, Manifest, Source},
    event::EventId,
    ports::Ports,
    registry::{self, Alias, Promoted, Promotion, RegistryError, Version},
    store::Generation,
    warehouse::ExportFormat,
};

use super::{
    Comparison, Plan,
    journal::{Exported, Fitted, Merged},
};
use crate::{
    commands::{
        export::{self, ExportPlan},
        merge_baseline::{self, MergePlan},
        publish_baseline::refuse_unless_better,
        train::{Origin, TrainingData, fit_while_storing, register},
    },
    support::{decision, output::OutputFile, predecessor::Predecessor, progress},
};

/// The tag `data_source` of the run, and the command. The merged data are neither the baseline nor
/// a table.
const ORIGIN: (&str, &str) = ("custom", "bike-traffic retrain");

/// Exports the counts of the daily tables into local files.
pub(super) async fn export(ports: &Ports, plan: &Plan, folder: &Path) -> anyhow::Result<Exported> {
    let (from, to, out) = (Some(plan.first), Some(plan.last), folder.join("export"));
    let report = export::export(
        ports,
        &ExportPlan {
            from,
            to,
            out,
            format: ExportFormat::Csv,
            fresh: false,
        },
    )
    .await?;
    Ok(Exported {
        files: report.files.into_iter().map(|file| file.path).collect(),
        rows: report.rows,
    })
}

/// Merges the baseline and the exports into one local file.
pub(super) async fn merge(
    ports: &Ports,
    plan: &Plan,
    export: &Exported,
    folder: &Path,
) -> anyhow::Result<Merged> {
    let baseline_file = fetch(ports, &plan.baseline.train, folder).await?;
    let test = baseline::manifest(&*ports.store, &plan.baseline.test).await?;
    let merge_plan = MergePlan {
        baseline: baseline_file.clone(),
        exports: export.files.clone(),
        test_period: Some(period(&test)?),
        test_rejected: 0,
        output: folder.join("train_baseline.csv.gz"),
        rejects: folder.join("rejects.csv"),
    };
    let file = merge_plan.output.clone();
    let merged = tokio::task::spawn_blocking(move || merge_baseline::merge(&merge_plan))
        .await
        .context("the merge task did not complete")??;
    let files = [&baseline_file].into_iter().chain(&export.files);
    let rows = merged.sources.iter().map(|source| source.rows);
    let sources = || {
        files
            .zip(rows)
            .map(|(path, rows)| source(path, rows))
            .collect::<anyhow::Result<_>>()
    };
    let sources = progress::noting_here("computing the checksums of the files", sources)?;
    Ok(Merged::of(merged, file, sources))
}

/// Trains a model on the merged data, scores it on the fixed test set and registers it.
pub(super) async fn train(
    ports: &Ports,
    plan: &Plan,
    merged: &Merged,
    folder: &Path,
) -> anyhow::Result<Fitted> {
    let started_at = ports.clock.now();
    let (train, test) = (
        text(&merged.file),
        text(&fetch(ports, &plan.baseline.test, folder).await?),
    );
    let rejects = folder.join("rejects");
    let (data, uploads) = TrainingData::read(
        (&train, &test),
        &rejects,
        &*ports.store,
        Some(origin(plan, merged)),
        true,
    )
    .await?;
    let scored = fit_while_storing(ports, (&data, uploads), &plan.recipe, started_at).await?;
    let trained = register(ports, &data, &plan.recipe, ORIGIN, scored).await?;
    Ok(Fitted {
        version: trained.version,
        run: trained.run.name,
        data: data.train_data,
        scores: trained.scores,
    })
}

/// Compares the champion and the new model on the same rows.
pub(super) async fn compare(
    ports: &Ports,
    plan: &Plan,
    merged: &Merged,
    fitted: &Fitted,
    folder: &Path,
) -> anyhow::Result<Comparison> {
    let champion = registry::champion(&*ports.registry).await?;
    let (train, test) = (
        text(&merged.file),
        text(&fetch(ports, &plan.baseline.test, folder).await?),
    );
    let rejects = folder.join("rejects");
    let data = TrainingData::load(
        (&train, &test),
        &rejects,
        &*ports.store,
        Some(origin(plan, merged)),
        true,
    )
    .await?;
    let comparison = async {
        let folder = ports.registry.version(champion).await?.run.artifacts;
        let before = Predecessor::load(ports, &folder, &plan.baseline.test).await?;
        let after =
            Model::load_version(&ports.store, &*ports.registry, fitted.version, Threads::All)
                .await?;
        Comparison::of((champion, &before), &after, &data.fixed_test().frame)
    };
    progress::noting("comparing the models on the fixed test set", comparison).await
}

/// Promotes the new model, if the champion is still the version of the comparison.
pub(super) async fn promote(
    ports: &Ports,
    plan: &Plan,
    comparison: &Comparison,
    fitted: &Fitted,
) -> Result<(), PromotionError> {
    let (present, _) = in_use(ports).await.map_err(PromotionError::Other)?;
    if present != plan.baseline && present != next(plan, fitted) {
        return Err(PromotionError::OtherBaseline(present));
    }
    let registry = &*ports.registry;
    if comparison.is_same_version(fitted.version) {
        // A second promotion would make the version its own predecessor.
        let found = registry.alias(Alias::Champion).await?;
        return if found == Some(fitted.version) {
            Ok(())
        } else {
            Err(PromotionError::OtherChampion(found))
        };
    }
    let promotion = Promotion::by_operator(
        &decision::operator(),
        Some(comparison.champion),
        fitted.version,
    );
    match registry::promote(registry, &promotion).await? {
        Promoted::Done | Promoted::Already => Ok(()),
        Promoted::Stale { champion } | Promoted::Overtaken { champion, .. } => {
            Err(PromotionError::OtherChampion(champion))
        }
    }
}

/// The reason why a better model was not promoted.
#[derive(Debug, thiserror::Error)]
pub(super) enum PromotionError {
    /// Another baseline was published after the plan was made.
    #[error("the baseline changed to {} after the plan was made; start over with --restart", .0.train)]
    OtherBaseline(Baseline),
    /// Another version was promoted or restored after the comparison.
    #[error(
        "the champion changed to {} after the comparison; run the command again to compare with it",
        .0.as_ref().map_or_else(|| "none".to_owned(), |version| format!("version {version}"))
    )]
    OtherChampion(Option<Version>),
    /// The registry failed.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// Another port failed.
    #[error(transparent)]
    Other(anyhow::Error),
}

/// Publishes the data of the new model as the baseline.
pub(super) async fn publish(
    ports: &Ports,
    plan: &Plan,
    comparison: &Comparison,
    fitted: &Fitted,
) -> anyhow::Result<DataSet> {
    let (present, generation) = in_use(ports).await?;
    let next = next(plan, fitted);
    if present != plan.baseline && present != next {
        bail!(
            "version {} is champion, but the baseline changed to {} after the plan was made; publish {} with \
             `bike-traffic publish-baseline` if it is better, or start over with --restart",
            fitted.version,
            present.train,
            fitted.data
        );
    }
    if present != next && comparison.is_same_version(fitted.version) {
        // An earlier retraining promoted the version. Its comparison is unknown here, so the data
        // are compared again.
        refuse_unless_better(ports, fitted.version, &fitted.data, &present).await?;
    }
    baseline::publish(&*ports.store, Some(generation), &next).await?;
    Ok(fitted.data.clone())
}

/// Records the decision in the audit log, and returns the event id of the row.
pub(super) async fn record(
    ports: &Ports,
    plan: &Plan,
    comparison: &Comparison,
    fitted: &Fitted,
    env: &str,
) -> anyhow::Result<EventId> {
    // A quarter may have several retrainings, and each needs its own audit row.
    let event_id = decision::event_id(format_args!("retrain-{}-{}", plan.quarter, fitted.run));
    let is_better = comparison.makes_champion(fitted.version);
    let name = if is_better { "retrained" } else { "kept" };
    if comparison.is_same_version(fitted.version) && is_recorded(ports, &event_id, name).await? {
        // The existing row has the scores of the promotion.
        return Ok(event_id);
    }
    let entry = ChampionDecision {
        decision: name,
        reason: comparison.reason(fitted.version),
        champion: if is_better {
            fitted.version
        } else {
            comparison.champion
        },
        challenger: Some(fitted.version),
        scores: Some(comparison.after),
        compared: Some(Compared::new(comparison.champion, &comparison.before)),
        detail: json!({
            "run": fitted.run,
            "data": fitted.data.name,
            "baseline_before": plan.baseline.train,
            "days": [plan.first, plan.last],
            "before": comparison.before,
            "after": comparison.after,
        }),
    };
    decision::record(ports, &event_id, entry.into(), env).await?;
    Ok(event_id)
}

async fn is_recorded(ports: &Ports, event_id: &EventId, decision: &str) -> anyhow::Result<bool> {
    let log = ports.warehouse.audit_log().await?;
    Ok(log
        .iter()
        .any(|row| (&row.event_id, row.entry.decision.as_str()) == (event_id, decision)))
}

async fn in_use(ports: &Ports) -> anyhow::Result<(Baseline, Generation)> {
    baseline::published(&*ports.store)
        .await?
        .context("there is no longer a baseline; to train a champion and publish its data, run `bike-traffic train`")
}

/// Returns the merged baseline as the origin of the data, even if another one is published by now.
fn origin(plan: &Plan, merged: &Merged) -> Origin {
    Origin {
        sources: merged.sources.clone(),
        parent: plan.baseline.train.clone(),
    }
}

fn next(plan: &Plan, fitted: &Fitted) -> Baseline {
    Baseline {
        train: fitted.data.name.clone(),
        test: plan.baseline.test.clone(),
    }
}

/// Copies a data set into a local folder.
async fn fetch(ports: &Ports, name: &DataSetName, folder: &Path) -> anyhow::Result<PathBuf> {
    let path = folder.join(format!("{name}.csv"));
    let manifest = baseline::manifest(&*ports.store, name).await?;
    let reading = baseline::read(&*ports.store, &manifest);
    let bytes = progress::noting("downloading the baseline", reading).await?;
    let mut file = OutputFile::create(&path)?;
    file.write_all(&bytes)
        .with_context(|| format!("cannot write {}", path.display()))?;
    file.finish()?;
    Ok(path)
}

fn period(test: &Manifest) -> anyhow::Result<(Hour, Hour)> {
    match (
        Hour::starting_at(test.first_hour),
        Hour::starting_at(test.last_hour),
    ) {
        (Some(first), Some(last)) => Ok((first, last)),
        _ => bail!(
            "invalid period in the manifest of {}: the first and the last hour must be full hours",
            test.name
        ),
    }
}

fn source(path: &Path, rows: u64) -> anyhow::Result<Source> {
    let checksum = std::fs::File::open(path).and_then(Checksum::from_reader);
    let sha256 = checksum.with_context(|| format!("cannot read {}", path.display()))?;
    let name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    Ok(Source { name, sha256, rows })
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
