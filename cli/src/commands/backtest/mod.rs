//! `bike-traffic backtest`: plays the weekly cycle over past days.

mod arguments;
mod data;
mod display;
mod plot;
mod report;
mod score;

use std::{io::Write, path::Path, sync::Arc, thread::available_parallelism};

use anyhow::{Context, bail};
use forecasting::{
    policy::{Policy, PromotionRule},
    time::Day,
};
use model::{FineTuneRecipe, TrainRecipe};
use tokio::{
    sync::{Semaphore, mpsc},
    task::JoinHandle,
};

pub use arguments::{BacktestArguments, RuleArgument, StrategyName};
pub use data::ChampionReport;
pub use report::{
    BacktestReport, Best, FixedTestReport, NextWeek, SeriesSummary, TrackReport, TrackWeek,
    WeekReport, WorstWeek,
};

use self::{
    arguments::strategy_of,
    data::{Champion, Data},
    report::Tracks,
    score::{Scores, version_errors},
};
use crate::support::{
    data_file,
    output::OutputFile,
    progress::{self, Progress},
    stdout,
    tracks::{LiveRows, Plan, Played, RULES, play},
};

/// The days, files and parameters of a backtest.
#[derive(Clone, Debug)]
pub struct BacktestPlan {
    /// The path of the training data.
    pub train_path: String,
    /// The path of the fixed test set.
    pub test_path: String,
    /// The path of later counts.
    pub live_path: Option<String>,
    /// The first day.
    pub from: Day,
    /// The last day.
    pub to: Day,
    /// The last day that the first champion is trained on; `None` for the day before the first.
    pub champion_until: Option<Day>,
    /// The promotion rules to play.
    pub rules: Vec<PromotionRule>,
    /// The parameters of both rules.
    pub policy: Policy,
    /// The recipes of the fine-tuning to play, each with every rule.
    pub fine_tunes: Vec<FineTuneRecipe>,
    /// The recipe of the first champion.
    pub recipe: TrainRecipe,
}

/// Runs the command.
pub(crate) async fn command(arguments: BacktestArguments) -> anyhow::Result<()> {
    let (out, svg, as_json) = (arguments.out.clone(), arguments.svg.clone(), arguments.json);
    let report = backtest(&plan(arguments)?).await?;
    if let Some(path) = &out {
        let mut text = serde_json::to_string_pretty(&report)?;
        text.push('\n');
        write(path, &text)?;
    }
    if let Some(path) = &svg {
        write(path, &plot::svg(&report))?;
    }
    stdout::print(&report, as_json)
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    let mut file = OutputFile::create(path)?;
    file.write_all(text.as_bytes())
        .with_context(|| format!("cannot write {}", path.display()))?;
    file.finish()
}

fn plan(arguments: BacktestArguments) -> anyhow::Result<BacktestPlan> {
    let rules = match &arguments.policy[..] {
        [] => RULES.to_vec(),
        rules => rules
            .iter()
            .map(|rule| PromotionRule::from(*rule))
            .collect(),
    };
    let recipe = &arguments.fine_tune;
    let of_strategy = |strategy: &StrategyName| {
        let name = strategy.name();
        let fine_tune = strategy.of_recipe(recipe).map_err(anyhow::Error::msg);
        fine_tune.with_context(|| format!("cannot use the strategy {name} with --fine-tune"))
    };
    let fine_tunes = match &arguments.strategy[..] {
        [] => vec![recipe.clone()],
        strategies => strategies
            .iter()
            .map(of_strategy)
            .collect::<anyhow::Result<_>>()?,
    };
    Ok(BacktestPlan {
        fine_tunes,
        train_path: arguments.train_path.with_context(|| {
            data_file::missing("training data", "--train-path", "TRAIN_DATA_PATH")
        })?,
        test_path: arguments.test_path.with_context(|| {
            data_file::missing("fixed test set", "--test-path", "TEST_DATA_PATH")
        })?,
        live_path: arguments.live_path,
        from: arguments.from,
        to: arguments.to,
        champion_until: arguments.champion_until,
        rules,
        policy: arguments.parameters,
        recipe: arguments.recipe.recipe(),
    })
}

