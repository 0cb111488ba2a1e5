//! Options of `export`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use forecasting::time::Day;
use shared::warehouse::ExportFormat;

use crate::args::TargetArguments;

/// Options of `export`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  bike-traffic export --cloud
  bike-traffic export --cloud --from 2021-04-01 --to 2021-06-30 --out exports
  bike-traffic export --cloud --format parquet --out exports
  bike-traffic export --state state/run-1a2b3c4d --json

An interrupted export resumes at the first incomplete month when the command is run again. The \
output folder has a file for each object of a month, for example \
2021-04-counts-000000000000.csv. Pass the folder to `bike-traffic merge-baseline --bq-export`. \
Parquet keeps the types of the tables, in much smaller files. A month exported in one format has no \
files of the other.

A range that excludes some tables of a month is written to separate files, for example \
2021-04-from-05-to-20-counts-000000000000.csv. The files of the whole month are unchanged. \
Exporting the whole month or a larger part removes the files of the smaller part. Overlapping \
parts are updated together.")]
pub struct ExportArguments {
    /// The target to export from.
    #[command(flatten)]
    pub target: TargetArguments,
    /// The first day [default: the first day with a table].
    #[arg(long, value_name = "DAY")]
    pub from: Option<Day>,
    /// The last day [default: yesterday in Paris].
    #[arg(long, value_name = "DAY")]
    pub to: Option<Day>,
    /// The output folder [default: the folder exports in the local state].
    #[arg(long, value_name = "FOLDER")]
    pub out: Option<PathBuf>,
    /// The format of the files. Only BigQuery writes Parquet.
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub format: FormatArgument,
    /// Ignore existing objects and files: export and download every month again.
    #[arg(long)]
    pub fresh: bool,
    /// Print the report as JSON.
    #[arg(long)]
    pub json: bool,
}

/// The formats of exported files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum FormatArgument {
    /// CSV with a header.
    #[default]
    Csv,
    /// Parquet.
    Parquet,
}

impl From<FormatArgument> for ExportFormat {
    fn from(format: FormatArgument) -> Self {
        match format {
            FormatArgument::Csv => Self::Csv,
            FormatArgument::Parquet => Self::Parquet,
        }
    }
}
