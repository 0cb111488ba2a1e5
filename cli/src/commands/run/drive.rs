//! Drives the stack through the live data, in the role of Cloud Scheduler.

use anyhow::{Context, bail};
use drift_check::WeekCounts;
use forecasting::{
    counts::Counts,
    features::HISTORY_DAYS,
    policy::Policy,
    time::{Day, Week},
};
use jiff::civil::Weekday;
use model::{Model, Threads};
use shared::{
    clock::{Clock, SimulatedClock},
    event::{DayIngested, DriftCheckRequested, EventId, Function, IngestRequested},
    registry,
};

use super::{inputs::Inputs, week::WeekEntry};
use crate::{
    commands::{stack::LocalStack, train::TrainReport},
    support::{
        data_file, progress,
        state::State,
        tracks::{DRIFT_CHECK_HOUR, INGEST_HOUR, SEED_DAYS},
    },
};

/// The live data and the history that precedes them.
#[derive(Debug)]
pub struct Live {
    counts: Counts,
    history: Counts,
    first_day: Day,
    last_day: Day,
}

impl Live {
    /// Reads the live data, and the last days of the baseline as history.
    pub(crate) async fn load(inputs: &Inputs, state: &State) -> anyhow::Result<Self> {
        let load = async |path: &str, name: &str| {
            let rejects = state.folder().join("rejects").join(format!("{name}.csv"));
            let loaded = data_file::load(path, &rejects);
            let loaded = progress::noting("reading the counts", loaded).await;
            loaded.map(|loaded| loaded.counts)
        };
        let counts = load(&inputs.live, "live").await?;
        let (first, last) = counts
            .period()
            .with_context(|| format!("no counts in {}", inputs.live))?;
        let (first_day, last_day) = (first.day(), last.day());
        let mut baseline = load(&inputs.train, "train_baseline").await?;
        baseline.extend(&load(&inputs.test, "test_baseline").await?);
        let history = baseline.days(first_day.plus(-SEED_DAYS), first_day.plus(-1));
        if history.is_empty() {
            bail!(
                "the baseline must reach into the {SEED_DAYS} days before {first_day}, the first day of {}; pass later \
                 files with --train-path and --test-path, or earlier live data",
                inputs.live
            );
        }
        Ok(Self {
            counts,
            history,
            first_day,
            last_day,
        })
    }

    pub(super) fn first_day(&self) -> Day {
        self.first_day
    }

    /// Returns the first and the last day.
    pub(crate) fn days(&self) -> (Day, Day) {
        (self.first_day, self.last_day)
    }

    pub(super) fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Returns the live data with the history that precedes them.
    pub(crate) fn with_history(&self) -> Counts {
        let mut counts = self.history.clone();
        counts.extend(&self.counts);
        counts
    }
}

/// A stack, its simulated clock, the live data, and the first champion as a frozen reference model.
pub struct Drive<'a> {
    stack: &'a LocalStack,
    clock: SimulatedClock,
    live: Live,
    frozen: Model,
    policy: Policy,
}

impl<'a> Drive<'a> {
    pub(super) async fn new(
        stack: &'a LocalStack,
        clock: SimulatedClock,
        live: Live,
        trained: &TrainReport,
        policy: Policy,
    ) -> anyhow::Result<Self> {
        let version = trained
            .version
            .context("the first champion has no version")?;
        let folder = stack.ports.registry.version(version).await?.run.artifacts;
        let frozen = Model::load(&stack.ports.store, &folder, Threads::All).await?;
        Ok(Self {
            stack,
            clock,
            live,
            frozen,
            policy,
        })
    }

