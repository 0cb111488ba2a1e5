//! A schedule: the steps that a seed chooses, and the phase in which everything is repaired.

mod repair;

use std::collections::BTreeMap;

use axum::http::StatusCode;
use forecasting::time::Day;
use jiff::SignedDuration;
use shared::{Timestamp, event::Function};

use crate::{
    events,
    facts::Violation,
    gate::{Call, ProcessId, Verdict},
    invariants,
    random::Random,
    template::{FIRST_DAY, Template},
    world::{LEASE, World},
};

/// The number of days after the first one.
const DAYS: i32 = 3;
const MAXIMUM_EVENTS: usize = 12;
const MAXIMUM_ROLLBACKS: usize = 2;
const MAXIMUM_TRAININGS: usize = 3;

/// The result of a schedule.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Report {
    /// One line per step.
    pub(crate) trace: Vec<String>,
    /// The first broken invariant.
    pub(crate) violation: Option<Violation>,
}

/// Runs the schedule of a seed.
pub(crate) fn run(seed: u64) -> Report {
    let template = Template::get();
    // The clock is paused, so no timer depends on the machine.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut schedule = Schedule::new(seed, template).await;
        schedule.run().await;
        Report {
            violation: schedule.world.services.observer.violation(),
            trace: schedule.world.trace,
        }
    })
}

/// The kind of a schedule, chosen by its seed.
struct Plan {
    steps: usize,
    /// The share of calls that are rejected, and of answers that are lost.
    fault_percent: usize,
    /// `true` if a day is ingested again only after its earlier requests are complete. Only then
    /// may the city's replies be incomplete for a while.
    is_sequential: bool,
}

struct Schedule {
    world: World,
    random: Random,
    plan: Plan,
    template: &'static Template,
    /// The process that made the last call. It is likely to make the next one.
    last: Option<ProcessId>,
    /// The number of requests for each day.
    requests: BTreeMap<Day, usize>,
    evaluations: u32,
    events: usize,
    rollbacks: usize,
    trainings: usize,
    /// `true` if a delivery failed since the clock was last moved.
    needs_time: bool,
}

impl Schedule {
    async fn new(seed: u64, template: &'static Template) -> Self {
        let mut random = Random::new(seed);
        let plan = Plan {
            steps: 150 + random.below(300),
            fault_percent: [0, 2, 5][random.below(3)],
            is_sequential: random.chance(25),
        };
        Self {
            world: World::new(template).await,
            random,
            plan,
            template,
            last: None,
            requests: BTreeMap::new(),
            evaluations: 0,
            events: 0,
            rollbacks: 0,
            trainings: 0,
            needs_time: false,
        }
    }

    async fn run(&mut self) {
        for _ in 0..self.plan.steps {
            self.step().await;
            if self.is_broken() {
                return;
            }
        }
        self.world.say("no more faults");
        self.repair().await;
        if self.is_broken() {
            return;
        }
        let services = self.world.services.clone();
        self.require(invariants::at_the_end(&services).await);
        if !self.is_broken() {
            self.replay().await;
        }
    }

    fn is_broken(&self) -> bool {
        self.world.services.observer.violation().is_some()
    }

    fn require(&self, check: Result<(), Violation>) {
        if let Err(violation) = check {
            let mut facts = self.world.services.observer.facts();
            facts.violation.get_or_insert(violation);
        }
    }

    /// Takes one step. A step that is not possible at present does nothing.
    async fn step(&mut self) {
        self.world.tick();
        match self.random.below(100) {
            0..65 => self.release(self.plan.fault_percent).await,
            65..80 => self.deliver().await,
            80..87 => self.publish().await,
            87..92 => self.move_clock().await,
            92..94 => self.change_city(),
            94..96 => self.roll_back().await,
            96 => self.save_model().await,
            97 => self.repeat(),
            _ => self.crash(),
        }
        self.collect().await;
    }

