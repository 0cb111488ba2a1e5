//! Plays a period day by day, for several promotion rules at once.
//!
//! Until the rules disagree about a challenger, their systems are equal, so one system plays for
//! all of them. At the first disagreement the system is copied, and each copy goes on by itself.

use std::{future::Future, pin::Pin, sync::Arc};

use anyhow::{Context, bail};
use forecasting::{
    counts::Counts,
    policy::{Policy, PromotionRule},
    time::{Day, Week},
};
use jiff::civil::Weekday;
use model::FineTuneRecipe;
use shared::{ports::Ports, warehouse::Forecast};

use super::{
    DRIFT_CHECK_HOUR, INGEST_HOUR, JudgedWeek, SEED_DAYS, Seed,
    simulation::{Checked, Simulation},
};

/// The period to play, with its counts and the parameters of the strategy.
pub(crate) struct Plan {
    /// The state at the beginning.
    pub(crate) seed: Seed,
    /// The counts of the period, and those before it.
    pub(crate) counts: Counts,
    /// The first and the last day whose counts arrive.
    pub(crate) days: (Day, Day),
    /// The first day with a daily table.
    pub(crate) first_table: Day,
    /// The policy. Its promotion rule is replaced by that of the track.
    pub(crate) policy: Policy,
    /// The recipe of the fine-tuning.
    pub(crate) fine_tune: FineTuneRecipe,
}

impl Plan {
    /// Returns the first day with a daily table for a period that begins on `first`, if the counts
    /// up to `trained_until` are in the published training data.
    pub(crate) fn first_table(first: Day, trained_until: Day) -> Day {
        first.plus(-SEED_DAYS).min(trained_until.plus(1))
    }
}

/// A played period.
pub(crate) struct Played {
    /// The promotion rules that led to this track.
    pub(crate) rules: Vec<PromotionRule>,
    /// The judged weeks, in order.
    pub(crate) weeks: Vec<JudgedWeek>,
    /// The published forecasts of the period.
    pub(crate) forecasts: Vec<Forecast>,
    /// The ports at the end, with all registered versions.
    pub(crate) ports: Ports,
}

/// A function that is called after each day with the number of tracks that have played it.
pub(crate) type OnDays = Arc<dyn Fn(usize) + Send + Sync>;

/// Plays a period for each of the rules. Returns the tracks in any order.
///
/// # Errors
/// Returns an error if `rules` is empty, if a day cannot be forecast, or if a function fails with a
/// transient error.
pub(crate) async fn play(
    plan: Arc<Plan>,
    rules: Vec<PromotionRule>,
    on_days: OnDays,
) -> anyhow::Result<Vec<Played>> {
    let first = plan.days.0;
    let branch = Branch::open(plan, rules).await?;
    run(branch, first, on_days).await
}

type Running = Pin<Box<dyn Future<Output = anyhow::Result<Vec<Played>>> + Send>>;

/// Plays a branch from a day on, and the branches that fork off it.
fn run(mut branch: Branch, from: Day, on_days: OnDays) -> Running {
    Box::pin(async move {
        let mut forks = Vec::new();
        let mut start = |fork: Option<Branch>, from| {
            let forked = fork.map(|fork| tokio::spawn(run(fork, from, Arc::clone(&on_days))));
            forks.extend(forked);
        };
        for day in from.through(branch.plan.days.1) {
            let tracks = branch.rules.len();
            let fork = branch.live_through(day).await?;
            start(fork, day.plus(1));
            on_days(tracks);
        }
        let fork = branch.judge_last().await?;
        start(fork, branch.plan.days.1.plus(1));
        let mut played = vec![branch.finish().await?];
        for fork in forks {
            played.extend(fork.await.context("cannot finish a track")??);
        }
        Ok(played)
    })
}

/// A system and the rules that have led to the same decisions so far.
struct Branch {
    plan: Arc<Plan>,
    simulation: Simulation,
    rules: Vec<PromotionRule>,
    weeks: Vec<JudgedWeek>,
    /// A week that is over and waits for counts.
    unchecked: Option<Week>,
}

impl Branch {
    async fn open(plan: Arc<Plan>, rules: Vec<PromotionRule>) -> anyhow::Result<Self> {
        let Some(rule) = rules.first() else {
            bail!("cannot play a period without a promotion rule");
        };
        Ok(Self {
            simulation: Simulation::open(&plan, *rule).await?,
            plan,
            rules,
            weeks: Vec::new(),
            unchecked: None,
        })
    }

    /// Lives through a day and the next morning, when its counts arrive. Returns the branch of the
    /// rules that decide differently, if there are any.
    async fn live_through(&mut self, day: Day) -> anyhow::Result<Option<Self>> {
        let morning = day.plus(1);
        self.simulation.set_time(morning.at(INGEST_HOUR));
        let counts = self.plan.counts.days(day, day);
        self.simulation.ingest(day, &counts).await?;
        if morning.date().weekday() == Weekday::Monday {
            self.unchecked = Some(day.week());
        }
        let Some(week) = self.unchecked else {
            return Ok(None);
        };
        self.simulation.set_time(morning.at(DRIFT_CHECK_HOUR));
        if self.simulation.is_due(week).await? {
            self.judge(week).await
        } else {
            Ok(None)
        }
    }

    /// Judges the week that still waits for counts when the period ends, at its deadline.
    async fn judge_last(&mut self) -> anyhow::Result<Option<Self>> {
        let Some(week) = self.unchecked else {
            return Ok(None);
        };
        let deadline = Day::of(self.simulation.deadline(week));
        self.simulation.set_time(deadline.at(DRIFT_CHECK_HOUR));
        self.judge(week).await
    }

    async fn judge(&mut self, week: Week) -> anyhow::Result<Option<Self>> {
        self.unchecked = None;
        let checked = self.simulation.check(week).await?;
        let fork = self.fork_for(&checked).await?;
        self.weeks.push(self.simulation.decide(checked).await?);
        Ok(fork)
    }

    /// Separates the rules whose verdict differs from that of the acting rule, the first one.
    async fn fork_for(&mut self, checked: &Checked) -> anyhow::Result<Option<Self>> {
        let Some(verdicts) = checked.judged.verdicts else {
            return Ok(None);
        };
        let acting = self.rules.first().map(|rule| verdicts.of(*rule));
        let agrees = |rule: &PromotionRule| Some(verdicts.of(*rule)) == acting;
        let (rules, others): (Vec<_>, Vec<_>) = self.rules.iter().copied().partition(agrees);
        let Some(rule) = others.first() else {
            return Ok(None);
        };
        let simulation = self.simulation.fork(&self.plan, *rule).await?;
        let mut weeks = self.weeks.clone();
        weeks.push(simulation.decide(checked.clone()).await?);
        self.rules = rules;
        Ok(Some(Self {
            plan: Arc::clone(&self.plan),
            simulation,
            rules: others,
            weeks,
            unchecked: None,
        }))
    }

    async fn finish(self) -> anyhow::Result<Played> {
        let (first, last) = self.plan.days;
        let ports = self.simulation.ports().clone();
        Ok(Played {
            forecasts: ports.warehouse.forecasts(first, last).await?,
            ports,
            rules: self.rules,
            weeks: self.weeks,
        })
    }
}
