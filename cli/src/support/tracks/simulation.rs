//! The functions of one system on ports in memory, called directly.

use std::sync::Arc;

use anyhow::{Context as _, bail};
use drift_check::{DriftCheck, WeekCounts};
use evaluate::Evaluate;
use fine_tune::FineTune;
use forecasting::{
    counts::Counts,
    policy::{Policy, PromotionRule},
    time::{Day, Week},
};
use jiff::Timestamp;
use predict::Predict;
use promote::Promote;
use runtime::{Fence, Handler};
use shared::{
    audit::AuditEntry,
    clock::{Clock, SimulatedClock},
    evaluation::Evaluation,
    event::{
        ChallengerEvaluated, ChampionDecided, DayIngested, DriftCheckRequested, EventId, Function,
        Input,
    },
    ledger::RecordedEvent,
    ports::Ports,
    registry::champion,
    retryability::Retryability,
    store::read_json,
};

use super::{INGEST_HOUR, JudgedWeek, Plan, RuleVerdicts, seed::MemoryPorts};

/// The environment in the audit rows of a simulation.
const ENVIRONMENT: &str = "simulation";
/// The decision in the audit row of an event that failed permanently.
const DEAD_LETTERED: &str = "dead-lettered";

/// A system of its own: ports, clock, and the functions with one policy.
pub(super) struct Simulation {
    predict: Predict,
    drift_check: DriftCheck,
    fine_tune: FineTune,
    evaluate: Evaluate,
    promote: Promote,
    policy: Policy,
    clock: SimulatedClock,
    memory: MemoryPorts,
}

/// The result of an event, as the runtime records it.
#[derive(Clone, Debug)]
pub(super) struct Handled {
    entry: AuditEntry,
    events: Vec<RecordedEvent>,
}

impl Handled {
    /// Returns the published event of a type, if there is one.
    fn event<E: Input>(&self) -> anyhow::Result<Option<E>> {
        let of_type = |event: &&RecordedEvent| E::TOPICS.contains(&event.topic);
        let recorded = self.events.iter().find(of_type);
        let decoded = recorded.map(|event| E::decode(event.data.as_bytes()));
        Ok(decoded.transpose()?)
    }
}

/// A week up to the comparison of its challenger, before the decision on promotion.
#[derive(Clone, Debug)]
pub(super) struct Checked {
    pub(super) judged: JudgedWeek,
    evaluated: Option<Handled>,
}

impl Simulation {
    /// Opens a system in which the first champion of the plan is in use, with the daily tables of
    /// the days before the plan and the forecasts of its first day.
    pub(super) async fn open(plan: &Plan, rule: PromotionRule) -> anyhow::Result<Self> {
        let (first, _) = plan.days;
        let clock = SimulatedClock::new(first.at(INGEST_HOUR));
        let memory = plan.seed.open(Arc::new(clock.clone())).await?;
        let simulation = Self::over(memory, clock, plan, rule);
        let last = first.plus(-1);
        for day in plan.first_table.through(last) {
            simulation
                .store_counts(day, &plan.counts.days(day, day))
                .await?;
        }
        let rows = plan.counts.days(last, last).len();
        if rows > 0 {
            simulation.forecast_after(last, rows).await?;
        }
        Ok(simulation)
    }

    /// Returns a copy of the system that acts under another promotion rule from now on.
    pub(super) async fn fork(&self, plan: &Plan, rule: PromotionRule) -> anyhow::Result<Self> {
        let clock = SimulatedClock::new(self.clock.now());
        let memory = self.memory.copy(Arc::new(clock.clone())).await?;
        plan.seed.cache_fixed_test(&memory.ports).await?;
        Ok(Self::over(memory, clock, plan, rule))
    }

    fn over(memory: MemoryPorts, clock: SimulatedClock, plan: &Plan, rule: PromotionRule) -> Self {
        let policy = Policy {
            promotion: rule,
            ..plan.policy.clone()
        };
        let ports = &memory.ports;
        Self {
            predict: Predict::new(ports),
            drift_check: DriftCheck::new(policy.clone(), ports),
            fine_tune: FineTune::new(policy.clone(), plan.fine_tune.clone(), ports),
            evaluate: Evaluate::new(policy.clone(), ports),
            promote: Promote::new(policy.clone(), ports),
            policy,
            clock,
            memory,
        }
    }

    pub(super) fn ports(&self) -> &Ports {
        &self.memory.ports
    }

    pub(super) fn set_time(&self, now: Timestamp) {
        self.clock.set(now);
    }

    /// Returns the time from which a week is judged even if counts are missing.
    pub(super) fn deadline(&self, week: Week) -> Timestamp {
        self.policy.deadline(week)
    }

    /// Stores the counts of a day, as `ingest` does, and forecasts the next day. A day without
    /// counts has no forecast of the next day, because `ingest` publishes nothing then.
    pub(super) async fn ingest(&self, day: Day, counts: &Counts) -> anyhow::Result<()> {
        if counts.is_empty() {
            return Ok(());
        }
        self.store_counts(day, counts).await?;
        self.forecast_after(day, counts.len()).await
    }

