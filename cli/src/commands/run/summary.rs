//! The summary of a run: a table for the terminal, and files with the same content.

use std::fmt;

use comfy_table::{CellAlignment, Table, presets::UTF8_HORIZONTAL_ONLY};
use serde::Serialize;
use shared::{
    event::Function,
    store::{Condition, Store, write_json},
};

use super::week::WeekEntry;
use crate::commands::train::TrainReport;

const JSON: &str = "reports/run/summary.json";
const MARKDOWN: &str = "reports/run/summary.md";

/// The outcome of a run.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// The training of the first champion.
    pub trained: TrainReport,
    /// The entries of all weeks, in order.
    pub weeks: Vec<WeekEntry>,
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
        dead_letters: usize,
    ) -> anyhow::Result<Self> {
        let path = MARKDOWN.parse()?;
        let summary = Self {
            trained,
            weeks,
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

    /// Returns the weeks as a table for a terminal.
    fn table(&self) -> Table {
        let mut table = Table::new();
        table.load_style(UTF8_HORIZONTAL_ONLY).set_header(HEADER);
        for week in &self.weeks {
            table.add_row(row(week));
        }
        for column in table.column_iter_mut().skip(5) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        table
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
        format!(
            "# The first champion\n\n```text\n{}\n```\n\n# The weeks\n\n{}{rule}{rows}\n# The decisions\n\n{}\n{} dead letters\n",
            self.trained,
            line(HEADER.map(str::to_owned)),
            timeline.join("\n"),
            self.dead_letters
        )
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{}\nsummary: {}\npage: {}",
            self.table(),
            self.address,
            self.page
        )
    }
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
