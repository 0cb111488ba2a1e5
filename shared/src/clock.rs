//! The clock: the source of the present time, replaceable by tests and simulated runs.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use jiff::{SignedDuration, Timestamp};

/// A source of the present time.
pub trait Clock: Send + Sync {
    /// Returns the present instant.
    fn now(&self) -> Timestamp;
}

/// The system clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        #[expect(
            clippy::disallowed_methods,
            reason = "the only access to the system clock"
        )]
        Timestamp::now()
    }
}

/// A clock that changes only when it is set. Clones share their time.
#[derive(Clone, Debug)]
pub struct SimulatedClock(Arc<AtomicI64>);

impl SimulatedClock {
    /// Creates a clock at `start`, truncated to the millisecond.
    pub fn new(start: Timestamp) -> Self {
        Self(Arc::new(AtomicI64::new(start.as_millisecond())))
    }

    /// Sets the time, forward or backward.
    pub fn set(&self, to: Timestamp) {
        self.0.store(to.as_millisecond(), Ordering::SeqCst);
    }
}

impl Clock for SimulatedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.0.load(Ordering::SeqCst)).unwrap_or(Timestamp::MAX)
    }
}

/// The system clock with another start: it begins at a given instant and advances with real time.
#[derive(Clone, Copy, Debug)]
pub struct ShiftedClock {
    shift: SignedDuration,
}

impl ShiftedClock {
    /// Creates a clock that begins at `start`.
    pub fn starting_at(start: Timestamp) -> Self {
        Self {
            shift: start.duration_since(SystemClock.now()),
        }
    }
}

impl Clock for ShiftedClock {
    fn now(&self) -> Timestamp {
        let shifted = SystemClock.now().checked_add(self.shift);
        shifted.unwrap_or(Timestamp::MAX)
    }
}

#[cfg(test)]
mod tests {
    use std::{thread, time::Duration};

    use super::*;

    #[test]
    fn shifted_clock_begins_at_its_start_and_advances() {
        let start: Timestamp = "2021-08-23T04:00:00Z".parse().unwrap();
        let clock = ShiftedClock::starting_at(start);
        thread::sleep(Duration::from_millis(2));
        let passed = clock.now().duration_since(start);
        assert!(
            (SignedDuration::from_millis(2)..SignedDuration::from_mins(10)).contains(&passed),
            "{passed}"
        );
        assert_eq!(
            ShiftedClock::starting_at(Timestamp::MAX).now(),
            Timestamp::MAX
        );
    }

    #[test]
    fn simulated_clock_changes_only_when_set() {
        let (start, later) = (
            "2021-07-19T06:00:00Z".parse().unwrap(),
            "2021-07-26T05:00:00Z".parse().unwrap(),
        );
        let clock = SimulatedClock::new(start);
        let same = clock.clone();
        assert_eq!((clock.now(), clock.now()), (start, start));
        clock.set(later);
        assert_eq!(same.now(), later);
    }
}