    /// Answers one of the waiting calls.
    async fn release(&mut self, fault_percent: usize) {
        let waiting = self.world.services.gates.waiting();
        if waiting.is_empty() {
            return;
        }
        let own: Vec<_> = (0..waiting.len())
            .filter(|position| Some(waiting[*position].0) == self.last)
            .collect();
        let stays = self.random.chance(70);
        let position = self.random.pick(&own).filter(|_| stays);
        let position = position.unwrap_or_else(|| self.random.below(waiting.len()));
        let (process, call) = &waiting[position];
        let verdict = self.verdict(call, fault_percent);
        let effect = match verdict {
            Verdict::Proceed => "",
            Verdict::Reject => ", rejected",
            Verdict::LoseAnswer => ", answer lost",
        };
        let author = self.world.describe(*process);
        self.world.say(format_args!("{author}: {call}{effect}"));
        self.last = Some(*process);
        self.world.services.gates.open(position, verdict);
        self.world.run_tasks().await;
    }

    fn verdict(&mut self, call: &Call, fault_percent: usize) -> Verdict {
        let (is_rejected, is_lost) = (
            self.random.chance(fault_percent),
            self.random.chance(fault_percent),
        );
        if is_rejected {
            Verdict::Reject
        } else if is_lost && call.has_effect() {
            Verdict::LoseAnswer
        } else {
            Verdict::Proceed
        }
    }

    /// Delivers a message of the queue, in any order. Some stay in the queue, for a delivery at the
    /// same time.
    async fn deliver(&mut self) {
        let length = self.world.services.bus.lock().unwrap().queue.len();
        let position = self.random.below(length);
        let stays = self.random.chance(15);
        if let Some((message, instance)) = self.take(position, stays) {
            self.world.deliver(message, instance).await;
        }
    }

    /// Takes the message at a position of the queue, if an instance of its function is idle.
    fn take(&self, position: usize, stays: bool) -> Option<(usize, usize)> {
        let mut bus = self.world.services.bus.lock().unwrap();
        let message = bus.queue.get(position).copied()?;
        let (function, _) = bus.messages[message].key()?;
        let instance = self.world.idle_instance(function)?;
        if !stays {
            bus.queue.remove(position);
        }
        Some((message, instance))
    }

    async fn publish(&mut self) {
        if self.events >= MAXIMUM_EVENTS {
            return;
        }
        self.events += 1;
        let (services, now) = (self.world.services.clone(), self.world.now());
        match self.random.below(10) {
            0..5 => self.publish_request(now),
            5..8 => {
                let evaluated =
                    events::evaluate(&services, &mut self.random, self.evaluations, now).await;
                self.evaluations += 1;
                if let Some(event_id) = evaluated {
                    self.world.say(format_args!("publish: {event_id}"));
                }
            }
            8 => {
                if let Some(event_id) = events::evaluate_again(&services, &mut self.random, now) {
                    self.world
                        .say(format!("publish: {event_id}, of a known evaluation"));
                }
            }
            _ => {
                let description = events::publish_unusable(&services, &mut self.random, now);
                self.world.say(format_args!("publish: {description}"));
            }
        }
    }

    /// Requests a past day: for the first time, or again.
    fn publish_request(&mut self, now: Timestamp) {
        let Some(day) = self.past_day() else { return };
        let requests = self.requests.get(&day).copied().unwrap_or_default();
        if requests > 0 && self.plan.is_sequential && !self.is_ingested(day) {
            return;
        }
        let again = (requests > 0).then_some(now);
        events::publish(&self.world.services, &events::ingest(day, again), now);
        self.requests.insert(day, requests + 1);
        let time = if again.is_some() { "again" } else { "first" };
        self.world
            .say(format_args!("publish: request of {day}, {time}"));
    }

    /// Returns a day that is over, and no more than [`DAYS`] after the first one.
    fn past_day(&mut self) -> Option<Day> {
        let first: Day = FIRST_DAY.parse().ok()?;
        let days: Vec<_> = first
            .through(Day::of(self.world.now()).plus(-1))
            .take_while(|day| first.days_until(*day) <= DAYS)
            .collect();
        self.random.pick(&days)
    }

