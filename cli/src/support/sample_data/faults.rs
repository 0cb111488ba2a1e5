//! Simulated failures of counters.

use std::ops::Range;

use rand::{RngExt as _, seq::SliceRandom as _};
use rand_chacha::ChaCha8Rng;

use super::{Purpose, Settings, random_for};

/// The minimum length of a training period with failures, in days.
const SHORTEST_WITH_FAULTS: u64 = 60;

const DEAD_DAYS: u64 = 10;
const STOPPED_DAYS: u64 = 14;

/// The interval of counters that write a 0 for the hour skipped in spring.
const DOUBLING: usize = 4;

/// The failures of counters, which are identified by position, on days, identified by number.
///
/// These counters fail in the training period; clocks change in any period. The outage of the live
/// period is one of its events.
pub(super) struct Faults {
    dead: Vec<Fault>,
    /// A counter that stops for a while, and a counter that starts late.
    absent: Vec<Fault>,
    doubling: Vec<usize>,
}

struct Fault {
    counter: usize,
    days: Range<u64>,
}

impl Faults {
    pub(super) fn new(settings: &Settings) -> Self {
        let (order, mut random) = shuffled_counters(settings);
        let mut faults = Self {
            dead: Vec::new(),
            absent: Vec::new(),
            doubling: order[..order.len() / DOUBLING].to_vec(),
        };
        let days = u64::from(settings.train_days);
        // With fewer working counters, failures would dominate the data.
        if let [dead, stopped, late, _, _, ..] = order[..]
            && days >= SHORTEST_WITH_FAULTS
        {
            let begin = random.random_range(days / 8..days / 4);
            faults.dead.push(Fault::new(dead, begin..begin + DEAD_DAYS));
            let begin = random.random_range(days * 3 / 8..days / 2);
            faults
                .absent
                .push(Fault::new(stopped, begin..begin + STOPPED_DAYS));
            faults.absent.push(Fault::new(late, 0..days / 2));
        }
        faults
    }

    /// Returns `true` if the counter reports 0 regardless of traffic.
    pub(super) fn is_dead(&self, counter: usize, day: u64) -> bool {
        self.dead.iter().any(|fault| fault.holds(counter, day))
    }

    /// Returns `true` if the counter reports counts.
    pub(super) fn is_present(&self, counter: usize, day: u64) -> bool {
        !self.absent.iter().any(|fault| fault.holds(counter, day))
    }

    /// Returns `true` if the counter writes the hour after the clock change twice, first with 0.
    pub(super) fn fakes(&self, counter: usize) -> bool {
        self.doubling.contains(&counter)
    }
}

/// Returns the positions of all counters in random order, and the generator that ordered them.
///
/// The first three fail in a training period of sufficient length.
pub(super) fn shuffled_counters(settings: &Settings) -> (Vec<usize>, ChaCha8Rng) {
    let mut random = random_for(Purpose::Faults, settings.seed);
    let mut order: Vec<usize> = (0..settings.counters as usize).collect();
    order.shuffle(&mut random);
    (order, random)
}

impl Fault {
    fn new(counter: usize, days: Range<u64>) -> Self {
        Self { counter, days }
    }

    fn holds(&self, counter: usize, day: u64) -> bool {
        self.counter == counter && self.days.contains(&day)
    }
}
