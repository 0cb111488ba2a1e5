//! The steps. Each can be done again after it was cut short, at any moment, and then ends in the same state.

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use forecasting::{checksum::Checksum, time::Hour};
use model::{Model, Threads};
use serde_json::json;
use shared::{
    audit::AuditEntry,
    baseline::{self, Baseline, DataSet, DataSetName, Manifest, Source},
    event::{EventId, Function},
    ports::Ports,
    registry::{Alias, RegistryError, change_champion},
    store::Generation,
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
        train::{Origin, TrainingData, fit},
    },
    support::{output::OutputFile, predecessor::Predecessor},
};

/// The tag `data_source` of what is trained here: not the baseline, and not a table.
const DATA_SOURCE: &str = "custom";

/// The counts of the daily tables, in files of this machine.
pub(super) async fn export(ports: &Ports, plan: &Plan, folder: &Path) -> anyhow::Result<Exported> {
    let (from, to, out) = (Some(plan.first), Some(plan.last), folder.join("export"));
    let report = export::export(
        ports,
        &ExportPlan {
            from,
            to,
            out,
            fresh: false,
        },
    )
    .await?;
    Ok(Exported {
        files: report.files.into_iter().map(|file| file.path).collect(),
        rows: report.rows,
    })
}

/// Baseline and exports as one file.
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
        output: folder.join("train_baseline.csv.gz"),
        rejects: folder.join("rejects.csv"),
    };
    let file = merge_plan.output.clone();
    let merged = tokio::task::spawn_blocking(move || merge_baseline::merge(&merge_plan))
        .await
        .context("the merge did not end")??;
    let files = [&baseline_file].into_iter().chain(&export.files);
    let rows = merged.sources.iter().map(|source| source.rows);
    let sources = files
        .zip(rows)
        .map(|(path, rows)| source(path, rows))
        .collect::<anyhow::Result<_>>()?;
    Ok(Merged::of(merged, file, sources))
}

/// A model of the merged data, scored on the fixed test set and registered.
pub(super) async fn train(
    ports: &Ports,
    plan: &Plan,
    merged: &Merged,
    folder: &Path,
) -> anyhow::Result<Fitted> {
    let (train, test) = (
        shown(&merged.file),
        shown(&fetch(ports, &plan.baseline.test, folder).await?),
    );
    let rejects = folder.join("rejects");
    let data = TrainingData::load(
        (&train, &test),
        &rejects,
        &*ports.store,
        Some(origin(plan, merged)),
    )
    .await?;
    let trained = fit(ports, &data, &plan.recipe, DATA_SOURCE).await?;
    Ok(Fitted {
        version: trained.version,
        run: trained.run.name,
        data: data.train_data,
        scores: trained.scores,
    })
}

/// Champion and new model on the same rows.
pub(super) async fn compare(
    ports: &Ports,
    plan: &Plan,
    merged: &Merged,
    fitted: &Fitted,
    folder: &Path,
) -> anyhow::Result<Comparison> {
    let champion = ports
        .registry
        .alias(Alias::Champion)
        .await?
        .context("there is no champion any more")?;
    let (train, test) = (
        shown(&merged.file),
        shown(&fetch(ports, &plan.baseline.test, folder).await?),
    );
    let rejects = folder.join("rejects");
    let data = TrainingData::load(
        (&train, &test),
        &rejects,
        &*ports.store,
        Some(origin(plan, merged)),
    )
    .await?;
    let folder = ports.registry.version(champion).await?.run.artifacts;
    let before = Predecessor::load(ports, &folder, &plan.baseline.test).await?;
    let after =
        Model::load_version(&ports.store, &*ports.registry, fitted.version, Threads::All).await?;
    Comparison::of((champion, &before), &after, &data.fixed_test().frame)
}

/// The new model becomes champion, if the one it was compared with still is.
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
    if comparison.is_with_itself(fitted.version) {
        // Promoted once more, it would be its own predecessor.
        let found = registry
            .alias(Alias::Champion)
            .await
            .map_err(|error| PromotionError::Other(error.into()))?;
        return match found {
            Some(found) if found == fitted.version => Ok(()),
            found => Err(PromotionError::OtherChampion(
                found.map(|version| version.to_string()),
            )),
        };
    }
    match change_champion(registry, comparison.champion, fitted.version).await {
        Err(RegistryError::AliasMoved { found, .. }) => Err(PromotionError::OtherChampion(
            found.map(|version| version.to_string()),
        )),
        changed => changed.map_err(|error| PromotionError::Other(error.into())),
    }
}

