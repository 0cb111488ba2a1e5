//! The on-call page: the state in one colour, what to do now, and the links to all other pages.

mod calendar;
mod champions;
mod counters;
mod light;
mod next_day;
#[cfg(test)]
mod tests;
mod view;
pub(crate) mod words;

use std::sync::Arc;

use forecasting::time::{Day, Week};
use jiff::Timestamp;
use shared::{
    address::ObjectPath,
    audit::{Actor, AuditRow},
    event::Function,
    ledger::{self, UnfinishedState, UnfinishedStatus},
    ports::Ports,
    registry,
};

pub use calendar::{Calendar, Cell, CellState};
pub use champions::{ChampionSource, Champions, Change};
pub use counters::{OddCounter, Oddity};
pub use light::{Action, Light};
pub use next_day::NextDay;
pub use view::render;

pub use crate::state::GatherError;

use crate::{
    month::{self, Month},
    state::{self, week_of},
    week,
};

/// The number of decisions on the page.
const DECISIONS: usize = 10;

/// The data of the on-call page.
#[derive(Clone, Debug, PartialEq)]
pub struct IndexPage {
    /// The time that the page shows.
    pub at: Timestamp,
    /// The address of the store, which names the deployment.
    pub address: String,
    /// The option that selects the deployment in commands, with a leading space.
    pub target: String,
    /// The state in one colour.
    pub light: Light,
    /// The state in one sentence.
    pub sentence: String,
    /// The things to do now, the most urgent first.
    pub actions: Vec<Action>,
    /// The last 35 days.
    pub calendar: Calendar,
    /// The counters that need a look.
    pub odd: Vec<OddCounter>,
    /// The number of counters with counts.
    pub counters: usize,
    /// The forecast of the latest day, if there is one.
    pub next_day: Option<NextDay>,
    /// The history of the champion.
    pub champions: Champions,
    /// The last decisions about weeks and models, newest first.
    pub decisions: Vec<Decision>,
    /// The pages of weeks, newest first.
    pub weeks: Vec<WeekLink>,
    /// The pages of months, newest first.
    pub months: Vec<Month>,
}

/// A decision in the audit log.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// The time of the decision.
    pub at: Timestamp,
    /// The function.
    pub function: Function,
    /// `true` if a person decided.
    pub is_by_operator: bool,
    /// The event id.
    pub event: String,
    /// The decision in a word or two.
    pub decision: String,
    /// The reason.
    pub reason: String,
    /// The week of the decision, if its page exists.
    pub week: Option<Week>,
}

/// A link to the page of a week, with the decisions about it.
#[derive(Clone, Debug, PartialEq)]
pub struct WeekLink {
    /// The week.
    pub week: Week,
    /// The decision of the drift check.
    pub judged: Option<String>,
    /// The decision about the champion.
    pub decided: Option<String>,
    /// The mean absolute error of the published forecasts.
    pub mae: Option<f64>,
}

/// Returns the path of the page.
pub fn path() -> ObjectPath {
    ObjectPath::new(state::INDEX)
}

impl IndexPage {
    /// Gathers the data of the page.
    ///
    /// # Errors
    /// Returns an error if a port fails.
    pub async fn gather(ports: &Ports) -> Result<Self, GatherError> {
        Self::gather_from(ports, ChampionSource::Registry).await
    }

    /// Gathers the data of the page, with the champion from a source.
    ///
    /// # Errors
    /// Returns an error if a port fails.
    pub async fn gather_from(ports: &Ports, source: ChampionSource) -> Result<Self, GatherError> {
        let rows = ports.warehouse.audit_log().await?;
        let at = state::time_of(ports, &rows);
        let today = Day::of(at);
        let target = state::target_option(&*ports.store);
        let unfinished = unfinished(ports, &rows, at).await?;
        let (state, champion_problem) = match source {
            ChampionSource::Registry => (
                ports.registry.champion_state().await?,
                registry::find_champion_problem(&*ports.registry).await?,
            ),
            ChampionSource::AuditLog => (champions::recorded(&rows), None),
        };
        let champions = Champions::of(&state, &rows, &target);
        let counts = ports
            .warehouse
            .counts(today.plus(-counters::DAYS), today)
            .await?;
        let odd = counters::find_odd(&counts);
        let forecasts = ports
            .warehouse
            .forecasts(today.plus(-1), today.plus(1))
            .await?;
        let facts = light::Facts {
            at,
            target: &target,
            rows: &rows,
            unfinished: &unfinished,
            champion_problem: champion_problem.as_deref(),
            champions: &champions,
            odd: &odd,
            counters: counts.counters().len(),
        };
        let actions = facts.actions();
        let sentence = facts.sentence(&actions);
        let light = actions.first().map_or(Light::Green, |first| first.light);
        let pages = week_pages(ports).await?;
        Ok(Self {
            at,
            address: ports.store.address_of(&path()),
            light,
            sentence,
            actions,
            calendar: Calendar::of(&rows, &unfinished, at),
            counters: counts.counters().len(),
            next_day: NextDay::of(&forecasts, &counts),
            decisions: decisions(&rows, &pages),
            weeks: week_links(&rows, pages),
            months: month_pages(ports).await?,
            target,
            odd,
            champions,
        })
    }
}

