//! `bike-traffic split`: training data and a fixed test set from one export.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use clap::Args;
use forecasting::{counts::Counts, time::Day};
use serde::Serialize;

use crate::support::{data_file, stdout};

/// Options of `split`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  bike-traffic split --input comptage-velo.csv.gz --out data
  bike-traffic split --input comptage-velo.csv --out data --train-share 0.75 --json
  bike-traffic split --input comptage-velo.csv.gz --out data --at 2021-05-16")]
pub struct SplitArguments {
    /// The export, CSV or CSV in gzip.
    #[arg(long, value_name = "PATH")]
    pub input: PathBuf,
    /// The folder for train_baseline.csv.gz, test_baseline.csv.gz and rejects.csv.
    #[arg(long, value_name = "FOLDER")]
    pub out: PathBuf,
    /// The share of rows for training; the split is at the nearest midnight.
    #[arg(long, default_value_t = 0.8, value_parser = share, value_name = "SHARE")]
    pub train_share: f64,
    /// The first day of the fixed test set, instead of a share.
    #[arg(long, value_name = "DAY", conflicts_with = "train_share")]
    pub at: Option<Day>,
    /// Print the result as JSON.
    #[arg(long)]
    pub json: bool,
}

/// What an export was split into.
#[derive(Clone, Debug, Serialize)]
struct SplitReport {
    /// The first day of the fixed test set.
    first_test_day: Day,
    /// The training data.
    train: SplitFile,
    /// The fixed test set.
    test: SplitFile,
    /// How many rows went because of another for the same counter and hour.
    duplicates: usize,
    /// How many rows could not be used.
    rejected: u64,
    /// The file with the rows that could not be used, written if there are any.
    rejects: PathBuf,
}

/// A file of counts.
#[derive(Clone, Debug, Serialize)]
struct SplitFile {
    path: PathBuf,
    rows: usize,
}

impl fmt::Display for SplitReport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            first_test_day,
            train,
            test,
            duplicates,
            rejected,
            rejects,
        } = self;
        writeln!(
            formatter,
            "{} counts before {first_test_day} in {}",
            train.rows,
            train.path.display()
        )?;
        writeln!(
            formatter,
            "{} counts from then on in {}",
            test.rows,
            test.path.display()
        )?;
        write!(
            formatter,
            "{duplicates} duplicates went, {rejected} rows were rejected"
        )?;
        if *rejected > 0 {
            write!(formatter, " (see {})", rejects.display())
        } else {
            Ok(())
        }
    }
}

fn share(text: &str) -> Result<f64, String> {
    let share: f64 = text.parse().map_err(|_| format!("`{text}` is no number"))?;
    if share > 0.0 && share < 1.0 {
        Ok(share)
    } else {
        Err("a share lies between 0 and 1".to_owned())
    }
}

/// Runs the command.
pub(crate) fn command(arguments: &SplitArguments) -> anyhow::Result<()> {
    let border = arguments
        .at
        .map_or(Border::Share(arguments.train_share), Border::Day);
    stdout::print(
        &split_file(&arguments.input, &arguments.out, border)?,
        arguments.json,
    )
}

/// Where to split.
#[derive(Clone, Copy, Debug)]
enum Border {
    /// At the midnight before which the share of rows is nearest to this one.
    Share(f64),
    /// At the beginning of this day.
    Day(Day),
}

/// Splits an export and writes both parts, and the rows that could not be used, into a folder.
fn split_file(input: &Path, out: &Path, border: Border) -> anyhow::Result<SplitReport> {
    let rejects = out.join("rejects.csv");
    let loaded = data_file::load_file(input, &rejects)?;
    let first_test_day = match border {
        Border::Share(share) => first_test_day(&loaded.counts, share).with_context(|| {
            format!(
                "cannot split {}: it has counts of one day only",
                input.display()
            )
        })?,
        Border::Day(day) => {
            refuse_empty_part(&loaded.counts, day)
                .with_context(|| format!("cannot split {}", input.display()))?;
            day
        }
    };
    let (train, test) = split(&loaded.counts, first_test_day);
    let save = |counts: &Counts, name: &str| -> anyhow::Result<SplitFile> {
        let path = out.join(name);
        data_file::save(counts, &path)?;
        Ok(SplitFile {
            path,
            rows: counts.len(),
        })
    };
    Ok(SplitReport {
        first_test_day,
        train: save(&train, "train_baseline.csv.gz")?,
        test: save(&test, "test_baseline.csv.gz")?,
        duplicates: loaded.duplicates,
        rejected: loaded.rejected,
        rejects,
    })
}

fn refuse_empty_part(counts: &Counts, first_test_day: Day) -> anyhow::Result<()> {
    let days = counts.rows_per_day();
    let (Some((first, _)), Some((last, _))) = (days.first_key_value(), days.last_key_value())
    else {
        bail!("it has no counts");
    };
    if first_test_day <= *first || first_test_day > *last {
        bail!(
            "a part would have no counts: they are of {first} to {last}, and the second part begins on {first_test_day}"
        );
    }
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
    let Some((first, last)) = counts.period() else {
        return (Counts::default(), Counts::default());
    };
    let border = first_test_day.first_hour();
    (
        counts.between(first, border.plus(-1)),
        counts.between(border, last),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use forecasting::counts::Counter;

    fn counts(days: i32) -> Counts {
        let mut counts = Counts::default();
        let quai = counts.intern(Counter {
            id: None,
            name: "Quai".to_owned(),
            coordinates: None,
        });
        let first: Day = "2021-05-01".parse().unwrap();
        first
            .through(first.plus(days - 1))
            .flat_map(Day::hours)
            .for_each(|hour| counts.push(quai, hour, 1));
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

    #[test]
    fn the_split_is_at_the_day_that_was_named_if_both_parts_have_counts_then() {
        let folder = tempfile::tempdir().unwrap();
        let (input, out) = (folder.path().join("export.csv"), folder.path().join("out"));
        data_file::save(&counts(10), &input).unwrap();
        let split_at = |day: &str| split_file(&input, &out, Border::Day(day.parse().unwrap()));
        for day in ["2021-04-30", "2021-05-01", "2021-05-11"] {
            let error = format!("{:#}", split_at(day).unwrap_err());
            assert!(
                error.contains("2021-05-01 to 2021-05-10")
                    && !out.join("train_baseline.csv.gz").exists(),
                "{error}"
            );
        }
        let report = split_at("2021-05-03").unwrap();
        assert_eq!(
            (
                report.first_test_day.to_string().as_str(),
                report.train.rows,
                report.test.rows
            ),
            ("2021-05-03", 48, 192)
        );
        let test = data_file::load_file(&report.test.path, &out.join("rejects.csv"))
            .unwrap()
            .counts;
        assert_eq!(test.period().unwrap().0.day(), report.first_test_day);
    }
}
