//! The summary of a run: a table for the terminal, and files with the same content.

use std::fmt;

use serde::Serialize;
use shared::{
    event::Function,
    store::{Condition, Store, write_json},
    week_report::{IntervalCoverage, LiveAccuracy},
};

use super::{tracks::Tracks, week::WeekEntry};
use crate::{
    commands::train::TrainReport,
    support::table::{Column, Table, break_at_hyphens},
};

const JSON: &str = "reports/run/summary.json";
const MARKDOWN: &str = "reports/run/summary.md";
/// The width of decisions in the table, in characters.
const DECISION_WIDTH: usize = 11;

/// The outcome of a run.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// The training of the first champion.
    pub trained: TrainReport,
    /// The entries of all weeks, in order.
    pub weeks: Vec<WeekEntry>,
    /// The errors of the first champion and of the loop under each policy, side by side.
    pub tracks: Tracks,
    /// The number of messages that became dead letters.
    pub dead_letters: usize,
    /// The address of the summary in Markdown.
    pub address: String,
    /// The address of the on-call page, which links those of the weeks.
    pub page: String,
}

impl Summary {
    /// Stores the summary, as Markdown and as JSON.
    pub(super) async fn store(
        store: &dyn Store,
        trained: TrainReport,
        weeks: Vec<WeekEntry>,
        tracks: Tracks,
        dead_letters: usize,
    ) -> anyhow::Result<Self> {
        let path = MARKDOWN.parse()?;
        let summary = Self {
            trained,
            weeks,
            tracks,
            dead_letters,
            address: store.address_of(&path),
            page: store.address_of(&::report::index::path()),
        };
        store
            .write(&path, summary.markdown().into(), Condition::Always)
            .await?;
        write_json(store, &JSON.parse()?, &summary, Condition::Always).await?;
        Ok(summary)
    }

    fn markdown(&self) -> String {
        let line = |cells: [String; 8]| format!("| {} |\n", cells.join(" | "));
        let rule = format!("|{}\n", "---|".repeat(HEADER.len()));
        let rows: String = self.weeks.iter().map(|week| line(row(week))).collect();
        let timeline: Vec<_> = self
            .weeks
            .iter()
            .map(|week| format!("```text\n{week}\n```\n"))
            .collect();
        let intervals: String = intervals(&self.weeks)
            .iter()
            .map(|line| format!("{line}\n\n"))
            .collect();
        format!(
            "# The first champion\n\n```text\n{}\n```\n\n# The weeks\n\n{}{rule}{rows}\n{intervals}# The tracks\n\n{}\n# The decisions\n\n{}\n{} dead letters\n",
            self.trained,
            line(HEADER.map(str::to_owned)),
            self.tracks.markdown(),
            timeline.join("\n"),
            self.dead_letters
        )
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "{}\n\n{}", table(&self.weeks), self.tracks)?;
        for line in intervals(&self.weeks) {
            writeln!(formatter, "{line}")?;
        }
        write!(formatter, "summary: {}\npage: {}", self.address, self.page)
    }
}

/// Returns the coverage of one level of intervals.
type CoverageOf = fn(LiveAccuracy) -> Option<IntervalCoverage>;

/// Describes the intervals of all weeks, on living counters. Without intervals, there are no lines.
fn intervals(weeks: &[WeekEntry]) -> Vec<String> {
    let of_level = |(level, of): (&str, CoverageOf)| {
        let of_week = |week: &WeekEntry| week.accuracy.and_then(of);
        let weeks: Vec<_> = weeks.iter().filter_map(of_week).collect();
        let rows: usize = weeks.iter().map(|week| week.rows).sum();
        let mean = |value: fn(&IntervalCoverage) -> f64| {
            let sum: f64 = weeks
                .iter()
                .map(|week| week.rows as f64 * value(week))
                .sum();
            sum / rows as f64
        };
        (rows > 0).then(|| {
            format!(
                "{level} intervals of all weeks: {:.1} % of {rows} counts inside, mean width {:.1}",
                mean(|week| week.share) * 100.0,
                mean(|week| week.mean_width)
            )
        })
    };
    let levels: [(&str, CoverageOf); 2] = [
        ("80 %", |accuracy| accuracy.interval_80),
        ("95 %", |accuracy| accuracy.interval_95),
    ];
    levels.into_iter().filter_map(of_level).collect()
}

const HEADER: [&str; 8] = [
    "week",
    "drifted",
    "check",
    "fine-tune",
    "promote",
    "champion after",
    "live MAE",
    "first champion's MAE",
];

fn row(week: &WeekEntry) -> [String; 8] {
    let error = |mae: Option<f64>| mae.map_or_else(|| "-".to_owned(), |mae| format!("{mae:.1}"));
    [
        week.week.to_string(),
        week.drifted_share
            .map_or_else(|| "-".to_owned(), |share| format!("{:.0} %", share * 100.0)),
        week.decision_of(Function::DriftCheck).to_owned(),
        week.decision_of(Function::FineTune).to_owned(),
        week.decision_of(Function::Promote).to_owned(),
        format!("version {}", week.champion),
        error(week.live_mae),
        error(week.frozen_mae),
    ]
}

/// Returns the weeks as a table for a terminal.
fn table(weeks: &[WeekEntry]) -> Table<8> {
    let mut table = Table::new([
        Column::text("week"),
        Column::number("drifted").dropped_at(1),
        Column::text("check"),
        Column::text("fine-tune"),
        Column::text("promote"),
        Column::number("version\nafter"),
        Column::number("live\nMAE"),
        Column::number("MAE of\nthe first").dropped_at(2),
    ]);
    for week in weeks {
        let [name, drifted, check, fine_tune, promote, _, live, frozen] = row(week);
        let [check, fine_tune] =
            [check, fine_tune].map(|decision| break_at_hyphens(&decision, DECISION_WIDTH));
        let version = week.champion.to_string();
        table.add_row([
            name, drifted, check, fine_tune, promote, version, live, frozen,
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use shared::registry::Version;

    use super::*;
    use crate::commands::run::week::Decision;

    #[test]
    fn weeks_fit_eighty_columns_with_all_their_numbers() {
        let decision = |function, decision: &str| Decision {
            function,
            decision: decision.to_owned(),
            reason: String::new(),
            verdicts: None,
        };
        let week = WeekEntry {
            week: "2021-W30".parse().unwrap(),
            drifted_share: Some(1.0),
            decisions: vec![
                decision(Function::DriftCheck, "live-error-too-high"),
                decision(Function::FineTune, "challenger-trained"),
                decision(Function::Promote, "promoted"),
            ],
            live_mae: Some(123.4),
            accuracy: None,
            silent_counters: BTreeSet::new(),
            frozen_mae: Some(234.5),
            champion: Version::new(12),
        };
        let text = table(&[week]).to_string();
        for line in text.lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
        for cell in [
            "100 %",
            "12",
            "123.4",
            "234.5",
            "live-error-",
            "too-high",
            "trained",
        ] {
            assert!(text.contains(cell), "{cell}: {text}");
        }
    }
}
