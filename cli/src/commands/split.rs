//! `bike-traffic split`: splits an export into training data and a fixed test set.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use clap::Args;
use forecasting::{
    counts::{Counts, ReadSummary},
    time::Day,
};
use serde::Serialize;

use crate::support::{data_file, progress, stdout};

/// Options of `split`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  bike-traffic split --input comptage-velo.csv.gz --out data
  bike-traffic split --input comptage-velo.csv --out data --train-share 0.75
  bike-traffic split --input comptage-velo.csv.gz --out data --at 2021-05-16")]
pub struct SplitArguments {
    /// The export, as CSV, gzipped CSV or Parquet.
    #[arg(long, value_name = "PATH")]
    pub input: PathBuf,
    /// The output folder for train_baseline.csv.gz, test_baseline.csv.gz and rejects.csv.
    #[arg(long, value_name = "FOLDER")]
    pub out: PathBuf,
    /// The share of rows for training, between 0 and 1; the split is at the nearest midnight.
    #[arg(long, default_value_t = 0.8, value_parser = share, value_name = "SHARE")]
    pub train_share: f64,
    /// The first day of the fixed test set, instead of --train-share.
    #[arg(long, value_name = "DAY", conflicts_with = "train_share")]
    pub at: Option<Day>,
    /// Print the report as JSON.
    #[arg(long)]
    pub json: bool,
}

/// The report of a split.
#[derive(Clone, Debug, Serialize)]
struct SplitReport {
    /// The first day of the fixed test set.
    first_test_day: Day,
    /// The training data.
    train: SplitFile,
    /// The fixed test set.
    test: SplitFile,
    /// The rows of the export by outcome.
    #[serde(flatten)]
    summary: ReadSummary,
    /// The file with the rejected rows, written if there are any.
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
            summary,
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
            "{} counts from {first_test_day} on in {}",
            test.rows,
            test.path.display()
        )?;
        write!(formatter, "{summary}")?;
        if summary.rejected > 0 {
            write!(formatter, " (see {})", rejects.display())?;
        }
        for note in summary.notes() {
            write!(formatter, "\n{note}")?;
        }
        Ok(())
    }
}

fn share(text: &str) -> Result<f64, String> {
    let share: f64 = text
        .parse()
        .map_err(|_| format!("`{text}` is not a number"))?;
    if share > 0.0 && share < 1.0 {
        Ok(share)
    } else {
        Err("the share must be between 0 and 1".to_owned())
    }
}

/// Runs the command.
pub(crate) async fn command(arguments: SplitArguments) -> anyhow::Result<()> {
    let SplitArguments {
        input,
        out,
        train_share,
        at,
        json,
    } = arguments;
    let split_point = at.map_or(SplitPoint::Share(train_share), SplitPoint::Day);
    let split = move || split_file(&input, &out, split_point);
    let report = progress::noting_blocking("splitting the export", split).await?;
    stdout::print(&report, json)
}

/// The point at which an export is split.
#[derive(Clone, Copy, Debug)]
enum SplitPoint {
    /// The midnight at which the share of earlier rows is nearest to this share.
    Share(f64),
    /// The start of this day.
    Day(Day),
}

/// Splits an export and writes both parts and the rejected rows to a folder.
fn split_file(input: &Path, out: &Path, split_point: SplitPoint) -> anyhow::Result<SplitReport> {
    let rejects = out.join("rejects.csv");
    let loaded = data_file::load_file(input, &rejects)?;
    let first_test_day = match split_point {
        SplitPoint::Share(share) => first_test_day(&loaded.counts, share).with_context(|| {
            format!(
                "cannot split {}: it has counts of only one day",
                input.display()
            )
        })?,
        SplitPoint::Day(day) => {
            check_parts(&loaded.counts, day)
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
        summary: loaded.summary,
        rejects,
    })
}

fn check_parts(counts: &Counts, first_test_day: Day) -> anyhow::Result<()> {
    let days = counts.rows_per_day();
    let (Some((first, _)), Some((last, _))) = (days.first_key_value(), days.last_key_value())
    else {
        bail!("cannot split the export: it has no counts; pass another file with --input");
    };
    if first_test_day <= *first || first_test_day > *last {
        bail!(
            "a part would be empty: the counts are from {first} to {last}, and the fixed test set would start on \
             {first_test_day}; pass a day between them with --at"
        );
    }
    Ok(())
}

/// Returns the first day of the fixed test set.
///
/// The share of rows before it is as close to `train_share` as possible. Returns `None` if all
/// counts are of the same day.
fn first_test_day(counts: &Counts, train_share: f64) -> Option<Day> {
    let train_rows = counts.len() as f64 * train_share;
    let mut before = 0;
    let mut nearest: Option<(f64, Day)> = None;
    for (day, rows) in counts.rows_per_day() {
        let distance = (before as f64 - train_rows).abs();
        if before > 0 && nearest.is_none_or(|(nearest, _)| distance < nearest) {
            nearest = Some((distance, day));
        }
        before += rows;
    }
    nearest.map(|(_, day)| day)
}

fn split(counts: &Counts, first_test_day: Day) -> (Counts, Counts) {
    let Some((first, last)) = counts.period() else {
        return (Counts::default(), Counts::default());
    };
    let split_point = first_test_day.first_hour();
    (
        counts.between(first, split_point.plus(-1)),
        counts.between(split_point, last),
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
    fn split_is_at_the_midnight_nearest_to_the_share() {
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
    fn unclosed_quote_and_unreadable_coordinates_are_reported() {
        let folder = tempfile::tempdir().unwrap();
        let (input, out) = (folder.path().join("export.csv"), folder.path().join("out"));
        let first: Day = "2021-05-01".parse().unwrap();
        let mut lines: Vec<_> = first
            .through(first.plus(2))
            .flat_map(Day::hours)
            .map(|hour| format!("1;Quai;5;{hour};by the river"))
            .collect();
        lines[26] = lines[26].replace("Quai", "\"Quai");
        let header = "identifiant_du_compteur;nom_du_compteur;comptage_horaire;date_et_heure_de_comptage;coordinates";
        std::fs::write(&input, format!("{header}\n{}\n", lines.join("\n"))).unwrap();
        let report = split_file(&input, &out, SplitPoint::Share(0.5)).unwrap();
        assert_eq!(report.train.rows + report.test.rows, 71);
        let rejects = std::fs::read_to_string(out.join("rejects.csv")).unwrap();
        assert!(
            rejects.contains("\n28,a quotation mark is not closed in this line,"),
            "{rejects}"
        );
        let report = report.to_string();
        assert!(
            report.contains("72 rows read: 71 counts, 0 duplicates, 1 rejected (see "),
            "{report}"
        );
        assert!(
            report.contains(
                "\n71 rows have coordinates that cannot be parsed, such as `by the river`"
            ),
            "{report}"
        );
    }

    #[test]
    fn split_at_a_day_requires_counts_in_both_parts() {
        let folder = tempfile::tempdir().unwrap();
        let (input, out) = (folder.path().join("export.csv"), folder.path().join("out"));
        data_file::save(&counts(10), &input).unwrap();
        let split_at = |day: &str| split_file(&input, &out, SplitPoint::Day(day.parse().unwrap()));
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
