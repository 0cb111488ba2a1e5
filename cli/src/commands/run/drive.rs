//! Driving the stack through the live data: the part of Cloud Scheduler.

use anyhow::{Context, bail};
use forecasting::{
    counts::Counts,
    features::HISTORY_DAYS,
    time::{Day, Week},
};
use jiff::civil::Weekday;
use model::{Model, Threads};
use shared::{
    clock::SimulatedClock,
    event::{DayIngested, DriftCheckRequested, EventId, Function, IngestRequested},
    registry::Alias,
};

use super::{inputs::Inputs, week::WeekEntry};
use crate::{
    commands::{stack::LocalStack, train::TrainReport},
    support::{data_file, state::State},
};

/// The hour at which Cloud Scheduler asks for the day before.
const INGEST_HOUR: i8 = 6;
/// The hour on Mondays at which it asks for the drift check.
const DRIFT_CHECK_HOUR: i8 = 7;
/// The days of history that the live period begins with: fine-tuning reaches 30 days back, its features 30 more.
const SEED_DAYS: i32 = 2 * HISTORY_DAYS;

/// The live data and the history before them.
#[derive(Debug)]
pub struct Live {
    counts: Counts,
    history: Counts,
    first_day: Day,
    last_day: Day,
}

impl Live {
    /// Reads the live data, and the end of the baseline as history.
    pub(super) async fn load(inputs: &Inputs, state: &State) -> anyhow::Result<Self> {
        let load = async |path: &str, name: &str| {
            let rejects = state.folder().join("rejects").join(format!("{name}.csv"));
            data_file::load(path, &rejects)
                .await
                .map(|loaded| loaded.counts)
        };
        let counts = load(&inputs.live, "live").await?;
        let (first, last) = counts
            .period()
            .with_context(|| format!("{} has no counts", inputs.live))?;
        let (first_day, last_day) = (first.day(), last.day());
        let mut baseline = load(&inputs.train, "train_baseline").await?;
        baseline.extend(&load(&inputs.test, "test_baseline").await?);
        let history = baseline.days(first_day.plus(-SEED_DAYS), first_day.plus(-1));
        if history.is_empty() {
            bail!(
                "the baseline ends more than {SEED_DAYS} days before {first_day}, where {} begins",
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

    pub(super) fn counts(&self) -> &Counts {
        &self.counts
    }
}

/// A stack, its clock, and the model that would still be in use without the loop.
pub struct Drive<'a> {
    stack: &'a LocalStack,
    clock: SimulatedClock,
    live: Live,
    frozen: Model,
}

impl<'a> Drive<'a> {
    pub(super) async fn new(
        stack: &'a LocalStack,
        clock: SimulatedClock,
        live: Live,
        trained: &TrainReport,
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
        })
    }

    /// Fills the daily tables before the live period, as a backfill would, and forecasts its first day.
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

    /// Asks for each day the morning after and for the drift check every Monday, and returns an entry for each check.
    pub(super) async fn live_through(
        &mut self,
        tell: &mut dyn FnMut(String),
    ) -> anyhow::Result<Vec<WeekEntry>> {
        let mut weeks = Vec::new();
        for day in self.live.first_day.through(self.live.last_day) {
            let morning = day.plus(1);
            self.clock.set(morning.at(INGEST_HOUR));
            self.stack.publish(&IngestRequested::default()).await?;
            self.stack.bus.idle().await;
            if morning.date().weekday() == Weekday::Monday {
                self.clock.set(morning.at(DRIFT_CHECK_HOUR));
                self.stack.publish(&DriftCheckRequested::default()).await?;
                self.stack.bus.idle().await;
                let entry = self.entry(day.week()).await?;
                tell(entry.to_string());
                weeks.push(entry);
            }
        }
        Ok(weeks)
    }

    async fn entry(&self, week: Week) -> anyhow::Result<WeekEntry> {
        let ports = &self.stack.ports;
        let (first, last) = (week.first_day(), week.last_day());
        let known = ports
            .warehouse
            .counts(first.plus(-HISTORY_DAYS), last)
            .await?;
        let frozen_mae = week_mae(&self.frozen, &known, week)?;
        let champion = ports
            .registry
            .alias(Alias::Champion)
            .await?
            .context("there is no champion any more")?;
        let audit_log = ports.warehouse.audit_log().await?;
        Ok(WeekEntry::of_audit_log(
            week, &audit_log, champion, frozen_mae,
        ))
    }
}

/// Returns the error that a model would have had in a week; `None` without counts.
fn week_mae(model: &Model, known: &Counts, week: Week) -> anyhow::Result<Option<f64>> {
    let counts = known.days(week.first_day(), week.last_day());
    let frame = forecasting::features::Frame::of_counts(model.features(), &[known], &counts);
    if frame.is_empty() {
        Ok(None)
    } else {
        Ok(Some(model.score(&frame)?.mae))
    }
}
