//! Options of `export`.

use std::path::PathBuf;

use clap::Args;
use forecasting::time::Day;

use crate::args::TargetArguments;

/// Options of `export`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  bike-traffic export --cloud
  bike-traffic export --cloud --from 2021-04-01 --to 2021-06-30 --out exports
  bike-traffic export --state state/run-1a2b3c4d --json

Stopped at any moment and run again, it goes on with the first month that is not complete. The folder holds a file for
each object of a month, as in 2021-04-counts-000000000000.csv: give it to `bike-traffic merge-baseline --bq-export`.

A range that leaves out days of a month that have tables makes files of that part, as in
2021-04-from-05-to-20-counts-000000000000.csv, and leaves those of the whole month as they are. They go when the whole month
or a larger part is exported into the folder; parts that overlap are kept up to date together.")]
pub struct ExportArguments {
    /// The places to export from.
    #[command(flatten)]
    pub place: TargetArguments,
    /// The first day; the first that has a table if not given.
    #[arg(long, value_name = "DAY")]
    pub from: Option<Day>,
    /// The last day; yesterday, in Paris, if not given.
    #[arg(long, value_name = "DAY")]
    pub to: Option<Day>,
    /// The folder for the files; `exports` in the folder of the local state if not given.
    #[arg(long, value_name = "FOLDER")]
    pub out: Option<PathBuf>,
    /// Export and download every month again, whatever is there.
    #[arg(long)]
    pub fresh: bool,
    /// Print the result as JSON.
    #[arg(long)]
    pub json: bool,
}