    /// Fills the daily tables before the live period, as a backfill does, and triggers the forecast
    /// of its first day.
    pub(super) async fn seed_history(&self) -> anyhow::Result<()> {
        let last = self.live.first_day.plus(-1);
        for day in last.plus(1 - SEED_DAYS).through(last) {
            let counts = self.live.history.days(day, day);
            if !counts.is_empty() {
                self.stack
                    .ports
                    .warehouse
                    .replace_counts(day, &counts, day.plus(1).at(INGEST_HOUR))
                    .await?;
            }
        }
        self.clock.set(self.live.first_day.at(INGEST_HOUR));
        let rows = self.live.history.days(last, last).len() as u64;
        if rows > 0 {
            let event = DayIngested {
                event_id: EventId::of(Function::Ingest, last),
                day: last,
                rows,
            };
            self.stack.publish(&event).await?;
            self.stack.bus.idle().await;
        }
        Ok(())
    }

    /// Requests the ingest of each day on the next morning, and the check of each week as soon as it
    /// can be judged: on Monday, or after the deadline if days are missing. Returns an entry for
    /// each check.
    pub(super) async fn run_live_data(
        &mut self,
        print_line: &mut dyn FnMut(String),
    ) -> anyhow::Result<Vec<WeekEntry>> {
        let (mut weeks, mut unchecked) = (Vec::new(), None);
        let mut days = self.live.first_day.through(self.live.last_day);
        loop {
            let next = self.play_until_judged(&mut days, &mut unchecked);
            let Some(entry) = progress::noting("playing a week", next).await? else {
                break;
            };
            print_line(entry.to_string());
            weeks.push(entry);
        }
        if let Some(week) = unchecked {
            let deadline = Day::of(self.policy.deadline(week));
            self.clock.set(deadline.at(DRIFT_CHECK_HOUR));
            let entry = progress::noting("judging the last week", self.check(week)).await?;
            print_line(entry.to_string());
            weeks.push(entry);
        }
        Ok(weeks)
    }

    /// Ingests days until a week is judged. `unchecked` is a week that is over and not judged.
    /// Returns `None` after the last day.
    async fn play_until_judged(
        &self,
        days: &mut impl Iterator<Item = Day>,
        unchecked: &mut Option<Week>,
    ) -> anyhow::Result<Option<WeekEntry>> {
        for day in days {
            let morning = day.plus(1);
            self.clock.set(morning.at(INGEST_HOUR));
            self.stack.publish(&IngestRequested::default()).await?;
            self.stack.bus.idle().await;
            if morning.date().weekday() == Weekday::Monday {
                *unchecked = Some(day.week());
            }
            if let Some(week) = *unchecked {
                self.clock.set(morning.at(DRIFT_CHECK_HOUR));
                if self.is_due(week).await? {
                    *unchecked = None;
                    return self.check(week).await.map(Some);
                }
            }
        }
        Ok(None)
    }

    async fn is_due(&self, week: Week) -> anyhow::Result<bool> {
        let counts = WeekCounts::read(&*self.stack.ports.warehouse, week).await?;
        Ok(counts.is_due(&self.policy, self.clock.now()))
    }

    async fn check(&self, week: Week) -> anyhow::Result<WeekEntry> {
        let request = DriftCheckRequested {
            week: Some(week),
            again: None,
        };
        self.stack.publish(&request).await?;
        self.stack.bus.idle().await;
        self.entry(week).await
    }

    async fn entry(&self, week: Week) -> anyhow::Result<WeekEntry> {
        let ports = &self.stack.ports;
        let (first, last) = (week.first_day(), week.last_day());
        let counts = ports
            .warehouse
            .counts(first.plus(-HISTORY_DAYS), last)
            .await?;
        let frozen_mae = week_mae(&self.frozen, &counts, week)?;
        let champion = registry::champion(&*ports.registry).await?;
        let audit_log = ports.warehouse.audit_log().await?;
        Ok(WeekEntry::of_audit_log(
            week, &audit_log, champion, frozen_mae,
        ))
    }
}

/// Returns the mean absolute error of a model's forecasts of a week, or `None` without counts.
fn week_mae(model: &Model, counts: &Counts, week: Week) -> anyhow::Result<Option<f64>> {
    let of_week = counts.days(week.first_day(), week.last_day());
    let frame = forecasting::features::Frame::from_counts(model.features(), &[counts], &of_week);
    if frame.is_empty() {
        Ok(None)
    } else {
        Ok(Some(model.score(&frame)?.mae))
    }
}
