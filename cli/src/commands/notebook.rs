//! `bike-traffic features`, `forecasts`, `audit` and `reports`: tables for notebooks.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::bail;
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
        data_file, progress, stdout,
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
pub(crate) async fn features(arguments: FeaturesArguments) -> anyhow::Result<()> {
    let FeaturesArguments { input, table } = arguments;
    let TableArguments { out, json } = table;
    table_file::check(&out)?;
    let write = move || write_features(&input, &out);
    let report = progress::noting_blocking("building the features", write).await?;
    stdout::print(&report, json)
}

/// Writes the features of a file of counts, one row for each count.
fn write_features(input: &Path, out: &Path) -> anyhow::Result<TableReport> {
    let rejects = out.with_extension("rejects.csv");
    let counts = data_file::load_file(input, &rejects)?.counts.normalized();
    let spec = FeatureSpec::for_counters(counts.counters());
    let frame = Frame::from_counts(&spec, &[], &counts);
    let (columns, rows) = (feature_columns(&frame), frame.len());
    // The columns are copies, and writing needs memory.
    drop(frame);
    table_file::save(columns, rows, out)
}

fn feature_columns(frame: &Frame) -> Vec<(String, Values)> {
    let names = frame.counters().iter().map(|counter| counter.name.clone());
    let names = Values::Repeated {
        texts: names.collect(),
        positions: frame.rows().iter().map(|row| row.counter).collect(),
    };
    let hours = frame.rows().iter().map(|row| Some(milliseconds(row.hour)));
    let hours = Values::Instant(hours.collect());
    let silent = frame.silent().iter().copied().map(Some);
    let mut columns = vec![
        ("nom_du_compteur".to_owned(), names),
        ("date_et_heure_de_comptage".to_owned(), hours),
    ];
    for (name, values) in COLUMNS.into_iter().zip(frame.columns()) {
        columns.push((name.to_owned(), Values::Feature(values)));
    }
    let targets = frame.targets().to_vec();
    columns.push((TARGET.to_owned(), Values::Feature(targets)));
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
    let days = (arguments.from, arguments.to);
    let write = write_forecasts(&ports, days, &arguments.table.out);
    let report = progress::noting("reading the forecasts", write).await?;
    stdout::print(&report, arguments.table.json)
}

/// Writes the forecasts of a range of days, one row each.
async fn write_forecasts(
    ports: &Ports,
    (from, to): (Option<Day>, Option<Day>),
    out: &Path,
) -> anyhow::Result<TableReport> {
    let tomorrow = Day::of(ports.clock.now()).plus(1);
    let last = to.unwrap_or(tomorrow);
    let first = from.unwrap_or_else(|| last.plus(-30));
    let rows = ports.warehouse.forecasts(first, last).await?;
    if rows.is_empty() {
        bail!(
            "cannot write {}: there are no forecasts from {first} to {last}; pass other days with --from and --to",
            out.display()
        );
    }
    table_file::save_objects(&objects(&rows)?, out)
}

/// Runs `audit`.
pub(crate) async fn audit(arguments: AuditArguments) -> anyhow::Result<()> {
    table_file::check(&arguments.table.out)?;
    let ports = arguments
        .target
        .open_existing(Arc::new(SystemClock))
        .await?;
    let read = ports.warehouse.audit_log();
    let rows = progress::noting("reading the audit log", read).await?;
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
    let write = write_reports(&ports, &arguments.table.out);
    let report = progress::noting("reading the drift reports", write).await?;
    stdout::print(&report, arguments.table.json)
}

/// Writes the drift reports, one row each.
async fn write_reports(ports: &Ports, out: &Path) -> anyhow::Result<TableReport> {
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

#[cfg(test)]
mod tests {
    use std::fs::File;

    use serde_json::json;
    use shared::{
        clock::SimulatedClock,
        store::{Condition, write_json},
    };

    use super::*;

    /// Returns the lines of a table as CSV, without its header.
    fn lines(path: &Path) -> Vec<String> {
        let csv = tables::parquet_as_csv(File::open(path).unwrap()).unwrap();
        let text = String::from_utf8(csv).unwrap();
        text.lines().skip(1).map(str::to_owned).collect()
    }

    #[test]
    fn features_have_a_row_with_all_columns_for_each_count() {
        let folder = tempfile::tempdir().unwrap();
        let [input, out] = ["counts.csv", "features.parquet"].map(|name| folder.path().join(name));
        let csv = "nom_du_compteur,date_et_heure_de_comptage,comptage_horaire\n\
                   Quai,2021-07-19T00:00:00Z,12\n\
                   Quai,2021-07-20T00:00:00Z,3\n";
        std::fs::write(&input, csv).unwrap();
        let report = write_features(&input, &out).unwrap();
        let names = ["nom_du_compteur", "date_et_heure_de_comptage"];
        let names = names.into_iter().chain(COLUMNS).chain([TARGET, "silent"]);
        assert_eq!(report.columns, names.collect::<Vec<_>>());
        let rows = lines(&out);
        assert_eq!((report.rows, rows.len()), (2, 2));
        // Counter, hour, category code, local hour and weekday.
        let start = "\"Quai\",\"2021-07-20T00:00:00Z\",\"0\",\"2\",\"1\",";
        assert!(rows[1].starts_with(start), "{rows:?}");
        // The count 24 hours earlier, and the count itself.
        assert!(
            rows[1].contains(",\"12\",") && rows[1].ends_with(",\"3\",\"\""),
            "{rows:?}"
        );
    }

    /// An empty table has no columns, which a notebook finds out much later.
    #[tokio::test]
    async fn days_without_forecasts_are_reported() {
        let now = "2021-08-09T06:00:00Z".parse().unwrap();
        let ports = Ports::in_memory(Arc::new(SimulatedClock::new(now)));
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("forecasts.parquet");
        let error = write_forecasts(&ports, (None, None), &out).await;
        let error = error.unwrap_err().to_string();
        assert!(
            error.contains("from 2021-07-11 to 2021-08-10; pass other days with --from"),
            "{error}"
        );
        assert!(!out.exists());
    }

    #[tokio::test]
    async fn reports_have_a_row_for_each_week() {
        let now = "2021-08-09T06:00:00Z".parse().unwrap();
        let ports = Ports::in_memory(Arc::new(SimulatedClock::new(now)));
        for week in ["2021-W30", "2021-W31"] {
            let path = format!("{REPORTS}{week}.json").parse().unwrap();
            let report = json!({ "week": week, "live": { "mae": 11.5 } });
            let written = write_json(&*ports.store, &path, &report, Condition::Always);
            written.await.unwrap();
        }
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("reports.parquet");
        let report = write_reports(&ports, &out).await.unwrap();
        assert_eq!(report.columns, ["live.mae", "week"]);
        assert_eq!(
            lines(&out),
            ["\"11.5\",\"2021-W30\"", "\"11.5\",\"2021-W31\""]
        );
    }
}
