//! The events of the live period, which the loop has to deal with.

use std::{fmt, ops::Range};

use jiff::civil::Date;
use serde::Serialize;

use super::{Settings, faults};

/// The days of the summer exodus, counted from the first live day.
///
/// In a period that starts on Monday, the exodus starts on Sunday. The first week is almost
/// unaffected, and most lags of the second week include the exodus. The return is on a Monday.
const EXODUS: Range<u64> = 6..28;

/// The live day from which a counter is on a new bike lane.
const LANE_OPENS: u64 = 9;

/// The factor of the traffic at this counter from then on.
pub(super) const LANE_GROWTH: f64 = 2.5;

/// The live days on which a counter reports zeros. It is silent from the second of them on.
const OUTAGE: Range<u64> = 15..25;

/// The events, on days that are numbered from the first day of the training period.
pub(super) struct Events(Vec<Event>);

/// An event within the live period.
pub(super) struct Event {
    pub(super) kind: EventKind,
    pub(super) days: Range<u64>,
    /// The position of the counter, or `None` if the event affects all.
    pub(super) counter: Option<usize>,
}

/// The kind of an event of the live period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum EventKind {
    /// Traffic falls by almost half, then further each week, and rush hours flatten.
    SummerExodus,
    /// The counts of a counter rise strongly and lastingly.
    NewBikeLane,
    /// A counter reports zeros.
    Outage,
    /// Traffic rises to the level before the exodus.
    Return,
}

/// An event of the live period, as reported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LiveEvent {
    /// The kind of the event.
    pub event: EventKind,
    /// The first day, in Paris.
    pub first_day: Date,
    /// The last day, or the last live day if the event lasts longer.
    pub last_day: Date,
    /// The name of the counter, or `None` if the event affects all.
    pub counter: Option<String>,
}

impl Events {
    /// Returns the events within the live period. Few counters have no events of their own, which
    /// would dominate the data.
    pub(super) fn new(settings: &Settings, live: &Range<u64>) -> Self {
        let everywhere = [
            (EventKind::SummerExodus, EXODUS, None),
            (EventKind::Return, EXODUS.end..u64::MAX, None),
        ];
        let mut all = Vec::from(everywhere);
        // The first three counters fail in the training period.
        if let [_, _, _, lane, silent, _, ..] = faults::shuffled_counters(settings).0[..] {
            all.extend([
                (EventKind::NewBikeLane, LANE_OPENS..u64::MAX, Some(lane)),
                (EventKind::Outage, OUTAGE, Some(silent)),
            ]);
        }
        let within_live = |(kind, days, counter): (EventKind, Range<u64>, Option<usize>)| {
            let day = |number: u64| live.start.saturating_add(number).min(live.end);
            Event {
                kind,
                days: day(days.start)..day(days.end),
                counter,
            }
        };
        let mut events: Vec<Event> = all
            .into_iter()
            .map(within_live)
            .filter(|event| !event.days.is_empty())
            .collect();
        events.sort_by_key(|event| event.days.start);
        Self(events)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Event> {
        self.0.iter()
    }

    /// Returns the number of days since the start of the exodus, or `None` outside it.
    pub(super) fn exodus_days(&self, day: u64) -> Option<u64> {
        let exodus = self.find(EventKind::SummerExodus, None, day)?;
        Some(day - exodus.days.start)
    }

    /// Returns the factor of the traffic at a counter.
    pub(super) fn growth(&self, counter: usize, day: u64) -> f64 {
        match self.find(EventKind::NewBikeLane, Some(counter), day) {
            Some(_) => LANE_GROWTH,
            None => 1.0,
        }
    }

    /// Returns `true` if the counter reports 0 regardless of traffic.
    pub(super) fn is_silent(&self, counter: usize, day: u64) -> bool {
        self.find(EventKind::Outage, Some(counter), day).is_some()
    }

    fn find(&self, kind: EventKind, counter: Option<usize>, day: u64) -> Option<&Event> {
        self.iter().find(|event| {
            event.kind == kind && event.counter == counter && event.days.contains(&day)
        })
    }
}

impl fmt::Display for LiveEvent {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            event,
            first_day,
            last_day,
            counter,
        } = self;
        let counter = counter.as_deref().unwrap_or("all counters");
        match event {
            EventKind::SummerExodus => write!(
                formatter,
                "{first_day} to {last_day}: summer exodus, traffic falls by almost half"
            ),
            EventKind::NewBikeLane => write!(
                formatter,
                "{first_day}: new bike lane at {counter}, {LANE_GROWTH} times the traffic"
            ),
            EventKind::Outage => write!(
                formatter,
                "{first_day} to {last_day}: outage of {counter}, which reports zeros"
            ),
            EventKind::Return => write!(
                formatter,
                "{first_day}: return from the holidays, traffic doubles"
            ),
        }
    }
}
