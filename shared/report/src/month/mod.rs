//! The page of a month: punctuality, latency, cost, versions and gain.

mod cost;
mod gain;
mod lineage;
mod name;
#[cfg(test)]
mod tests;
mod view;

use std::collections::BTreeMap;

use forecasting::time::Day;
use jiff::{SignedDuration, Timestamp};
use shared::{
    address::ObjectPath,
    audit::{Actor, AuditRow},
    event::Function,
    ports::Ports,
    registry::{ModelVersion, Version},
    warehouse::Forecast,
};

pub use cost::Cost;
pub use gain::Gain;
pub use lineage::{VersionRecord, ancestors};
pub use name::{Month, MonthError};
pub use view::render;

use crate::state::{self, GatherError};

/// The hour in Paris up to which the forecast of a day is in time.
const IN_TIME_HOUR: i8 = 12;

/// The data of the page of a month.
#[derive(Clone, Debug, PartialEq)]
pub struct MonthPage {
    /// The month.
    pub month: Month,
    /// The time that the page shows.
    pub at: Timestamp,
    /// The option that selects the deployment in commands, with a leading space.
    pub target: String,
    /// The days of the month up to the time of the page.
    pub days: Vec<DayRecord>,
    /// The latencies of each function, in the order of the flow.
    pub latencies: Vec<Latency>,
    /// The estimated cost.
    pub cost: Cost,
    /// The present champion.
    pub champion: Option<Version>,
    /// All versions, oldest first.
    pub versions: Vec<VersionRecord>,
}

/// The forecast of a day.
#[derive(Clone, Debug, PartialEq)]
pub struct DayRecord {
    /// The day.
    pub day: Day,
    /// The time of its forecast; `None` if there is none.
    pub predicted_at: Option<Timestamp>,
    /// The version that made it.
    pub version: Option<Version>,
    /// The errors of the forecasts and of the seasonal naive.
    pub gain: Gain,
}

impl DayRecord {
    /// Returns `true` if the day was forecast in time: before noon in Paris.
    pub fn is_in_time(&self) -> bool {
        self.predicted_at
            .is_some_and(|at| at <= self.day.at(IN_TIME_HOUR))
    }
}

/// The times from the publication of an event to its decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Latency {
    /// The function.
    pub function: Function,
    /// The number of handled events.
    pub events: usize,
    /// The known times, sorted. Rows of earlier program versions have none.
    pub times: Vec<SignedDuration>,
}

impl Latency {
    /// Returns the time that this share of the known times does not exceed; `None` without times.
    pub fn quantile(&self, share: f64) -> Option<SignedDuration> {
        let last = self.times.len().checked_sub(1)?;
        let position = (share.clamp(0.0, 1.0) * last as f64).ceil() as usize;
        self.times.get(position).copied()
    }
}

/// Returns the path of the page of a month.
pub fn path(month: Month) -> ObjectPath {
    ObjectPath::new(format_args!("reports/month/{month}.html"))
}

impl MonthPage {
    /// Gathers the data of the page.
    ///
    /// # Errors
    /// Returns an error if a port fails.
    pub async fn gather(ports: &Ports, month: Month) -> Result<Self, GatherError> {
        let rows = ports.warehouse.audit_log().await?;
        let at = state::time_of(ports, &rows);
        // The forecast of a day is due at noon, so the present day counts from noon on.
        let noon = SignedDuration::from_hours(IN_TIME_HOUR.into());
        let present = Day::of(at.saturating_sub(noon).unwrap_or(at));
        let (first, last) = (month.first_day(), month.last_day().min(present));
        let mut days = Vec::new();
        if first <= last {
            let forecasts = ports.warehouse.forecasts(first, last).await?;
            let counts = ports.warehouse.counts(first.plus(-7), last).await?;
            days = records((first, last), &forecasts, &gain::Lookup::new(&counts));
        }
        let mut made = BTreeMap::<Version, usize>::new();
        for version in days.iter().filter_map(|day| day.version) {
            *made.entry(version).or_default() += 1;
        }
        let versions = ports.registry.versions().await?;
        let record = |version: &ModelVersion| {
            let days = made.get(&version.version).copied();
            VersionRecord::of(version, &rows, days.unwrap_or_default())
        };
        let is_of_month = |row: &&AuditRow| {
            row.actor != Some(Actor::Operator) && Month::of(Day::of(row.timestamp)) == month
        };
        let of_month: Vec<_> = rows.iter().filter(is_of_month).collect();
        let latencies: Vec<_> = Function::ALL
            .into_iter()
            .map(|function| latency(function, &of_month))
            .collect();
        let events = latencies
            .iter()
            .map(|latency| (latency.function, latency.events));
        Ok(Self {
            month,
            at,
            target: state::target_option(&*ports.store),
            cost: Cost::of(events.collect()),
            champion: ports.registry.champion_state().await?.champion,
            versions: versions.iter().map(record).collect(),
            latencies,
            days,
        })
    }

    /// Returns the sum of the gains of all days.
    pub fn gain(&self) -> Gain {
        let mut sum = Gain::default();
        self.days.iter().for_each(|day| sum.add(&day.gain));
        sum
    }

    /// Returns the number of days that were forecast in time.
    pub fn days_in_time(&self) -> usize {
        self.days.iter().filter(|day| day.is_in_time()).count()
    }
}

fn records(
    (first, last): (Day, Day),
    forecasts: &[Forecast],
    lookup: &gain::Lookup<'_>,
) -> Vec<DayRecord> {
    let mut by_day = BTreeMap::<Day, Vec<&Forecast>>::new();
    for forecast in forecasts {
        by_day
            .entry(forecast.hour.day())
            .or_default()
            .push(forecast);
    }
    let record = |day: Day| {
        let forecasts = by_day.get(&day).map(Vec::as_slice).unwrap_or_default();
        let newest = forecasts.iter().max_by_key(|row| row.predicted_at);
        DayRecord {
            day,
            predicted_at: newest.map(|row| row.predicted_at),
            version: newest.map(|row| row.model_version),
            gain: lookup.gain_of(day, forecasts),
        }
    };
    first.through(last).map(record).collect()
}

fn latency(function: Function, rows: &[&AuditRow]) -> Latency {
    let of_function = || rows.iter().filter(|row| row.function == function);
    let time = |row: &&AuditRow| {
        let started = row.entry.detail.get("started_at")?.as_str()?;
        let started: Timestamp = started.parse().ok()?;
        let time = row.timestamp.duration_since(started);
        (!time.is_negative()).then_some(time)
    };
    let mut times: Vec<_> = of_function().filter_map(time).collect();
    times.sort_unstable();
    Latency {
        function,
        events: of_function().count(),
        times,
    }
}
