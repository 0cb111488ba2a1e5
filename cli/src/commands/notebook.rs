//! `bike-traffic features`, `forecasts`, `audit` and `reports`: tables for notebooks.

use std::{path::PathBuf, sync::Arc};

use clap::Args;
use forecasting::{
    features::{COLUMNS, FeatureSpec, Frame, TARGET},
    time::{Day, Hour},
};
use serde_json::Value;
use shared::{clock::SystemClock, ports::Ports, store::read_json};
use tables::Values;

use crate::{
    args::TargetArguments,
    support::{
        data_file, stdout,
        table_file::{self, TableReport},
    },
};

/// The folder of the drift reports in the store.
const REPORTS: &str = "reports/drift-check/";

/// The table that a command writes.
#[derive(Debug, Args)]
pub struct TableArguments {
    /// The Parquet file to write.
    #[arg(long, alias = "output", value_name = "PATH")]
    pub out: PathBuf,
    /// Print the report as JSON.
    #[arg(long)]
    pub json: bool,
}

/// Options of `features`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  bike-traffic features --input comptage-velo.csv.gz --out features.parquet

The table has a row for each count: counter, hour, the features of a model, the count, and whether \
the counter is silent. The features of the first 30 days lack counts before the file. \
Rejected rows are written beside the table.")]
pub struct FeaturesArguments {
    /// The counts, as CSV, gzipped CSV or Parquet.
    #[arg(long, value_name = "PATH")]
    pub input: PathBuf,
    /// The table to write.
    #[command(flatten)]
    pub table: TableArguments,
}

/// Options of `forecasts`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  bike-traffic forecasts --out forecasts.parquet
  bike-traffic forecasts --cloud --from 2021-07-01 --to 2021-07-31 \\
    --out forecasts.parquet")]
pub struct ForecastsArguments {
    /// The target to read from.
    #[command(flatten)]
    pub target: TargetArguments,
    /// The first day [default: 30 days before the last].
    #[arg(long, value_name = "DAY")]
    pub from: Option<Day>,
    /// The last day [default: tomorrow in Paris].
    #[arg(long, value_name = "DAY")]
    pub to: Option<Day>,
    /// The table to write.
    #[command(flatten)]
    pub table: TableArguments,
}

/// Options of `audit`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  bike-traffic audit --out audit.parquet
  bike-traffic audit --cloud --out audit.parquet --json")]
pub struct AuditArguments {
    /// The target to read from.
    #[command(flatten)]
    pub target: TargetArguments,
    /// The table to write.
    #[command(flatten)]
    pub table: TableArguments,
}

/// Options of `reports`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  bike-traffic reports --out reports.parquet
  bike-traffic reports --cloud --out reports.parquet --json")]
pub struct ReportsArguments {
    /// The target to read from.
    #[command(flatten)]
    pub target: TargetArguments,
    /// The table to write.
    #[command(flatten)]
    pub table: TableArguments,
}

/// Runs `features`.
pub(crate) fn features(arguments: &FeaturesArguments) -> anyhow::Result<()> {
    table_file::check(&arguments.table.out)?;
    let rejects = arguments.table.out.with_extension("rejects.csv");
    let counts = data_file::load_file(&arguments.input, &rejects)?
        .counts
        .normalized();
    let spec = FeatureSpec::for_counters(counts.counters());
    let frame = Frame::from_counts(&spec, &[], &counts);
    let report = table_file::save(feature_columns(&frame), frame.len(), &arguments.table.out)?;
    stdout::print(&report, arguments.table.json)
}

fn feature_columns(frame: &Frame) -> Vec<(String, Values)> {
    let counters = frame.counters();
    let names = frame
        .rows()
        .iter()
        .map(|row| Some(counters[row.counter as usize].name.clone()));
    let hours = frame.rows().iter().map(|row| Some(milliseconds(row.hour)));
    let silent = frame.silent().iter().copied().map(Some);
    let mut columns = vec![
        ("nom_du_compteur".to_owned(), Values::Text(names.collect())),
        (
            "date_et_heure_de_comptage".to_owned(),
            Values::Instant(hours.collect()),
        ),
    ];
    for name in COLUMNS.into_iter().chain([TARGET]) {
        let values = frame.column(name).unwrap_or_default();
        columns.push((name.to_owned(), Values::Feature(values)));
    }
    columns.push(("silent".to_owned(), Values::Flag(silent.collect())));
    columns
}

fn milliseconds(hour: Hour) -> i64 {
    hour.timestamp().as_millisecond()
}

/// Runs `forecasts`.
pub(crate) async fn forecasts(arguments: ForecastsArguments) -> anyhow::Result<()> {
    table_file::check(&arguments.table.out)?;
    let ports = arguments
        .target
        .open_existing(Arc::new(SystemClock))
        .await?;
    let tomorrow = Day::of(ports.clock.now()).plus(1);
    let last = arguments.to.unwrap_or(tomorrow);
    let first = arguments.from.unwrap_or_else(|| last.plus(-30));
    let rows = ports.warehouse.forecasts(first, last).await?;
    let report = table_file::save_objects(&objects(&rows)?, &arguments.table.out)?;
    stdout::print(&report, arguments.table.json)
}

/// Runs `audit`.
pub(crate) async fn audit(arguments: AuditArguments) -> anyhow::Result<()> {
    table_file::check(&arguments.table.out)?;
    let ports = arguments
        .target
        .open_existing(Arc::new(SystemClock))
        .await?;
    let rows = ports.warehouse.audit_log().await?;
    let report = table_file::save_objects(&objects(&rows)?, &arguments.table.out)?;
    stdout::print(&report, arguments.table.json)
}

/// Runs `reports`.
pub(crate) async fn reports(arguments: ReportsArguments) -> anyhow::Result<()> {
    table_file::check(&arguments.table.out)?;
    let ports = arguments
        .target
        .open_existing(Arc::new(SystemClock))
        .await?;
    let report = write_reports(&ports, &arguments.table.out).await?;
    stdout::print(&report, arguments.table.json)
}

/// Writes the drift reports, one row each.
async fn write_reports(ports: &Ports, out: &std::path::Path) -> anyhow::Result<TableReport> {
    let mut rows = Vec::new();
    for path in ports.store.list(REPORTS).await? {
        if path.as_str().ends_with(".json") {
            rows.push(read_json::<Value>(&*ports.store, &path).await?.0);
        }
    }
    table_file::save_objects(&rows, out)
}

fn objects<T: serde::Serialize>(rows: &[T]) -> anyhow::Result<Vec<Value>> {
    rows.iter()
        .map(|row| Ok(serde_json::to_value(row)?))
        .collect()
}
