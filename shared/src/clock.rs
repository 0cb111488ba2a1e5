//! The clock: the source of the present time, replaceable by tests and simulated runs.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use jiff::Timestamp;

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

#[cfg(test)]
mod tests {
    use super::*;

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
