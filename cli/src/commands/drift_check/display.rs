//! The drift report as text for a terminal.

use std::fmt;

use drift_check::WeekReport;
use forecasting::metrics::Scores;
use serde::Serialize;

use crate::support::table::{Column, Table};

/// A drift report with tables for the terminal. As JSON it is the report itself.
#[derive(Serialize)]
#[serde(transparent)]
pub struct Printed(pub WeekReport);

impl Printed {
    /// Returns the tests of the columns.
    fn columns(&self) -> Result<Table<5>, fmt::Error> {
        let mut table = Table::new([
            Column::text("column").wrapped_to(20),
            Column::text("test").dropped_at(1),
            Column::number("threshold"),
            Column::number("score"),
            Column::text("drifted"),
        ]);
        for column in &self.0.drift.columns {
            let method = serde_json::to_value(column.method).map_err(|_| fmt::Error)?;
            table.add_row([
                column.column.clone(),
                method.as_str().unwrap_or_default().to_owned(),
                column.threshold.to_string(),
                format!("{:.4}", column.score),
                if column.drifted { "yes" } else { "no" }.to_owned(),
            ]);
        }
        Ok(table)
    }

    /// Returns the scores of the week's forecasts, or `None` if there are none.
    fn scores(&self) -> Option<Table<5>> {
        let (live, accuracy) = (self.0.live?, self.0.accuracy?);
        let rows = [
            ("published", Some(live)),
            ("published, living counters", accuracy.living),
            ("without the daily correction", Some(accuracy.uncorrected)),
            ("seasonal naive", accuracy.seasonal_naive),
        ];
        let mut table = Table::new([
            Column::text("forecasts"),
            Column::number("MAE"),
            Column::number("bias"),
            Column::number("of the counts"),
            Column::number("rows"),
        ]);
        for (name, scores) in rows {
            let Some(Scores {
                mae,
                bias,
                share,
                rows,
                ..
            }) = scores
            else {
                continue;
            };
            table.add_row([
                name.to_owned(),
                format!("{mae:.2}"),
                bias.map_or_else(|| "-".to_owned(), |bias| format!("{bias:+.2}")),
                share.map_or_else(|| "-".to_owned(), percent),
                rows.to_string(),
            ]);
        }
        Some(table)
    }

    /// Returns the coverage of the intervals of the week and of four weeks, or `None` if the
    /// forecasts have none.
    fn intervals(&self) -> Option<Table<4>> {
        let (week, recent) = (self.0.accuracy, self.0.recent_intervals);
        let intervals = [
            ("80 %", week.and_then(|week| week.interval_80)),
            ("95 %", week.and_then(|week| week.interval_95)),
            (
                "four weeks: 80 %",
                recent.and_then(|recent| recent.interval_80),
            ),
            (
                "four weeks: 95 %",
                recent.and_then(|recent| recent.interval_95),
            ),
        ];
        let mut table = Table::new([
            Column::text("interval"),
            Column::number("contains"),
            Column::number("mean width"),
            Column::number("rows"),
        ]);
        for (name, interval) in intervals {
            if let Some(interval) = interval {
                table.add_row([
                    name.to_owned(),
                    percent(interval.share),
                    format!("{:.1}", interval.mean_width),
                    interval.rows.to_string(),
                ]);
            }
        }
        (!table.is_empty()).then_some(table)
    }
}

impl fmt::Display for Printed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(report) = self;
        writeln!(formatter, "{}\n", self.columns()?)?;
        if let Some(scores) = self.scores() {
            writeln!(formatter, "{scores}\n")?;
        }
        if let Some(intervals) = self.intervals() {
            writeln!(formatter, "{intervals}\n")?;
        }
        if let Some(recent) = &report.recent_intervals {
            let plural = if recent.weeks == 1 { "" } else { "s" };
            writeln!(
                formatter,
                "four weeks: {} to {}, {} week{plural} with intervals",
                recent.first_day, recent.last_day, recent.weeks
            )?;
        }
        if let Some(coverage) = &report.coverage {
            writeln!(formatter, "{coverage}")?;
        }
        write!(formatter, "{}: {}", report.week, report.verdict.reason)
    }
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