    async fn store_counts(&self, day: Day, counts: &Counts) -> anyhow::Result<()> {
        if counts.is_empty() {
            return Ok(());
        }
        let ingested_at = day.plus(1).at(INGEST_HOUR);
        let warehouse = &self.ports().warehouse;
        Ok(warehouse.replace_counts(day, counts, ingested_at).await?)
    }

    async fn forecast_after(&self, day: Day, rows: usize) -> anyhow::Result<()> {
        let event = DayIngested {
            event_id: EventId::of(Function::Ingest, day),
            day,
            rows: rows as u64,
        };
        let AuditEntry {
            decision, reason, ..
        } = self.handle(&self.predict, event).await?.entry;
        if decision == DEAD_LETTERED {
            bail!("cannot forecast {}: {reason}", day.plus(1));
        }
        Ok(())
    }

    /// Returns `true` if a week can be judged.
    pub(super) async fn is_due(&self, week: Week) -> anyhow::Result<bool> {
        let counts = WeekCounts::read(&*self.ports().warehouse, week).await?;
        Ok(counts.is_due(&self.policy, self.clock.now()))
    }

    /// Checks a week, and trains and evaluates a challenger if the policy asks for one.
    pub(super) async fn check(&self, week: Week) -> anyhow::Result<Checked> {
        let request = DriftCheckRequested {
            week: Some(week),
            again: None,
        };
        let present = champion(&*self.ports().registry).await?;
        let checked = self.handle(&self.drift_check, request).await?;
        let mut judged = JudgedWeek::new(week, present, &checked.entry);
        let tuned = self.follow(&self.fine_tune, Some(&checked)).await?;
        if let Some(tuned) = &tuned {
            judged.add(Function::FineTune, &tuned.entry);
            judged.challenger = tuned.entry.challenger_version;
        }
        let evaluated = self.follow(&self.evaluate, tuned.as_ref()).await?;
        if let Some(evaluated) = &evaluated {
            judged.add(Function::Evaluate, &evaluated.entry);
            judged.verdicts = self.verdicts(evaluated).await?;
        }
        Ok(Checked { judged, evaluated })
    }

    /// Decides on the promotion of a checked week's challenger.
    pub(super) async fn decide(&self, checked: Checked) -> anyhow::Result<JudgedWeek> {
        let Checked {
            mut judged,
            evaluated,
        } = checked;
        if let Some(decided) = self.follow(&self.promote, evaluated.as_ref()).await? {
            judged.add(Function::Promote, &decided.entry);
            let event = decided.event::<ChampionDecided>()?;
            judged.promoted = event.is_some_and(|event| event.promoted);
        }
        judged.champion = champion(&*self.ports().registry).await?;
        Ok(judged)
    }

    async fn verdicts(&self, evaluated: &Handled) -> anyhow::Result<Option<RuleVerdicts>> {
        let Some(event) = evaluated.event::<ChallengerEvaluated>()? else {
            return Ok(None);
        };
        let (evaluation, _): (Evaluation, _) =
            read_json(&*self.ports().store, &event.evaluation).await?;
        Ok(Some(RuleVerdicts::new(&evaluation.verdicts)))
    }

    /// Handles the event for a function that another event has led to, if there is one.
    async fn follow<H: Handler>(
        &self,
        handler: &H,
        cause: Option<&Handled>,
    ) -> anyhow::Result<Option<Handled>> {
        let Some(cause) = cause else {
            return Ok(None);
        };
        match cause.event::<H::Event>()? {
            Some(event) => Ok(Some(self.handle(handler, event).await?)),
            None => Ok(None),
        }
    }

    /// Handles an event and records its audit row. A permanent failure is a decision of its own, as
    /// in production, where the message becomes a dead letter and the loop goes on.
    async fn handle<H: Handler>(&self, handler: &H, event: H::Event) -> anyhow::Result<Handled> {
        let now = self.clock.now();
        let event_id = event.id(now);
        let context = runtime::Context {
            event_id: event_id.clone(),
            published_at: now,
            first_started_at: now,
            now,
            fence: Fence::default(),
        };
        let handled = match handler.handle(event, &context).await {
            Ok(outcome) => Handled {
                entry: outcome.entry().clone(),
                events: outcome.events().to_vec(),
            },
            Err(error) if error.retryability() == Retryability::Permanent => Handled {
                entry: AuditEntry::new(DEAD_LETTERED, error.chain()),
                events: Vec::new(),
            },
            Err(error) => {
                return Err(error).with_context(|| format!("cannot handle the event {event_id}"));
            }
        };
        let entry = handled.entry.clone();
        let row = entry.into_row(now, H::FUNCTION, event_id, ENVIRONMENT);
        self.ports().warehouse.record(&row).await?;
        Ok(handled)
    }
}
