//! `bike-traffic split`: training data and a fixed test set from one export.

use std::{fs, path::PathBuf};

use anyhow::{Context, bail};
use clap::Args;
use shared::{counts::Counts, time::Day};

use crate::data;

/// Options of `split`.
#[derive(Debug, Args)]
pub struct SplitArguments {
    /// The export, CSV or CSV in gzip.
    #[arg(long, value_name = "PATH")]
    pub input: PathBuf,
    /// The folder for train_baseline.csv.gz, test_baseline.csv.gz and rejects.csv.
    #[arg(long, value_name = "FOLDER")]
    pub out: PathBuf,
    /// The share of rows for training; the split is at the nearest midnight.
    #[arg(long, default_value_t = 0.8, value_parser = share)]
    pub train_share: f64,
}

fn share(text: &str) -> Result<f64, String> {
    let share: f64 = text.parse().map_err(|_| format!("`{text}` is no number"))?;
    if share > 0.0 && share < 1.0 { Ok(share) } else { Err("a share lies between 0 and 1".to_owned()) }
}

/// Runs the command.
pub(crate) fn command(arguments: &SplitArguments) -> anyhow::Result<()> {
    let out = &arguments.out;
    fs::create_dir_all(out).with_context(|| format!("cannot make the folder {}", out.display()))?;
    let loaded = data::load_file(&arguments.input, &out.join("rejects.csv"))?;
    let Some(first_test_day) = first_test_day(&loaded.counts, arguments.train_share) else {
        bail!("cannot split {}: it has counts of one day only", arguments.input.display());
    };
    let (train, test) = split(&loaded.counts, first_test_day);
    data::save(&train, &out.join("train_baseline.csv.gz"))?;
    data::save(&test, &out.join("test_baseline.csv.gz"))?;
    println!("{} counts before {first_test_day} in {}", train.len(), out.join("train_baseline.csv.gz").display());
    println!("{} counts from then on in {}", test.len(), out.join("test_baseline.csv.gz").display());
    println!("{} duplicates went, {} rows were rejected", loaded.duplicates, loaded.rejected);
    Ok(())
}

/// Returns the day, not the first, before which the share of rows is nearest to `train_share`.
fn first_test_day(counts: &Counts, train_share: f64) -> Option<Day> {
    let wanted = counts.len() as f64 * train_share;
    let mut before = 0;
    let mut best: Option<(f64, Day)> = None;
    for (day, rows) in counts.rows_per_day() {
        let distance = (before as f64 - wanted).abs();
        if before > 0 && best.is_none_or(|(known, _)| distance < known) {
            best = Some((distance, day));
        }
        before += rows;
    }
    best.map(|(_, day)| day)
}

fn split(counts: &Counts, first_test_day: Day) -> (Counts, Counts) {
    let Some((first, last)) = counts.period() else { return (Counts::default(), Counts::default()) };
    let border = first_test_day.first_hour();
    (counts.between(first, border.plus(-1)), counts.between(border, last))
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::counts::Counter;

    fn counts(days: i32) -> Counts {
        let mut counts = Counts::default();
        let quai = counts.intern(Counter { id: None, name: "Quai".to_owned(), coordinates: None });
        let first: Day = "2021-05-01".parse().unwrap();
        first.through(first.plus(days - 1)).flat_map(Day::hours).for_each(|hour| counts.push(quai, hour, 1));
        counts
    }

    #[test]
    fn the_split_is_at_the_midnight_nearest_to_the_share() {
        for (days, expected) in [(10, "2021-05-09"), (11, "2021-05-10"), (2, "2021-05-02")] {
            let counts = counts(days);
            let day = first_test_day(&counts, 0.8).unwrap();
            assert_eq!(day, expected.parse().unwrap(), "{days} days");
            let (train, test) = split(&counts, day);
            assert_eq!(train.len() + test.len(), counts.len());
            assert!(train.period().unwrap().1 < test.period().unwrap().0);
        }
        assert_eq!(first_test_day(&counts(1), 0.8), None);
    }
}
