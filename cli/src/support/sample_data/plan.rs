//! The plan of the sample data: counters, faults and periods. Writes rows day by day.

use std::ops::Range;

use jiff::civil::Date;

use super::{
    Error, MAX_COUNTERS, Settings,
    city::{self, Counter},
    day_after,
    events::{Event, Events, LiveEvent},
    export::{Export, Row},
    faults::Faults,
    hours::{Hour, Paris},
    traffic::{Regime, Traffic},
};

/// The number of days under restrictions at the end of the training period, at most a quarter.
///
/// Like the restrictions of spring 2021, they lower the weekly lags of the test period, but not
/// those of the live period.
const RESTRICTED_DAYS: u64 = 35;

/// The plan of the data. Days are numbered from 0, the first day of the training period.
pub(super) struct Plan {
    first_day: Date,
    test_begins: u64,
    live_begins: u64,
    live_ends: u64,
    paris: Paris,
    counters: Vec<Counter>,
    faults: Faults,
    events: Events,
}

impl Plan {
    pub(super) fn new(settings: &Settings) -> Result<Self, Error> {
        check(settings)?;
        let first_day = settings.first_day;
        let test_begins = u64::from(settings.train_days);
        let live_begins = test_begins + u64::from(settings.test_days);
        let live_ends = live_begins + u64::from(settings.live_days);
        Ok(Self {
            first_day,
            test_begins,
            live_begins,
            live_ends,
            paris: Paris::new().map_err(|source| Error::Calendar {
                day: first_day,
                source,
            })?,
            counters: city::counters(settings)?,
            faults: Faults::new(settings),
            events: Events::new(settings, &(live_begins..live_ends)),
        })
    }

    pub(super) fn train(&self) -> Range<u64> {
        0..self.test_begins
    }

    pub(super) fn test(&self) -> Range<u64> {
        self.test_begins..self.live_begins
    }

    pub(super) fn live(&self) -> Range<u64> {
        self.live_begins..self.live_ends
    }

    /// Returns the events of the live period, in order.
    pub(super) fn events(&self) -> Result<Vec<LiveEvent>, Error> {
        let reported = |event: &Event| -> Result<LiveEvent, Error> {
            Ok(LiveEvent {
                event: event.kind,
                first_day: self.date(event.days.start)?,
                last_day: self.date(event.days.end - 1)?,
                counter: event.counter.map(|index| self.counters[index].name.clone()),
            })
        };
        self.events.iter().map(reported).collect()
    }

    /// Returns the number of rows in all three periods.
    pub(super) fn rows(&self) -> Result<u64, Error> {
        let mut rows = 0;
        for day in 0..self.live_ends {
            let present = self.present(day).count();
            let doubling = self
                .present(day)
                .filter(|(index, _)| self.faults.fakes(*index))
                .count();
            for hour in self.hours(day)? {
                rows += present + if hour.after_gap { doubling } else { 0 };
            }
        }
        Ok(rows as u64)
    }

    /// Writes the rows of one day and returns their number.
    ///
    /// Days must be written in order without gaps, because the weather depends on the day before.
    pub(super) fn write_day(
        &self,
        day: u64,
        traffic: &mut Traffic,
        export: &mut Export,
    ) -> Result<u64, Error> {
        let today = traffic.next_day(self.date(day)?, self.regime(day));
        let before = export.rows();
        for hour in self.hours(day)? {
            for (index, counter) in self.present(day) {
                if hour.after_gap && self.faults.fakes(index) {
                    export.write(&Row {
                        counter,
                        hour: &hour,
                        count: 0,
                    })?;
                }
                let growth = self.events.growth(index, day);
                let passed = traffic.count(&today, counter, hour.of_day, growth);
                let is_dead = self.faults.is_dead(index, day) || self.events.is_silent(index, day);
                let count = if is_dead { 0 } else { passed };
                export.write(&Row {
                    counter,
                    hour: &hour,
                    count,
                })?;
            }
        }
        Ok(export.rows() - before)
    }

    fn present(&self, day: u64) -> impl Iterator<Item = (usize, &Counter)> {
        let counters = self.counters.iter().enumerate();
        counters.filter(move |(index, _)| self.faults.is_present(*index, day))
    }

    fn hours(&self, day: u64) -> Result<Vec<Hour>, Error> {
        let day = self.date(day)?;
        self.paris
            .hours(day)
            .map_err(|source| Error::Calendar { day, source })
    }

    fn date(&self, day: u64) -> Result<Date, Error> {
        day_after(self.first_day, day.cast_signed())
    }

    fn regime(&self, day: u64) -> Regime {
        if let Some(days) = self.events.exodus_days(day) {
            return Regime::Exodus { days };
        }
        let restricted = RESTRICTED_DAYS.min(self.test_begins / 4);
        if (self.test_begins - restricted..self.test_begins).contains(&day) {
            return Regime::Restricted;
        }
        Regime::Usual
    }
}

fn check(settings: &Settings) -> Result<(), Error> {
    let counters = settings.counters;
    if !(1..=MAX_COUNTERS).contains(&counters) {
        return Err(Error::Counters { counters });
    }
    let periods = [
        ("train", settings.train_days),
        ("test", settings.test_days),
        ("live", settings.live_days),
    ];
    match periods.into_iter().find(|(_, days)| *days == 0) {
        Some((period, _)) => Err(Error::EmptyPeriod { period }),
        None => Ok(()),
    }
}
