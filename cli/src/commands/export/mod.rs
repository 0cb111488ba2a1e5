//! `bike-traffic export`: the counts of the daily tables as files on this machine.
//!
//! It goes month by month: the warehouse writes a month into the store, and its objects are downloaded. A record beside
//! the objects names the versions of the tables they were made from, and one beside the files names the objects they were
//! downloaded from; what these say is there is not done again.
//!
//! A range that leaves out days of a month makes objects and files of their own, so that those of the whole month stay.

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
use shared::{clock::SystemClock, ports::Ports};

pub use arguments::ExportArguments;
pub use report::{ExportReport, ExportedFile};

use crate::support::{progress::Progress, stdout};

/// What to export.
#[derive(Clone, Debug)]
pub struct ExportPlan {
    /// The first day; the first that has a table if not given.
    pub from: Option<Day>,
    /// The last day; yesterday if not given.
    pub to: Option<Day>,
    /// The folder for the files.
    pub out: PathBuf,
    /// Whether what is there is done again.
    pub fresh: bool,
}

/// Runs the command.
pub(crate) async fn command(arguments: ExportArguments) -> anyhow::Result<()> {
    let ExportArguments {
        place,
        from,
        to,
        out,
        fresh,
        json,
    } = arguments;
    let out = out.unwrap_or_else(|| place.state.join("exports"));
    let ports = place.open(Arc::new(SystemClock)).await?;
    stdout::print(
        &export(
            &ports,
            &ExportPlan {
                from,
                to,
                out,
                fresh,
            },
        )
        .await?,
        json,
    )
}

/// Exports the counts of a range of days into files. Done a second time it finishes what the first time left open, and
/// does nothing again but for days whose tables were replaced or added since.
///
/// # Errors
/// When the range has its ends the wrong way round, when a port fails, or when a file cannot be written.
pub async fn export(ports: &Ports, plan: &ExportPlan) -> anyhow::Result<ExportReport> {
    // Hours are counted from there, so no day before it has counts.
    let first = plan.from.unwrap_or_else(|| Hour::from_number(0).day());
    let yesterday = Day::of(ports.clock.now()).plus(-1);
    let last = plan.to.unwrap_or(yesterday);
    if last < first {
        bail!("cannot export the days from {first} to {last}: the last day comes before the first");
    }
    let tables = ports
        .warehouse
        .table_versions(month_of(first).0, month_of(last).1)
        .await?;
    let months = Month::of_range(&tables, (first, last), yesterday);
    let mut files = Files::open(&plan.out)?;
    let mut report = ExportReport::new(&plan.out, (first, last));
    let (total, mut progress) = (
        months.len() as u64,
        Progress::new("exporting", months.len() as u64),
    );
    for (done, month) in (0..).zip(&months) {
        progress.show(done, total, month.name.clone());
        let (is_new, exported) = bring(month, ports, &mut files, plan.fresh).await?;
        report.add(month, is_new, exported);
        files.remove_parts_of(month)?;
        // Days that two parts have are to be the same in both, since in a merge either may win.
        for part in files
            .parts(&month.name)
            .into_iter()
            .filter(|part| Some(*part) != month.part)
        {
            bring(&Month::part(part, &tables), ports, &mut files, false).await?;
        }
        progress.show(done + 1, total, month.name.clone());
    }
    progress.finish();
    Ok(report)
}

/// Brings a month, or a part of it, into files, and tells whether it had to be exported for that.
async fn bring(
    month: &Month,
    ports: &Ports,
    files: &mut Files,
    fresh: bool,
) -> anyhow::Result<(bool, Vec<ExportedFile>)> {
    let (objects, is_new) = month.objects(ports, fresh).await?;
    let exported = files.update(&*ports.store, month, &objects).await;
    Ok((
        is_new,
        exported.with_context(|| format!("cannot bring {} here", month.label()))?,
    ))
}