/// Returns the unfinished events whose entry was written in the days of the calendar, without the
/// event whose audit row was written a moment ago, because it is complete in another one.
async fn unfinished(
    ports: &Ports,
    rows: &[AuditRow],
    at: Timestamp,
) -> Result<Vec<UnfinishedStatus>, GatherError> {
    let since = Day::of(at).plus(-calendar::DAYS).at(0);
    let store = Arc::clone(&ports.store);
    let entries = ledger::unfinished_since(&store, since).await?;
    let is_recorded = |status: &UnfinishedStatus| {
        status.state == UnfinishedState::InProgress
            && rows.iter().any(|row| {
                row.function == status.function
                    && row.event_id == status.event_id
                    && row.timestamp >= status.since
            })
    };
    Ok(entries
        .into_iter()
        .filter_map(|entry| UnfinishedStatus::of(entry, at))
        .filter(|status| status.since >= since && !is_recorded(status))
        .collect())
}

/// Returns the last decisions about weeks and models.
fn decisions(rows: &[AuditRow], pages: &[Week]) -> Vec<Decision> {
    let is_daily = |row: &&AuditRow| matches!(row.function, Function::Ingest | Function::Predict);
    // The log is in the order of recording, which decides between equal times.
    let mut decisions: Vec<_> = rows.iter().rev().filter(|row| !is_daily(row)).collect();
    decisions.sort_by_key(|row| std::cmp::Reverse(row.timestamp));
    let decision = |row: &AuditRow| Decision {
        at: row.timestamp,
        function: row.function,
        is_by_operator: row.actor == Some(Actor::Operator),
        event: row.event_id.to_string(),
        decision: row.entry.decision.clone(),
        reason: row.entry.reason.clone(),
        week: week_of(&row.event_id, &row.entry).filter(|week| pages.contains(week)),
    };
    decisions
        .into_iter()
        .take(DECISIONS)
        .map(decision)
        .collect()
}

fn week_links(rows: &[AuditRow], pages: Vec<Week>) -> Vec<WeekLink> {
    let last = |week: Week, function: Function| {
        rows.iter()
            .filter(|row| {
                row.function == function && week_of(&row.event_id, &row.entry) == Some(week)
            })
            .filter(|row| !calendar::is_dead_letter(row) && !row.entry.is_repetition())
            .max_by_key(|row| row.timestamp)
    };
    let link = |week: Week| {
        let judged = last(week, Function::DriftCheck);
        let decided = last(week, Function::Promote);
        WeekLink {
            week,
            judged: judged.map(|row| row.entry.decision.clone()),
            decided: decided.map(|row| row.entry.decision.clone()),
            mae: judged.and_then(|row| row.entry.mae),
        }
    };
    pages.into_iter().map(link).collect()
}

/// Returns the weeks with a page, newest first.
async fn week_pages(ports: &Ports) -> Result<Vec<Week>, GatherError> {
    let paths = ports.store.list("reports/week/").await?;
    let mut weeks: Vec<Week> = paths.iter().filter_map(named).collect();
    // Their names sort as the weeks do, because years have four digits.
    weeks.sort_by_key(|week| std::cmp::Reverse(week.first_day()));
    Ok(weeks)
}

/// Returns the months with a page, newest first.
async fn month_pages(ports: &Ports) -> Result<Vec<Month>, GatherError> {
    let paths = ports.store.list("reports/month/").await?;
    let mut months: Vec<Month> = paths.iter().filter_map(named).collect();
    months.sort_by_key(|month| std::cmp::Reverse(month.first_day()));
    Ok(months)
}

/// Parses the name of a page.
fn named<T: std::str::FromStr>(path: &ObjectPath) -> Option<T> {
    let (_, name) = path.as_str().rsplit_once('/')?;
    name.strip_suffix(".html")?.parse().ok()
}

/// Returns the address of the page of a week, relative to the on-call page.
pub(crate) fn week_link(week: Week) -> String {
    relative(&week::path(week))
}

/// Returns the address of the page of a month, relative to the on-call page.
pub(crate) fn month_link(month: Month) -> String {
    relative(&month::path(month))
}

fn relative(path: &ObjectPath) -> String {
    let path = path.as_str();
    path.strip_prefix(state::FOLDER).unwrap_or(path).to_owned()
}