/// Plays the weekly cycle over past days for each combination of promotion rule and recipe, and
/// compares the published forecasts on the same rows.
///
/// # Errors
/// Returns an error if the days are not after those of the first champion, if data cannot be read
/// or lack the days, if the first champion cannot be trained, or if a function fails with a
/// transient error. Events that fail permanently are decisions in the report.
pub async fn backtest(plan: &BacktestPlan) -> anyhow::Result<BacktestReport> {
    let days = (plan.from, plan.to);
    let until = plan.champion_until.unwrap_or_else(|| plan.from.plus(-1));
    check_days(days, until)?;
    let data = Data::load(plan).await?;
    if data.known.days(plan.from, plan.to).is_empty() {
        bail!(
            "there are no counts from {} to {}; pass the file with these days as --live-path",
            plan.from,
            plan.to
        );
    }
    let (test_period, rejected) = (data.test_period, data.rejected.clone());
    let (known, champion) = data.train(until, &plan.recipe).await?;
    let rows = Arc::new(LiveRows::new(&known, days));
    let plans: Vec<_> = plan
        .fine_tunes
        .iter()
        .map(|fine_tune| Plan {
            seed: champion.seed.clone(),
            counts: known.clone(),
            days,
            first_table: Plan::first_table(plan.from, until),
            policy: plan.policy.clone(),
            fine_tune: fine_tune.clone(),
        })
        .collect();
    let played = play_all(plans, &plan.rules).await?;
    let Champion { model, report, .. } = champion;
    let scoring = async {
        let scores = Scores::new(Arc::clone(&rows), &model, &played)?;
        let mut tracks = Vec::new();
        for (fine_tune, played) in plan.fine_tunes.iter().zip(played) {
            tracks.extend(score_tracks(&scores, played, &strategy_of(fine_tune)).await?);
        }
        anyhow::Ok((scores, tracks))
    };
    let (scores, mut tracks) = progress::noting("scoring the tracks", scoring).await?;
    let order = |track: &TrackReport| plan.rules.iter().position(|rule| *rule == track.policy);
    // Stable: the strategies of a rule stay in their order.
    tracks.sort_by_key(order);
    Ok(BacktestReport::new(
        Tracks {
            days,
            champion: report,
            scores,
            tracks,
        },
        test_period,
        rejected,
    ))
}

fn check_days((from, to): (Day, Day), until: Day) -> anyhow::Result<()> {
    if from > to {
        bail!(
            "cannot play a period that ends before it begins: --from {from} is after --to {to}; swap them"
        );
    }
    if until >= from {
        bail!(
            "the first champion would be trained on days that it forecasts: pass --champion-until {} or earlier",
            from.plus(-1)
        );
    }
    Ok(())
}

/// Plays several plans at the same time, at most one for each processor, and reports the progress.
/// Returns the tracks of each plan.
async fn play_all(plans: Vec<Plan>, rules: &[PromotionRule]) -> anyhow::Result<Vec<Vec<Played>>> {
    let days = plans
        .first()
        .map_or(0, |plan| i64::from(plan.days.0.days_until(plan.days.1)) + 1);
    let total = days.unsigned_abs() * (plans.len() * rules.len()) as u64;
    let permits = Arc::new(Semaphore::new(available_parallelism()?.get()));
    let (sender, mut receiver) = mpsc::unbounded_channel::<usize>();
    let start = |plan: Plan| -> JoinHandle<anyhow::Result<Vec<Played>>> {
        let (permits, rules, sender) = (Arc::clone(&permits), rules.to_vec(), sender.clone());
        tokio::spawn(async move {
            let _permit = permits.acquire_owned().await?;
            let on_days = move |tracks| {
                // A closed receiver is no reason to stop.
                let _ = sender.send(tracks);
            };
            play(Arc::new(plan), rules, Arc::new(on_days)).await
        })
    };
    let running: Vec<_> = plans.into_iter().map(start).collect();
    drop(sender);
    let (mut progress, mut done) = (Progress::new("backtest", "days of all tracks", total), 0);
    while let Some(tracks) = receiver.recv().await {
        done += tracks as u64;
        progress.show(done, total, "days of all tracks".to_owned());
    }
    progress.finish();
    let mut played = Vec::with_capacity(running.len());
    for tracks in running {
        played.push(tracks.await.context("cannot finish a track")??);
    }
    Ok(played)
}

/// Returns the reports of the tracks of one strategy.
async fn score_tracks(
    scores: &Scores,
    played: Vec<Played>,
    strategy: &str,
) -> anyhow::Result<Vec<TrackReport>> {
    // The versions of each system are forecast again, which takes a while.
    let errors: Vec<_> = played
        .iter()
        .map(|played| tokio::spawn(version_errors(scores.clone(), played.ports.clone())))
        .collect();
    let mut tracks = Vec::new();
    for (played, errors) in played.into_iter().zip(errors) {
        let errors = errors.await.context("cannot score the versions")??;
        for rule in &played.rules {
            tracks.push(TrackReport::new(scores, &played, *rule, strategy, &errors));
        }
    }
    Ok(tracks)
}

#[cfg(test)]
mod tests;
