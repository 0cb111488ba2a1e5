//! `bike-traffic export`: the counts of the daily tables as files on this machine.
//!
//! It goes month by month: the warehouse writes a month into the store, and its objects are downloaded. A record beside
//! the objects names the versions of the tables they were made from, and one beside the files names the objects they were
//! downloaded from; what these say is there is not done again.

mod arguments;
mod files;
mod month;
mod report;

#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use anyhow::{Context, bail};
use shared::{clock::SystemClock, runtime::Ports, time::Day, time::Hour, warehouse::TableVersion};

pub use arguments::ExportArguments;
pub use report::{ExportReport, ExportedFile};

use crate::{progress::Progress, stdout};
use files::Files;
use month::Month;

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
    let ExportArguments { place, from, to, out, fresh, json } = arguments;
    let out = out.unwrap_or_else(|| place.state.join("exports"));
    let ports = place.open(Arc::new(SystemClock)).await?;
    stdout::print(&export(&ports, &ExportPlan { from, to, out, fresh }).await?, json)
}

/// Exports the counts of a range of days into files. Done a second time it finishes what the first time left open, and
/// does nothing again but for days whose tables were replaced or added since.
///
/// # Errors
/// When the range has its ends the wrong way round, when a port fails, or when a file cannot be written.
pub async fn export(ports: &Ports, plan: &ExportPlan) -> anyhow::Result<ExportReport> {
    // Hours are counted from there, so no day before it has counts.
    let first = plan.from.unwrap_or_else(|| Hour::from_number(0).day());
    let last = plan.to.unwrap_or_else(|| Day::of(ports.clock.now()).plus(-1));
    if last < first {
        bail!("cannot export the days from {first} to {last}: the last day comes before the first");
    }
    let months = months(ports.warehouse.table_versions(first, last).await?);
    let mut files = Files::open(&plan.out)?;
    let mut report = ExportReport::new(&plan.out, (first, last));
    let (total, mut progress) = (months.len() as u64, Progress::new("exporting", months.len() as u64));
    for (done, month) in (0..).zip(&months) {
        progress.show(done, total, month.name.clone());
        let (objects, is_new) = month.objects(ports, plan.fresh).await?;
        let exported = files.update(&*ports.store, &month.name, &objects).await;
        report.add(month, is_new, exported.with_context(|| format!("cannot bring {} here", month.name))?);
        progress.show(done + 1, total, month.name.clone());
    }
    progress.finish();
    Ok(report)
}

/// Sorts days into months.
fn months(versions: BTreeMap<Day, TableVersion>) -> Vec<Month> {
    let mut months: Vec<Month> = Vec::new();
    for (day, version) in versions {
        let name = day.date().strftime("%Y-%m").to_string();
        match months.last_mut().filter(|month| month.name == name) {
            Some(month) => drop(month.tables.insert(day, version)),
            None => months.push(Month { name, tables: [(day, version)].into() }),
        }
    }
    months
}
