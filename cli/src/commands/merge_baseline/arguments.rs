//! Options of `merge-baseline`.

use std::path::PathBuf;

use clap::Args;

/// Options of `merge-baseline`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  TEST_DATA_PATH=test.csv.gz bike-traffic merge-baseline --baseline train.csv.gz --bq-export exports --output next.csv.gz
  bike-traffic merge-baseline --baseline 2023.csv --bq-export 2024.csv 2025.csv.gz --test-path test.csv.gz --output next.csv.gz
  bike-traffic merge-baseline --baseline 2023.csv --bq-export 2024.csv --no-test-set --output next.csv --json

Where two files count the same hour of a counter, the file that stands later on the command line wins.")]
#[command(group = clap::ArgGroup::new("fixed_test").required(true).args(["test_path", "no_test_set"]))]
pub struct MergeArguments {
    /// The baseline so far, CSV or CSV in gzip.
    #[arg(long, value_name = "PATH")]
    pub baseline: PathBuf,
    /// Exports to add, CSV or CSV in gzip, of BigQuery or of the city; of a folder, all *.csv and *.csv.gz in it and
    /// below it, sorted by path.
    #[arg(long, value_name = "PATH", required = true, num_args = 1..)]
    pub bq_export: Vec<PathBuf>,
    /// The file to write, with the header of the public export; in gzip if its name ends in .gz.
    #[arg(long, value_name = "PATH")]
    pub output: PathBuf,
    /// The fixed test set, a path or gs://: rows from its first to its last hour are left out.
    #[arg(long, env = "TEST_DATA_PATH", value_name = "PATH")]
    pub test_path: Option<String>,
    /// There is no fixed test set yet: leave nothing out. TEST_DATA_PATH must be unset.
    #[arg(long)]
    pub no_test_set: bool,
    /// The file for rows that cannot be used; without this, OUTPUT.rejects.csv. One of an earlier merge is replaced.
    #[arg(long, value_name = "PATH")]
    pub rejects: Option<PathBuf>,
    /// Print the result as JSON.
    #[arg(long)]
    pub json: bool,
}
