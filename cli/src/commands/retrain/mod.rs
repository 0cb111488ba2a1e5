//! `bike-traffic retrain`: retrains the champion from the baseline and all daily tables.

mod arguments;
mod compare;
mod journal;
mod plan;
mod quarter;
mod report;
mod steps;

use std::{path::PathBuf, sync::Arc};

use anyhow::bail;
use forecasting::time::Day;
use journal::Journal;
use shared::{clock::SystemClock, ports::Ports};
use steps::PromotionError;

pub use arguments::RetrainArguments;
pub use compare::{Comparison, CounterComparison};
pub use journal::{Done, Exported, Fitted, Merged};
pub use plan::{Plan, PlanStatus, Request};
pub use quarter::{Quarter, QuarterError};
pub use report::RetrainReport;

use crate::{
    commands::train::refuse_missing_device,
    support::{progress, state::State, stdout},
};

/// Runs the command.
pub(crate) async fn command(arguments: RetrainArguments) -> anyhow::Result<()> {
    let (state, json) = (State::at(&arguments.target.state)?, arguments.json);
    let ports = arguments
        .target
        .open_existing(Arc::new(SystemClock))
        .await?;
    let request = Request {
        quarter: arguments.quarter,
        from: arguments.from,
        to: arguments.to,
        recipe: arguments.recipe.recipe(),
        restart: arguments.restart,
        environment: arguments.environment.name,
    };
    if arguments.dry_run {
        return stdout::print(&status(&ports, &state, &request).await?, json);
    }
    let print_plan = |status: &PlanStatus| stdout::print_line(&status.to_string(), json);
    stdout::print(&retrain(&ports, &state, &request, &print_plan).await?, json)
}

/// Returns the plan of a retraining and its finished steps, without changing anything.
///
/// # Errors
/// Returns an error if there is no champion, no baseline or nothing to export, if the journal
/// belongs to another request, or if a port fails.
pub async fn status(ports: &Ports, state: &State, request: &Request) -> anyhow::Result<PlanStatus> {
    let folder = folder(ports, state, request);
    let journal = if request.restart {
        None
    } else {
        Journal::open(&folder)?
    };
    let (plan, done) = match journal {
        Some(journal) => {
            refuse_other_request(request, journal.plan())?;
            (journal.plan().clone(), journal.done().clone())
        }
        None => {
            let plan = Plan::make(ports, request);
            let plan = progress::noting("reading the daily tables", plan).await?;
            (plan, Done::default())
        }
    };
    Ok(PlanStatus { plan, done, folder })
}

/// Retrains the champion, or resumes a stopped retraining.
///
/// The new model becomes champion and its data become the baseline if its mean absolute error on
/// the same fixed test set is lower than the champion's. An audit row records either decision.
/// `on_plan` receives the plan before the first step.
///
/// # Errors
/// Returns the errors of [`status`], and an error if a step fails; the next call resumes with that
/// step.
pub async fn retrain(
    ports: &Ports,
    state: &State,
    request: &Request,
    on_plan: &dyn Fn(&PlanStatus),
) -> anyhow::Result<RetrainReport> {
    tables::require_polars()?;
    refuse_missing_device(&request.recipe)?;
    let status = status(ports, state, request).await?;
    on_plan(&status);
    let PlanStatus { plan, folder, .. } = status;
    let journal = if request.restart {
        None
    } else {
        Journal::open(&folder)?
    };
    let mut journal = journal.map_or_else(|| Journal::begin(&folder, plan.clone()), Ok)?;
    let done_before = journal.done().record.is_some();
    let export = journal
        .step(
            "export",
            |done| &mut done.export,
            steps::export(ports, &plan, &folder),
        )
        .await?;
    let merge = steps::merge(ports, &plan, &export, &folder);
    let merge = journal.step("merge", |done| &mut done.merge, merge).await?;
    let train = steps::train(ports, &plan, &merge, &folder);
    let train = journal.step("train", |done| &mut done.train, train).await?;
    let compare = steps::compare(ports, &plan, &merge, &train, &folder);
    let comparison = journal
        .step("compare", |done| &mut done.compare, compare)
        .await?;
    let is_better = comparison.makes_champion(train.version);
    if is_better {
        promote(&mut journal, ports, &plan, &comparison, &train).await?;
        let publish = steps::publish(ports, &plan, &comparison, &train);
        let publish = progress::noting("publishing the baseline", publish);
        journal
            .step("publish", |done| &mut done.publish, publish)
            .await?;
    }
    let record = steps::record(ports, &plan, &comparison, &train, &request.environment);
    let record = progress::noting("recording the decision", record);
    let event_id = journal
        .step("record", |done| &mut done.record, record)
        .await?;
    Ok(RetrainReport {
        plan,
        export,
        merge,
        train,
        comparison,
        is_better,
        event_id,
        folder,
        done_before,
    })
}

/// Refuses a request that differs from the plan, because a resumed retraining follows its plan.
fn refuse_other_request(request: &Request, plan: &Plan) -> anyhow::Result<()> {
    // A plan starts and ends at days that have tables. The ends of the plan and the days of the
    // original request therefore name the same range.
    let is_other_day = |requested: Option<Day>, before: Option<Day>, planned: Day| {
        requested.is_some_and(|day| day != planned && Some(day) != before)
    };
    let is_other_range = is_other_day(request.from, plan.asked.0, plan.first)
        || is_other_day(request.to, plan.asked.1, plan.last);
    if request.recipe != plan.recipe || is_other_range {
        bail!(
            "cannot resume the retraining for {}: it was started with other settings or days ({} to {}); \
             repeat them, or start over with --restart",
            plan.quarter,
            plan.first,
            plan.last
        );
    }
    Ok(())
}

/// Promotes the new model. If the champion changed after the comparison, the next call compares
/// again.
async fn promote(
    journal: &mut Journal,
    ports: &Ports,
    plan: &Plan,
    comparison: &Comparison,
    train: &Fitted,
) -> anyhow::Result<()> {
    if journal.done().promote.is_some() {
        return Ok(());
    }
    let promoted = steps::promote(ports, plan, comparison, train);
    let promoted = progress::noting("changing the champion", promoted).await;
    if let Err(PromotionError::OtherChampion(_)) = promoted {
        journal.forget_comparison()?;
    }
    let promoted = async {
        promoted
            .map(|()| train.version)
            .map_err(anyhow::Error::from)
    };
    journal
        .step("promote", |done| &mut done.promote, promoted)
        .await
        .map(drop)
}

/// Returns the folder of a quarter. It is in the local state even with `--cloud`.
fn folder(ports: &Ports, state: &State, request: &Request) -> PathBuf {
    let quarter = request
        .quarter
        .unwrap_or_else(|| Quarter::of(Day::of(ports.clock.now())));
    state.folder().join("retrain").join(quarter.to_string())
}