#[cfg(test)]
mod tests {
    use drift_check::{ChampionRecord, IntervalCoverage, LiveAccuracy, RecentIntervals};
    use forecasting::{
        drift::{ColumnDrift, DatasetDrift, Method},
        features::COLUMNS,
        policy::Policy,
    };
    use shared::registry::Version;

    use super::*;
    use crate::support::table;

    fn report(live: Option<Scores>, accuracy: Option<LiveAccuracy>) -> String {
        printed(live, accuracy).to_string()
    }

    fn printed(live: Option<Scores>, accuracy: Option<LiveAccuracy>) -> Printed {
        let verdict = Policy::default().judge_week(None, None);
        Printed(WeekReport {
            week: "2021-W30".parse().unwrap(),
            champion: ChampionRecord {
                version: Version::new(1),
                test_mae: 14.0,
            },
            days_with_counts: 7,
            coverage: None,
            drift: DatasetDrift {
                columns: Vec::new(),
                excluded: Vec::new(),
                drifted_count: 0,
                drifted_share: 0.0,
            },
            live,
            accuracy,
            recent_intervals: None,
            verdict,
            started_at: None,
            program: None,
            histograms: Vec::new(),
            breakdown: None,
            uncorrected_breakdown: None,
        })
    }

    /// Returns the cells of the line that starts with a name.
    fn line(text: &str, name: &str) -> Option<Vec<String>> {
        let cells = text
            .lines()
            .find_map(|line| line.trim().strip_prefix(name))?;
        Some(cells.split_whitespace().map(str::to_owned).collect())
    }

    #[test]
    fn forecasts_and_intervals_are_shown_with_their_scores() {
        let scores = |mae| Scores {
            mae,
            rmse: 20.0,
            r2: 0.5,
            rows: 504,
            bias: Some(-1.5),
            share: Some(0.25),
        };
        let interval = IntervalCoverage {
            rows: 480,
            share: 0.75,
            mean_width: 38.5,
        };
        let accuracy = LiveAccuracy {
            uncorrected: scores(13.0),
            living: None,
            seasonal_naive: Some(scores(14.0)),
            interval_80: Some(interval),
            interval_95: None,
        };
        let mut printed = printed(Some(scores(12.0)), Some(accuracy));
        printed.0.recent_intervals = Some(RecentIntervals {
            first_day: "2021-07-05".parse().unwrap(),
            last_day: "2021-08-01".parse().unwrap(),
            weeks: 3,
            interval_80: Some(IntervalCoverage {
                rows: 980,
                share: 0.5,
                mean_width: 41.0,
            }),
            interval_95: None,
        });
        let text = printed.to_string();
        for (name, expected) in [
            ("published", "12.00 -1.50 25.0 % 504"),
            ("without the daily correction", "13.00 -1.50 25.0 % 504"),
            ("seasonal naive", "14.00 -1.50 25.0 % 504"),
            ("80 %", "75.0 % 38.5 480"),
            ("four weeks: 80 %", "50.0 % 41.0 980"),
            (
                "four weeks: 2021-07-05",
                "to 2021-08-01, 3 weeks with intervals",
            ),
        ] {
            assert_eq!(line(&text, name).unwrap().join(" "), expected, "{text}");
        }
        assert_eq!(line(&text, "95 %"), None);
    }

    #[test]
    fn report_fits_eighty_columns() {
        let mut printed = printed(None, None);
        printed.0.drift.columns = COLUMNS
            .map(|column| ColumnDrift {
                column: column.to_owned(),
                method: Method::Wasserstein,
                threshold: 0.1,
                score: 12.345,
                drifted: true,
            })
            .into();
        let text = table::wrapped(&printed.to_string(), 80);
        for line in text.lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
        for column in ["test", "12.3450", "Wasserstein distance (normed)"] {
            assert!(text.contains(column), "{text}");
        }
    }

    #[test]
    fn report_of_an_earlier_version_has_no_scores() {
        let text = report(None, None);
        assert!(!text.contains("seasonal naive") && !text.contains("interval"));
    }
}
