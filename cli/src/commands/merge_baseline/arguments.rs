//! Options of `merge-baseline`.

use std::path::PathBuf;

use clap::Args;

/// Options of `merge-baseline`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  TEST_DATA_PATH=test.csv.gz bike-traffic merge-baseline \\
    --baseline train.csv.gz --bq-export exports --output next.csv.gz
  bike-traffic merge-baseline --baseline 2023.csv --test-path test.csv.gz \\
    --bq-export 2024.csv 2025.csv.gz --output next.csv.gz
  bike-traffic merge-baseline --baseline 2023.csv --bq-export 2024.csv \\
    --no-test-set --output next.csv --json

If two files have a count for the same counter and hour, the later file on the command line wins.")]
#[command(group = clap::ArgGroup::new("fixed_test").required(true).args(["test_path", "no_test_set"]))]
pub struct MergeArguments {
    /// The current baseline, as CSV, gzipped CSV or Parquet.
    #[arg(long, value_name = "PATH")]
    pub baseline: PathBuf,
    /// The exports of BigQuery or the city to add, as CSV, gzipped CSV or Parquet. A folder stands
    /// for all *.csv, *.csv.gz and *.parquet files in it and below it, sorted by path; hidden files
    /// are ignored.
    #[arg(long, value_name = "PATH", required = true, num_args = 1..)]
    pub bq_export: Vec<PathBuf>,
    /// The output file, with the header of the public export. A name in .gz compresses it.
    #[arg(long, value_name = "PATH")]
    pub output: PathBuf,
    /// The fixed test set, a path or gs://BUCKET/OBJECT. Rows from its first to its last hour are
    /// excluded.
    #[arg(long, env = "TEST_DATA_PATH", value_name = "PATH")]
    pub test_path: Option<String>,
    /// Exclude no rows: there is no fixed test set yet. TEST_DATA_PATH must be unset.
    #[arg(long)]
    pub no_test_set: bool,
    /// The file for rejected rows [default: OUTPUT.rejects.csv]. A file of an earlier merge is
    /// replaced.
    #[arg(long, value_name = "PATH")]
    pub rejects: Option<PathBuf>,
    /// Print the report as JSON.
    #[arg(long)]
    pub json: bool,
}
