//! `bike-traffic drift-check`: checks a week for drift without writing anything.

use std::{fmt, sync::Arc};

use anyhow::Context;
use clap::Args;
use comfy_table::{CellAlignment, Table, presets::UTF8_HORIZONTAL_ONLY};
use drift_check::{ChampionRecord, WeekReport, check_week};
use forecasting::{policy::Policy, time::Week};
use serde::Serialize;
use shared::{clock::SystemClock, registry};

use crate::{args::TargetArguments, support::stdout};

/// Options of `drift-check`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  bike-traffic drift-check --state state/run-1a2b3c4d --week 2021-W30
  bike-traffic drift-check --week 2021-W30 --policy '{\"drift_share\":0.6}'
  bike-traffic drift-check --cloud --week 2021-W30 --json")]
pub struct DriftArguments {
    /// The target of the command.
    #[command(flatten)]
    pub target: TargetArguments,
    /// The week, for example 2021-W30.
    #[arg(long)]
    pub week: Week,
    /// The policy parameters that differ from the defaults, as JSON.
    #[arg(long, env = "POLICY", default_value = "{}", value_name = "JSON")]
    pub policy: Policy,
    /// Print the report as JSON.
    #[arg(long)]
    pub json: bool,
}

/// Runs the command.
pub(crate) async fn command(arguments: DriftArguments) -> anyhow::Result<()> {
    let ports = arguments.target.open_existing(Arc::new(SystemClock)).await?;
    let version = registry::champion(&*ports.registry)
        .await
        .with_context(|| format!("cannot check {}", arguments.target.describe()))?;
    let run = ports.registry.version(version).await?.run;
    let test_mae = *run
        .metrics
        .get("test_mae")
        .with_context(|| format!("the run of version {version} has no metric test_mae"))?;
    let champion = ChampionRecord { version, test_mae };
    let report = check_week(
        &ports.store,
        &*ports.warehouse,
        &arguments.policy,
        champion,
        arguments.week,
    )
    .await?;
    stdout::print(&Printed(report), arguments.json)
}

/// A drift report with a table for the terminal.
#[derive(Serialize)]
#[serde(transparent)]
struct Printed(WeekReport);

impl fmt::Display for Printed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(report) = self;
        let mut table = Table::new();
        table.load_style(UTF8_HORIZONTAL_ONLY).set_header([
            "column",
            "test",
            "threshold",
            "score",
            "drifted",
        ]);
        for column in &report.drift.columns {
            let method = serde_json::to_value(column.method).map_err(|_| fmt::Error)?;
            table.add_row([
                column.column.clone(),
                method.as_str().unwrap_or_default().to_owned(),
                column.threshold.to_string(),
                format!("{:.4}", column.score),
                if column.drifted { "yes" } else { "no" }.to_owned(),
            ]);
        }
        for column in table.column_iter_mut().skip(2) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        write!(
            formatter,
            "{table}\n{}: {}",
            report.week, report.verdict.reason
        )
    }
}
