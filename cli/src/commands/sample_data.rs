//! `bike-traffic sample-data`: writes generated counts in the format of the public export.

use std::path::PathBuf;

use clap::Args;
use jiff::civil::Date;

use crate::support::{progress::Progress, sample_data, stdout};

/// Options of `sample-data`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  bike-traffic sample-data --out data
  bike-traffic sample-data --out big --counters 120 --rows 900000 --seed 7

The live data contain these events, with the default periods on these days:
  2021-07-25 to 2021-08-15  a summer exodus: almost half the traffic, flat peaks
  2021-07-28                a bike lane: 2.5 times the traffic at one counter
  2021-08-03 to 2021-08-12  an outage: zeros, then no counts of one counter
  2021-08-16                the return from the holidays: traffic as before
Fewer than six counters have neither a new bike lane nor an outage. The report names the counters, \
so that they can be compared with what the loop finds.")]
pub struct SampleDataArguments {
    /// The output folder for train_baseline.csv.gz, test_baseline.csv.gz and live.csv.gz.
    #[arg(long, value_name = "FOLDER")]
    pub out: PathBuf,
    /// The number of counters.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub counters: u32,
    /// The seed of the generator; equal seeds give byte-identical files.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// The first day of the training data.
    #[arg(long, default_value = "2020-09-01", value_parser = date)]
    pub first_day: Date,
    /// The number of days of training data.
    #[arg(long, default_value_t = 257)]
    pub train_days: u32,
    /// The number of days of the fixed test set.
    #[arg(long, default_value_t = 64)]
    pub test_days: u32,
    /// The number of days of live data.
    #[arg(long, default_value_t = 35)]
    pub live_days: u32,
    /// The minimum number of rows in all files, reached with more days of training data.
    #[arg(long, conflicts_with = "train_days")]
    pub rows: Option<u64>,
    /// Print the report as JSON.
    #[arg(long)]
    pub json: bool,
}

fn date(text: &str) -> Result<Date, String> {
    text.parse()
        .map_err(|_| format!("cannot parse `{text}` as a day such as 2020-09-01"))
}

/// Runs the command.
pub(crate) fn command(arguments: &SampleDataArguments) -> anyhow::Result<()> {
    let mut settings = sample_data::Settings {
        counters: arguments.counters,
        seed: arguments.seed,
        first_day: arguments.first_day,
        train_days: arguments.train_days,
        test_days: arguments.test_days,
        live_days: arguments.live_days,
    };
    if let Some(rows) = arguments.rows {
        settings = settings.with_rows(rows)?;
    }
    let mut progress = Progress::new("writing", "rows", 0);
    let written = sample_data::write(&settings, &arguments.out, &mut |done, total| {
        progress.show(done, total, String::new())
    })?;
    progress.finish();
    stdout::print(&written, arguments.json)
}
