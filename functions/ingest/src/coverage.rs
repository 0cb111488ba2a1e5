//! The comparison of a reply with the stored counts of a day, counter by counter.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use forecasting::{
    counts::{CounterIndex, Counts},
    time::Day,
};
use serde::{Deserialize, Serialize};

/// The maximum number of counters that a report lists.
pub(crate) const LISTED_COUNTERS: usize = 100;
/// The maximum number of counters that a reason names.
pub(crate) const NAMED_COUNTERS: usize = 5;

/// The stored counts for whose counter and hour a reply has no count.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loss {
    /// The number of stored counts that the reply lacks.
    pub lost: u64,
    /// The number of stored counts.
    pub stored: u64,
    /// The number of counters with such counts.
    pub counters: u64,
    /// The first 100 of these counters.
    pub by_counter: Vec<CounterLoss>,
    /// `true` if the stored table could not be read. The number of its counts is unknown.
    #[serde(default)]
    pub unreadable_table: bool,
}

/// The stored counts of one counter that a reply lacks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CounterLoss {
    /// The name of the counter.
    pub counter: String,
    /// The number of hours that the reply lacks.
    pub lost: u64,
    /// The number of stored hours.
    pub stored: u64,
}

impl Loss {
    /// Compares each stored hour of each counter with a reply. Returns `None` if the reply has all.
    pub(crate) fn of(stored: &Counts, reply: &Counts) -> Option<Self> {
        let replied: BTreeSet<_> = reply
            .rows()
            .iter()
            .map(|row| (row.counter, row.hour))
            .collect();
        // A counter whose name has its id in one of the two is the same counter.
        let mut known = reply.clone();
        let in_reply: Vec<_> = stored
            .counters()
            .iter()
            .map(|counter| known.intern(counter.clone()))
            .collect();
        let mut counters = BTreeMap::<CounterIndex, (u64, u64)>::new();
        for row in stored.rows() {
            let has_count = replied.contains(&(in_reply[row.counter.position()], row.hour));
            let (lost, hours) = counters.entry(row.counter).or_default();
            *lost += u64::from(!has_count);
            *hours += 1;
        }
        counters.retain(|_, (lost, _)| *lost > 0);
        if counters.is_empty() {
            return None;
        }
        let of_counter = |(index, (lost, hours)): (&CounterIndex, &(u64, u64))| CounterLoss {
            counter: stored.counter(*index).name.clone(),
            lost: *lost,
            stored: *hours,
        };
        Some(Self {
            lost: counters.values().map(|(lost, _)| lost).sum(),
            stored: stored.len() as u64,
            counters: counters.len() as u64,
            by_counter: counters
                .iter()
                .take(LISTED_COUNTERS)
                .map(of_counter)
                .collect(),
            unreadable_table: false,
        })
    }

    /// Returns the loss of a table that cannot be read.
    pub(crate) fn of_unreadable_table() -> Self {
        Self {
            unreadable_table: true,
            ..Self::default()
        }
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.unreadable_table {
            return formatter.write_str("an unknown number of counts: the table cannot be read");
        }
        let Self {
            lost,
            stored,
            counters,
            by_counter,
            ..
        } = self;
        let named: Vec<_> = by_counter
            .iter()
            .take(NAMED_COUNTERS)
            .map(|of| format!("{} {} of {} hours", of.counter, of.lost, of.stored))
            .collect();
        write!(formatter, "{lost} of {stored} counts ({}", named.join(", "))?;
        match counters.saturating_sub(named.len() as u64) {
            0 => formatter.write_str(")"),
            others => write!(formatter, ", and {others} other counters)"),
        }
    }
}

/// The completeness of a day's counts, counter by counter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Coverage {
    /// The number of hours that a complete counter has. The public data omit the repeated hour when
    /// summer time ends, so it is at most 24.
    pub expected_hours: u64,
    /// The number of hours of the counter with the fewest.
    pub least_hours: u64,
    /// The number of counters with fewer hours than expected.
    pub incomplete_counters: u64,
    /// The first 100 of these counters.
    pub by_counter: Vec<CounterHours>,
}

/// The number of hours with a count of one counter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CounterHours {
    /// The name of the counter.
    pub counter: String,
    /// The number of hours.
    pub hours: u64,
}

impl Coverage {
    /// Counts the hours of each counter. The counts have no duplicates.
    pub(crate) fn of(day: Day, counts: &Counts) -> Self {
        let mut hours = BTreeMap::<CounterIndex, u64>::new();
        for row in counts.rows() {
            *hours.entry(row.counter).or_default() += 1;
        }
        let least_hours = hours.values().copied().min().unwrap_or_default();
        let expected_hours = day.hours().count().min(24) as u64;
        hours.retain(|_, hours| *hours < expected_hours);
        let of_counter = |(index, hours): (&CounterIndex, &u64)| CounterHours {
            counter: counts.counter(*index).name.clone(),
            hours: *hours,
        };
        Self {
            expected_hours,
            least_hours,
            incomplete_counters: hours.len() as u64,
            by_counter: hours.iter().take(LISTED_COUNTERS).map(of_counter).collect(),
        }
    }
}

/// Returns the names of the counters without a count above zero: the first 100.
pub(crate) fn silent_counters(counts: &Counts) -> Vec<String> {
    let mut largest = BTreeMap::<CounterIndex, u32>::new();
    for row in counts.rows() {
        let count = largest.entry(row.counter).or_default();
        *count = row.count.max(*count);
    }
    largest
        .iter()
        .filter(|(_, count)| **count == 0)
        .take(LISTED_COUNTERS)
        .map(|(index, _)| counts.counter(*index).name.clone())
        .collect()
}
