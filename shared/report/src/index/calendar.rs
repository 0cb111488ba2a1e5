//! The calendar of the last days: one row a function, one cell a day.

use forecasting::time::{Day, Week};
use jiff::{Timestamp, civil::Weekday};
use shared::{
    audit::{Actor, AuditRow},
    event::{EventId, Function},
    ledger::{UnfinishedState, UnfinishedStatus},
};

use super::words::instant;

/// The number of days of the calendar.
pub(crate) const DAYS: i32 = 35;
/// Work that is done more days than this after it was due is a request for old days, not late work.
const LATE_DAYS: i32 = 7;
/// The number of days that a week may wait for its counts before its judgement is missing.
const JUDGEMENT_DAYS: i32 = 3;

/// The state of a function's work on a day, from the best to the worst.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum CellState {
    /// No work was due.
    #[default]
    Idle,
    /// All work is done.
    Done,
    /// A delivery is in progress.
    InProgress,
    /// The work is done, but after the day on which it was due.
    Late,
    /// Work was due, and no event of it is known.
    Missing,
    /// The last delivery failed or stopped; the next one retries.
    Failed,
    /// A message is a dead letter.
    DeadLettered,
}

impl CellState {
    /// Returns the state in a word or two.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Idle => "nothing due",
            Self::Done => "done",
            Self::InProgress => "in progress",
            Self::Late => "late",
            Self::Missing => "missing",
            Self::Failed => "failed",
            Self::DeadLettered => "dead letter",
        }
    }

    /// Returns the symbol of the state, which is readable without colours.
    pub const fn symbol(self) -> &'static str {
        match self {
            Self::Idle => "",
            Self::Done => "✓",
            Self::InProgress => "…",
            Self::Late => "!",
            Self::Missing => "?",
            Self::Failed => "✕",
            Self::DeadLettered => "†",
        }
    }
}

/// The work of a function on a day.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    /// The worst state of the work.
    pub state: CellState,
    /// The outcome of each event, in a sentence.
    pub reasons: Vec<String>,
}

impl Cell {
    fn add(&mut self, state: CellState, reason: String) {
        self.state = self.state.max(state);
        self.reasons.push(reason);
    }
}

/// The calendar of the last 35 days.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calendar {
    /// The first day.
    pub first: Day,
    /// The cells of each function, in the order of the flow. Each row has 35 cells.
    pub rows: Vec<(Function, Vec<Cell>)>,
}

impl Calendar {
    /// Makes the calendar that ends with the day of `at`.
    pub fn of(rows: &[AuditRow], unfinished: &[UnfinishedStatus], at: Timestamp) -> Self {
        let last = Day::of(at);
        let mut calendar = Self {
            first: last.plus(1 - DAYS),
            rows: Function::ALL
                .into_iter()
                .map(|function| (function, vec![Cell::default(); DAYS as usize]))
                .collect(),
        };
        let of_functions = || rows.iter().filter(|row| row.actor != Some(Actor::Operator));
        for row in of_functions() {
            // A replay handles a dead letter after all.
            let is_answered = is_dead_letter(row)
                && of_functions().any(|later| {
                    later.function == row.function
                        && later.event_id == row.event_id
                        && later.timestamp >= row.timestamp
                        && !is_dead_letter(later)
                });
            if !is_answered {
                calendar.add_row(row);
            }
        }
        for status in unfinished {
            calendar.add_unfinished(status);
        }
        if let Some(start) = of_functions().map(|row| Day::of(row.timestamp)).min() {
            calendar.mark_missing(start, last);
        }
        calendar
    }

    /// Returns the last day.
    pub fn last(&self) -> Day {
        self.first.plus(DAYS - 1)
    }

    /// Returns the cell of a function on a day, or `None` outside of the calendar.
    pub fn cell(&self, function: Function, day: Day) -> Option<&Cell> {
        let position = usize::try_from(self.first.days_until(day)).ok()?;
        let (_, cells) = self.rows.iter().find(|(found, _)| *found == function)?;
        cells.get(position)
    }

    fn cell_mut(&mut self, function: Function, day: Day) -> Option<&mut Cell> {
        let position = usize::try_from(self.first.days_until(day)).ok()?;
        let (_, cells) = self.rows.iter_mut().find(|(found, _)| *found == function)?;
        cells.get_mut(position)
    }

    fn add_row(&mut self, row: &AuditRow) {
        let done = Day::of(row.timestamp);
        let due = due_day(&row.event_id).unwrap_or(done);
        let (day, state) = match due.days_until(done) {
            days if days <= 0 => (done, CellState::Done),
            days if days <= LATE_DAYS => (due, CellState::Late),
            _ => (done, CellState::Done),
        };
        let state = if is_dead_letter(row) {
            CellState::DeadLettered
        } else {
            state
        };
        let reason = format!(
            "{}, {}: {}: {}",
            row.event_id,
            instant(row.timestamp),
            row.entry.decision,
            row.entry.reason
        );
        if let Some(cell) = self.cell_mut(row.function, day) {
            cell.add(state, reason);
        }
    }

    fn add_unfinished(&mut self, status: &UnfinishedStatus) {
        let since = Day::of(status.since);
        let due = due_day(&status.event_id)
            .filter(|due| due.days_until(since).abs() <= LATE_DAYS)
            .unwrap_or(since);
        let state = match status.state {
            UnfinishedState::InProgress => CellState::InProgress,
            UnfinishedState::Overdue | UnfinishedState::Failed => CellState::Failed,
            UnfinishedState::DeadLettered => CellState::DeadLettered,
        };
        let reason = status.reason.as_deref();
        let text = format!(
            "{}, {}: {}{}",
            status.event_id,
            instant(status.since),
            status.state,
            reason.map_or_else(String::new, |reason| format!(": {reason}"))
        );
        if let Some(cell) = self.cell_mut(status.function, due) {
            cell.add(state, text);
        }
    }

    /// Marks the days on which work was due and of which no event is known. `start` is the day of
    /// the first decision, and `today` is not over.
    fn mark_missing(&mut self, start: Day, today: Day) {
        for function in [Function::Ingest, Function::Predict, Function::DriftCheck] {
            let first = start.plus(1).max(self.first);
            for day in first.through(today.plus(-1)) {
                let is_due = match function {
                    Function::DriftCheck => {
                        day.date().weekday() == Weekday::Monday
                            && day.plus(JUDGEMENT_DAYS) < today
                            && day.plus(-7) >= start
                    }
                    _ => true,
                };
                let cell = self.cell_mut(function, day);
                if let Some(cell) = cell.filter(|cell| is_due && cell.state == CellState::Idle) {
                    cell.add(CellState::Missing, format!("no event of {function}"));
                }
            }
        }
    }
}

/// Returns `true` for the row that the runtime writes about a dead letter.
pub(crate) fn is_dead_letter(row: &AuditRow) -> bool {
    row.entry.decision == "dead-lettered"
}

/// Returns the day on which the work of an event is due: the day after the day or week that its id
/// names. `None` for requests to repeat work, and for ids without a day or week.
fn due_day(event_id: &EventId) -> Option<Day> {
    let subject = event_id.subject();
    let day = subject.parse::<Day>().ok();
    let last = day.or_else(|| subject.parse::<Week>().ok().map(Week::last_day));
    last.map(|last| last.plus(1))
}
