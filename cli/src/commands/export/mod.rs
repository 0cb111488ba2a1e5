//! `bike-traffic export`: downloads the counts of the daily tables as files, CSV or Parquet.
//!
//! Months are exported one by one: the warehouse writes a month to the store, and its objects are
//! downloaded. A record next to the objects lists the table versions they were made from. A record
//! next to the files lists the objects they were downloaded from. Work that these records cover is
//! skipped.
//!
//! A range that excludes days of a month has its own objects and files, so that those of the whole
//! month are unchanged.

mod arguments;
mod files;
mod month;
mod report;

#[cfg(test)]
mod tests;

use std::{path::PathBuf, sync::Arc};

use anyhow::{Context, bail};
use files::Files;
use forecasting::time::{Day, Hour};
use month::{Month, month_of};
use shared::{clock::SystemClock, ports::Ports, warehouse::ExportFormat};

pub use arguments::{ExportArguments, FormatArgument};
pub use report::{ExportReport, ExportedFile};

use crate::support::{
    progress::{self, Progress},
    stdout,
};

/// The days to export and the output folder.
#[derive(Clone, Debug)]
pub struct ExportPlan {
    /// The first day; the first day with a table if `None`.
    pub from: Option<Day>,
    /// The last day; yesterday if `None`.
    pub to: Option<Day>,
    /// The folder for the files.
    pub out: PathBuf,
    /// The format of the files.
    pub format: ExportFormat,
    /// If `true`, existing objects and files are ignored and written again.
    pub fresh: bool,
}

/// Runs the command.
pub(crate) async fn command(arguments: ExportArguments) -> anyhow::Result<()> {
    let ExportArguments {
        target,
        from,
        to,
        out,
        format,
        fresh,
        json,
    } = arguments;
    if format == FormatArgument::Parquet {
        tables::require_polars()?;
    }
    let out = out.unwrap_or_else(|| target.state.join("exports"));
    let ports = target.open_existing(Arc::new(SystemClock)).await?;
    stdout::print(
        &export(
            &ports,
            &ExportPlan {
                from,
                to,
                out,
                format: format.into(),
                fresh,
            },
        )
        .await?,
        json,
    )
}

/// Exports the counts of a range of days to files.
///
/// A repeated call resumes an interrupted export. It exports a month again only if one of its
/// tables was added or replaced since.
///
/// # Errors
/// Returns an error if the last day is before the first, if a port fails, or if a file cannot be
/// written.
pub async fn export(ports: &Ports, plan: &ExportPlan) -> anyhow::Result<ExportReport> {
    // Hour 0 is the earliest representable hour, so no earlier day has counts.
    let first = plan.from.unwrap_or_else(|| Hour::from_number(0).day());
    let yesterday = Day::of(ports.clock.now()).plus(-1);
    let last = plan.to.unwrap_or(yesterday);
    if last < first {
        bail!(
            "cannot export the days from {first} to {last}: the last day is before the first; pass a --from that is not \
             after --to"
        );
    }
    let tables = ports
        .warehouse
        .table_versions(month_of(first).0, month_of(last).1);
    let tables = progress::noting("listing the daily tables", tables).await?;
    let months = Month::of_range(&tables, (first, last), yesterday);
    let mut files = Files::open(&plan.out)?;
    let mut report = ExportReport::new(&plan.out, (first, last));
    let (total, mut progress) = (
        months.len() as u64,
        Progress::new("exporting", "months", months.len() as u64),
    );
    for (done, month) in (0..).zip(&months) {
        progress.show(done, total, month.name.clone());
        let (is_new, exported) =
            download(month, ports, &mut files, (plan.format, plan.fresh)).await?;
        report.add(month, is_new, exported);
        files.remove_parts_of(month)?;
        // Overlapping parts must have equal counts, because either may win in a merge.
        for part in files
            .parts(&month.name)
            .into_iter()
            .filter(|part| Some(*part) != month.part)
        {
            let part = Month::part(part, &tables);
            download(&part, ports, &mut files, (plan.format, false)).await?;
        }
        progress.show(done + 1, total, month.name.clone());
    }
    progress.finish();
    Ok(report)
}

/// Downloads a month or a part of it, and exports it first if its objects are missing or outdated.
///
/// Returns `true` if it was exported, and the files.
async fn download(
    month: &Month,
    ports: &Ports,
    files: &mut Files,
    (format, fresh): (ExportFormat, bool),
) -> anyhow::Result<(bool, Vec<ExportedFile>)> {
    let (objects, is_new) = month.objects(ports, format, fresh).await?;
    let exported = files.update(&*ports.store, month, &objects).await;
    Ok((
        is_new,
        exported.with_context(|| format!("cannot download {}", month.label()))?,
    ))
}
