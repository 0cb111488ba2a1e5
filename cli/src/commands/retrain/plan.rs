//! What a retraining is going to do.

use std::{fmt, path::PathBuf};

use anyhow::{Context, bail};
use forecasting::time::Day;
use model::TrainRecipe;
use serde::{Deserialize, Serialize};
use shared::{
    baseline::{self, Baseline},
    ports::Ports,
    registry::{Alias, Version},
};

use super::{Done, Quarter};

/// No daily table is older: the city's first counters are of the 2010s.
const FIRST_DAY_OF_ALL: &str = "2010-01-01";

/// What was asked for.
#[derive(Clone, Debug)]
pub struct Request {
    /// The quarter, which names the work; the present one if not given.
    pub quarter: Option<Quarter>,
    /// The first day to export; the first that has a table if not given.
    pub from: Option<Day>,
    /// The last day to export; yesterday if not given.
    pub to: Option<Day>,
    /// The settings of the training.
    pub recipe: TrainRecipe,
    /// Whether to start over, whatever was done for this quarter before.
    pub restart: bool,
    /// Written into the audit row, as in `dev` or `prod`.
    pub environment: String,
}

/// What is going to be done. It stays the same however often the work is stopped and taken up again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The quarter.
    pub quarter: Quarter,
    /// The first and the last day that were asked for, each if one was.
    pub asked: (Option<Day>, Option<Day>),
    /// The first day to export, which has a table.
    pub first: Day,
    /// The last day to export, which has a table.
    pub last: Day,
    /// How many days between them have counts.
    pub days: usize,
    /// How many counts these have.
    pub rows: u64,
    /// The data sets in use.
    pub baseline: Baseline,
    /// The champion when the plan was made.
    pub champion: Version,
    /// The settings of the training.
    pub recipe: TrainRecipe,
}

impl Plan {
    /// Finds out what there is to be done.
    pub(super) async fn make(ports: &Ports, request: &Request) -> anyhow::Result<Self> {
        let today = Day::of(ports.clock.now());
        let champion = ports.registry.alias(Alias::Champion).await?;
        let champion = champion
            .context("there is no champion yet: train the first with `bike-traffic train`")?;
        let published = baseline::published(&*ports.store).await?;
        let (baseline, _) = published.context(
            "there is no baseline yet: `bike-traffic train` publishes that of the first champion",
        )?;
        let last = request.to.unwrap_or_else(|| today.plus(-1));
        if last >= today {
            bail!("cannot export {last}: on {today} that day is not over");
        }
        let first = request.from.map_or_else(|| FIRST_DAY_OF_ALL.parse(), Ok)?;
        let counted = ports.warehouse.count_days(first, last).await?;
        let (Some((first, _)), Some((last, _))) =
            (counted.first_key_value(), counted.last_key_value())
        else {
            bail!("nothing was gathered: no day from {first} to {last} has a table with counts");
        };
        Ok(Self {
            quarter: request.quarter.unwrap_or_else(|| Quarter::of(today)),
            asked: (request.from, request.to),
            first: *first,
            last: *last,
            days: counted.len(),
            rows: counted.values().map(|state| state.rows).sum(),
            baseline,
            champion,
            recipe: request.recipe.clone(),
        })
    }
}

/// A plan, and what of it is done.
#[derive(Clone, Debug, Serialize)]
pub struct PlanStatus {
    /// What is to be done.
    pub plan: Plan,
    /// What was done by an earlier call.
    pub done: Done,
    /// The folder of the work.
    pub folder: PathBuf,
}

impl fmt::Display for PlanStatus {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { plan, done, folder } = self;
        let step = |formatter: &mut fmt::Formatter<'_>, is_done: bool, text: String| {
            writeln!(
                formatter,
                "  {}  {text}",
                if is_done { "done " } else { "to do" }
            )
        };
        writeln!(
            formatter,
            "retraining for {} in {}",
            plan.quarter,
            folder.display()
        )?;
        let Plan {
            first,
            last,
            days,
            rows,
            baseline,
            champion,
            recipe,
            ..
        } = plan;
        step(
            formatter,
            done.export.is_some(),
            format!("export  {rows} counts of {days} days, {first} to {last}"),
        )?;
        let merged = format!(
            "merge   with {}, without the period of {}",
            baseline.train, baseline.test
        );
        step(formatter, done.merge.is_some(), merged)?;
        let trained = format!(
            "train   {} rounds at {}, and register it",
            recipe.rounds, recipe.learning_rate
        );
        step(formatter, done.train.is_some(), trained)?;
        let compared = format!("compare with version {champion} on {}", baseline.test);
        step(formatter, done.compare.is_some(), compared)?;
        // Where the model is no better these two are left out, and the last one says so.
        let is_settled = done.record.is_some();
        step(
            formatter,
            done.promote.is_some() || is_settled,
            "promote   it if it is better".to_owned(),
        )?;
        step(
            formatter,
            done.publish.is_some() || is_settled,
            "publish its data as the baseline, if it is better".to_owned(),
        )?;
        step(
            formatter,
            is_settled,
            "record  the decision in the audit log".to_owned(),
        )
    }
}