    /// Returns `true` if a day was requested, and each request of it is complete.
    fn is_ingested(&self, day: Day) -> bool {
        let facts = self.world.services.observer.facts();
        let prefix = format!("ingest/{day}");
        let complete = facts
            .progress
            .iter()
            .filter(|((function, event_id), known)| {
                *function == Function::Ingest
                    && event_id.to_string().starts_with(&prefix)
                    && known.completed.is_some()
            });
        let requests = self.requests.get(&day).copied().unwrap_or_default();
        requests > 0 && complete.count() == requests
    }

    /// Moves the clock: within the lease, to its renewal, beyond it, or to the next morning.
    async fn move_clock(&mut self) {
        let now = self.world.now();
        let by = match self.random.below(10) {
            0..4 => LEASE / 6,
            4..6 => LEASE / 3,
            6..8 => LEASE + SignedDuration::from_secs(5),
            _ => Day::of(now).plus(1).at(6).duration_since(now),
        };
        let to = now + by;
        let first: Day = FIRST_DAY.parse().unwrap();
        let crosses_midnight = Day::of(to) > Day::of(now);
        // A forecast is made within minutes, so none is in progress at midnight.
        if crosses_midnight
            && (self.world.is_busy(Function::Predict) || first.days_until(Day::of(now)) > DAYS)
        {
            return;
        }
        if self.is_too_late(to) {
            return;
        }
        self.world.say(format_args!("the clock moves to {to}"));
        self.world.advance(by).await;
        self.needs_time = false;
    }

    /// Returns `true` if a waiting call follows a check of the lease that would be too old.
    fn is_too_late(&self, to: Timestamp) -> bool {
        let services = &self.world.services;
        let waiting = services.gates.waiting();
        waiting.iter().any(|(process, call)| {
            let deadline = services.observer.deadline(*process, call);
            deadline.is_some_and(|deadline| to > deadline)
        })
    }

    /// Corrects the counts of a day, or makes the replies incomplete or complete.
    fn change_city(&mut self) {
        let Some(day) = self.past_day() else { return };
        let city = std::sync::Arc::clone(&self.world.services.city);
        if self.plan.is_sequential && self.is_ingested(day) {
            let is_incomplete = self.random.chance(50);
            city.set_incomplete(day, is_incomplete);
            let line = format!("the city's replies for {day} are incomplete: {is_incomplete}");
            self.world.say(line);
        }
        city.correct(day);
        self.world.say(format_args!("the city corrects {day}"));
    }

    /// Starts a rollback, if the champion has changed since the start.
    async fn roll_back(&mut self) {
        let changes = self.world.services.observer.facts().champion_changes;
        if changes > 1 && self.rollbacks < MAXIMUM_ROLLBACKS {
            self.rollbacks += 1;
            self.world.start_rollback().await;
        }
    }

    async fn save_model(&mut self) {
        if self.trainings < MAXIMUM_TRAININGS {
            self.trainings += 1;
            let position = self.random.below(2);
            self.world.start_training(self.template, position).await;
        }
    }

    /// Delivers a message again that was delivered before, or will be.
    fn repeat(&mut self) {
        let length = self.world.services.bus.lock().unwrap().messages.len();
        let message = self.random.below(length);
        let is_delivered = {
            let bus = self.world.services.bus.lock().unwrap();
            let published = bus.messages.get(message);
            published.is_some_and(|published| published.key().is_some())
        };
        if is_delivered {
            self.world.say(format_args!("deliver m{message} again"));
            self.world.requeue(message);
        }
    }

    fn crash(&mut self) {
        let working = self.world.working();
        if let Some(process) = self.random.pick(&working) {
            self.world.crash(process);
        }
    }

    /// Collects finished deliveries. A message that was not acknowledged is delivered again.
    async fn collect(&mut self) {
        for (message, status) in self.world.collect().await {
            if status != StatusCode::NO_CONTENT {
                self.needs_time = true;
                self.world.requeue(message);
            }
        }
    }
}
