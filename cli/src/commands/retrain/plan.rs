//! The plan of a retraining.

use std::{fmt, path::PathBuf};

use anyhow::{Context, bail};
use forecasting::time::Day;
use model::TrainRecipe;
use serde::{Deserialize, Serialize};
use shared::{
    baseline::{self, Baseline},
    ports::Ports,
    registry,
    registry::Version,
};

use super::{Done, Quarter};

/// The start of a range without a first day. No daily table is older, because the city installed
/// its first counters in the 2010s.
const FIRST_DAY_OF_ALL: &str = "2010-01-01";

/// The options of a retraining.
#[derive(Clone, Debug)]
pub struct Request {
    /// The quarter, which names the folder of the work; `None` stands for the current quarter.
    pub quarter: Option<Quarter>,
    /// The first day to export; `None` stands for the first day that has a table.
    pub from: Option<Day>,
    /// The last day to export; `None` stands for yesterday.
    pub to: Option<Day>,
    /// The recipe of the training.
    pub recipe: TrainRecipe,
    /// If `true`, ignores the journal of the quarter and starts over.
    pub restart: bool,
    /// The environment to name in the audit row, such as `dev` or `prod`.
    pub environment: String,
}

/// The parameters of a retraining. They do not change when the retraining is stopped and resumed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The quarter of the retraining.
    pub quarter: Quarter,
    /// The requested first and last day, if any.
    pub asked: (Option<Day>, Option<Day>),
    /// The first day to export; it has a table.
    pub first: Day,
    /// The last day to export; it has a table.
    pub last: Day,
    /// The number of days in the range that have counts.
    pub days: usize,
    /// The number of counts in the range.
    pub rows: u64,
    /// The published baseline when the plan was made.
    pub baseline: Baseline,
    /// The champion when the plan was made.
    pub champion: Version,
    /// The recipe of the training.
    pub recipe: TrainRecipe,
}

impl Plan {
    /// Makes the plan for a request from the current state of the ports.
    pub(super) async fn make(ports: &Ports, request: &Request) -> anyhow::Result<Self> {
        let today = Day::of(ports.clock.now());
        let champion = registry::champion(&*ports.registry).await?;
        let published = baseline::published(&*ports.store).await?;
        let (baseline, _) = published.context(
            "there is no baseline; to train a champion and publish its data, run `bike-traffic train`",
        )?;
        let last = request.to.unwrap_or_else(|| today.plus(-1));
        if last >= today {
            bail!("cannot export {last}: the day is not over; pass --to with a day before {today}");
        }
        let first = request.from.map_or_else(|| FIRST_DAY_OF_ALL.parse(), Ok)?;
        let counted = ports.warehouse.count_days(first, last).await?;
        let (Some((first, _)), Some((last, _))) =
            (counted.first_key_value(), counted.last_key_value())
        else {
            bail!(
                "nothing to export: no daily table from {first} to {last} has counts; pass other days with --from and \
                 --to, or request days with `bike-traffic ingest --from DAY`"
            );
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

/// A plan and its finished steps.
#[derive(Clone, Debug, Serialize)]
pub struct PlanStatus {
    /// The plan.
    pub plan: Plan,
    /// The results of the steps that earlier calls finished.
    pub done: Done,
    /// The folder that contains the journal and the files of the retraining.
    pub folder: PathBuf,
}

impl PlanStatus {
    /// Returns the description of each step, and whether it is done.
    fn steps(&self) -> [(bool, String); 7] {
        let Plan {
            first,
            last,
            days,
            rows,
            baseline,
            champion,
            recipe,
            ..
        } = &self.plan;
        let done = &self.done;
        // A model that is not better is neither promoted nor published. Then the audit row settles
        // both steps.
        let is_settled = done.record.is_some();
        [
            (
                done.export.is_some(),
                format!("export  {rows} counts of {days} days, {first} to {last}"),
            ),
            (
                done.merge.is_some(),
                format!(
                    "merge   with {}, without the period of {}",
                    baseline.train, baseline.test
                ),
            ),
            (
                done.train.is_some(),
                format!(
                    "train   {} rounds at learning rate {}, and register the model",
                    recipe.rounds, recipe.learning_rate
                ),
            ),
            (
                done.compare.is_some(),
                format!("compare with version {champion} on {}", baseline.test),
            ),
            (
                done.promote.is_some() || is_settled,
                "promote the model if it is better".to_owned(),
            ),
            (
                done.publish.is_some() || is_settled,
                "publish its data as the baseline if it is better".to_owned(),
            ),
            (
                is_settled,
                "record  the decision in the audit log".to_owned(),
            ),
        ]
    }
}

impl fmt::Display for PlanStatus {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            formatter,
            "retraining for {} in {}",
            self.plan.quarter,
            self.folder.display()
        )?;
        for (is_done, text) in self.steps() {
            let state = if is_done { "done " } else { "to do" };
            writeln!(formatter, "  {state}  {text}")?;
        }
        Ok(())
    }
}