/// Why a better model was not promoted.
#[derive(Debug, thiserror::Error)]
pub(super) enum PromotionError {
    /// Somebody has published.
    #[error("{} is the baseline since the plan was made; start over with --restart", .0.train)]
    OtherBaseline(Baseline),
    /// Somebody has promoted or rolled back.
    #[error(
        "{} is champion since the comparison; run the command again to compare with it",
        .0.as_ref().map_or_else(|| "nobody".to_owned(), |version| format!("version {version}"))
    )]
    OtherChampion(Option<String>),
    /// A port.
    #[error(transparent)]
    Other(anyhow::Error),
}

/// The new model's data become the baseline.
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
            "version {} is champion, but {} is the baseline since the plan was made: `bike-traffic publish-baseline` puts {} \
             in its place if it is better; or start over with --restart",
            fitted.version,
            present.train,
            fitted.data
        );
    }
    if present != next && comparison.is_with_itself(fitted.version) {
        // That it is better was shown by an earlier retraining, of which nothing is known here.
        refuse_unless_better(ports, fitted.version, &fitted.data, &present).await?;
    }
    baseline::publish(&*ports.store, Some(generation), &next).await?;
    Ok(fitted.data.clone())
}

/// The audit row.
pub(super) async fn record(
    ports: &Ports,
    plan: &Plan,
    comparison: &Comparison,
    fitted: &Fitted,
    env: &str,
) -> anyhow::Result<EventId> {
    // A quarter may have more than one retraining, each with a reason of its own.
    let event_id = EventId::of(
        Function::Promote,
        format_args!("retrain-{}-{}", plan.quarter, fitted.run),
    );
    let is_better = comparison.makes_champion(fitted.version);
    let decision = if is_better { "retrained" } else { "kept" };
    if comparison.is_with_itself(fitted.version) && is_recorded(ports, &event_id, decision).await? {
        // That row has the figures by which it became champion.
        return Ok(event_id);
    }
    let reason = comparison.reason(fitted.version);
    let entry = AuditEntry {
        mae: Some(comparison.after.mae),
        rmse: Some(comparison.after.rmse),
        r2: Some(comparison.after.r2),
        model_improvement: Some(1.0 - comparison.after.mae / comparison.before.mae),
        champion_version: Some(if is_better {
            fitted.version
        } else {
            comparison.champion
        }),
        challenger_version: Some(fitted.version),
        detail: json!({
            "run": fitted.run,
            "data": fitted.data.name,
            "baseline_before": plan.baseline.train,
            "days": [plan.first, plan.last],
            "before": comparison.before,
            "after": comparison.after,
        }),
        ..AuditEntry::new(decision, reason)
    };
    let row = entry.into_row(ports.clock.now(), Function::Promote, event_id.clone(), env);
    ports.warehouse.record(&row).await?;
    Ok(event_id)
}

async fn is_recorded(ports: &Ports, event_id: &EventId, decision: &str) -> anyhow::Result<bool> {
    let log = ports.warehouse.audit_log().await?;
    Ok(log
        .iter()
        .any(|row| (&row.event_id, row.decision.as_str()) == (event_id, decision)))
}

async fn in_use(ports: &Ports) -> anyhow::Result<(Baseline, Generation)> {
    baseline::published(&*ports.store)
        .await?
        .context("there is no baseline any more")
}

/// The baseline that was merged, whatever is in use by now.
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

/// Copies a data set to this machine.
async fn fetch(ports: &Ports, name: &DataSetName, folder: &Path) -> anyhow::Result<PathBuf> {
    let path = folder.join(format!("{name}.csv"));
    let manifest = baseline::manifest(&*ports.store, name).await?;
    let bytes = baseline::read(&*ports.store, &manifest).await?;
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
            "the manifest of {} has a period that does not begin on the hour",
            test.name
        ),
    }
}

fn source(path: &Path, rows: u64) -> anyhow::Result<Source> {
    let checksum = std::fs::File::open(path).and_then(Checksum::of_reader);
    let sha256 = checksum.with_context(|| format!("cannot read {}", path.display()))?;
    let name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    Ok(Source { name, sha256, rows })
}

fn shown(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
