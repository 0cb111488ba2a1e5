//! A deterministic simulation of the event-driven system.
//!
//! A seed chooses a *schedule*: the messages of a small city, the order of their deliveries, and
//! the faults. `ingest`, `predict` and `promote` run behind the real delivery code, with the
//! embedded warehouse and registry, on a simulated clock. One thread runs a schedule, so the same
//! seed yields the same schedule on every machine.
//!
//! Every call of a port waits at a gate ([`gate`], [`ports`]) until the schedule ([`schedule`])
//! answers it. In each step the schedule does one of these:
//!
//! - It answers a waiting call: the call takes effect, is rejected, or takes effect and its answer
//!   is lost. Any number of deliveries wait at the same time, so their calls interleave.
//! - It delivers a message: in any order, twice at once, or again after its end.
//! - It ends a process between two calls. Its message is delivered again.
//! - It moves the clock. A delivery whose calls are not answered meanwhile loses its lease, another
//!   one takes its event over, and the first one goes on later.
//! - It publishes an event, corrects the counts of a day, starts a rollback of an operator, or saves
//!   a model.
//!
//! Then the faults end. All messages are delivered until nothing waits, and once more after that.
//!
//! The observer ([`observer`]) sees every effect and checks the rules in [`invariants`]. A broken
//! rule fails the test with the seed and the steps that led to it. `make simulate SEED=…` repeats
//! them. `make simulate-reverts` shows that they find the faults they are made for.
//!
//! # Assumptions
//!
//! - A write that follows a check of the lease is made within a quarter of the lease. A program
//!   cannot exclude that it stands still between the check and the write, so the clock waits.
//! - No forecast is in progress at midnight.
//! - Drift checks, fine-tuning and evaluations are not simulated. Their results are prepared: the
//!   schedule stores evaluations of registered versions, and saves trained models.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a helper that fails fails its test"
)]

mod bus;
mod city;
mod commands;
mod events;
mod facts;
mod gate;
mod invariants;
mod observer;
mod ports;
mod random;
mod schedule;
mod template;
mod world;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use shared::settings::{ProcessVariables, optional};

use schedule::Report;

/// The number of schedules of a test run.
const SCHEDULES: u64 = 2_000;
/// The number of threads. Each runs one schedule at a time.
const THREADS: usize = 2;
/// The number of schedules after which a long run reports its progress.
const PROGRESS: u64 = 5_000;

/// Returns the value of a variable with a number, if it is set.
fn number(name: &'static str) -> Option<u64> {
    optional(&ProcessVariables, name).unwrap()
}

/// Runs the schedules of the seeds from `FIRST_SEED`, `SCHEDULES` of them; or only that of `SEED`,
/// and prints its steps.
#[test]
fn every_schedule_keeps_the_invariants() {
    if let Some(seed) = number("SEED") {
        let report = schedule::run(seed);
        println!("{}", report.trace.join("\n"));
        assert_eq!(report.violation, None, "seed {seed}");
        return;
    }
    let first = number("FIRST_SEED").unwrap_or_default();
    let schedules = number("SCHEDULES").unwrap_or(SCHEDULES);
    let (next, failure) = (AtomicU64::new(0), Mutex::new(None::<String>));
    let work = || {
        while failure.lock().unwrap().is_none() {
            let done = next.fetch_add(1, Ordering::SeqCst);
            if done >= schedules {
                return;
            }
            if done > 0 && done.is_multiple_of(PROGRESS) {
                println!("{done} of {schedules} schedules");
            }
            if let Some(broken) = broken_rule(first + done) {
                failure.lock().unwrap().get_or_insert(broken);
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(work);
        }
    });
    if let Some(text) = failure.into_inner().unwrap() {
        panic!("{text}");
    }
}

/// Runs the schedule of a seed. Returns its steps and the rule that they break.
fn broken_rule(seed: u64) -> Option<String> {
    let advice = format!("run `make simulate SEED={seed}` to repeat it");
    let Ok(Report { trace, violation }) = catch_unwind(AssertUnwindSafe(|| schedule::run(seed)))
    else {
        return Some(format!("the schedule of seed {seed} panicked; {advice}"));
    };
    let violation = violation?;
    let steps = trace.join("\n");
    Some(format!(
        "the schedule of seed {seed} breaks the rule {violation}\n\n{steps}\n\n{violation}\n{advice}"
    ))
}

#[test]
fn same_seed_gives_the_same_trace() {
    for seed in 0..20 {
        assert_eq!(schedule::run(seed), schedule::run(seed), "seed {seed}");
    }
    assert_ne!(schedule::run(0).trace, schedule::run(1).trace);
}

/// Without this test, a change that keeps the schedules from getting far would go unnoticed.
#[test]
fn schedules_reach_every_kind_of_step() {
    let traces: Vec<_> = (0..200).map(|seed| schedule::run(seed).trace).collect();
    for expected in [
        ", rejected",
        ", answer lost",
        " crashes",
        "again",
        "is champion again",
        "registered version",
        "of a known evaluation",
        "error: ",
        "the clock moves",
        "the city corrects",
        "are incomplete: true",
        "responds with status 503",
        "write warehouse bike_traffic_raw/daily_20210720.csv",
        "write warehouse bike_traffic_predictions/daily_20210721.csv",
        "publish bus champion-decided",
        "publish bus promote-dead-letter",
        "publish bus predict-dead-letter",
        "publish bus ingest-dead-letter",
    ] {
        let is_reached = |trace: &Vec<String>| trace.iter().any(|step| step.contains(expected));
        assert!(traces.iter().any(is_reached), "no step has `{expected}`");
    }
}
