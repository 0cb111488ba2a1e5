//! The status as text for a terminal.

use std::fmt;

use comfy_table::{Table, presets::UTF8_HORIZONTAL_ONLY};

use super::{
    LastEvent, Status, UnfinishedState,
    unreadable::{LEDGER, Unreadable},
};

/// The text of a part that cannot be read.
pub(super) const UNKNOWN: &str = "unknown";

impl Status {
    fn versions(&self) -> Table {
        let mut versions = table(["version", "aliases", "run", "trained as", "test MAE"]);
        let Some(known) = &self.versions else {
            versions.add_row([UNKNOWN]);
            return versions;
        };
        for version in known {
            versions.add_row([
                version.version.to_string(),
                version
                    .aliases
                    .iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
                    .join(", "),
                version.run.to_string(),
                version.training_type.clone().unwrap_or_default(),
                version
                    .test_mae
                    .map(|mae| format!("{mae:.2}"))
                    .unwrap_or_default(),
            ]);
        }
        versions
    }

    fn functions(&self) -> Table {
        let mut functions = table(["function", "last event", "decision", "at", "dead letters"]);
        for status in &self.functions {
            let last = |text: fn(&LastEvent) -> String| match &status.last {
                None => UNKNOWN.to_owned(),
                Some(last) => last.as_ref().map(text).unwrap_or_default(),
            };
            functions.add_row([
                status.function.to_string(),
                last(|last| last.event_id.to_string()),
                last(|last| last.decision.clone()),
                last(|last| last.at.strftime("%Y-%m-%d %H:%M:%SZ").to_string()),
                status
                    .dead_letters
                    .map_or_else(|| UNKNOWN.to_owned(), |number| number.to_string()),
            ]);
        }
        functions
    }

    fn unfinished(&self) -> Table {
        let mut unfinished = table(["function", "unfinished event", "state", "since", "reason"]);
        for event in self.unfinished.iter().flatten() {
            unfinished.add_row([
                event.function.to_string(),
                event.event_id.to_string(),
                event.state.to_string(),
                event.since.strftime("%Y-%m-%d %H:%M:%SZ").to_string(),
                event.reason.clone().unwrap_or_default(),
            ]);
        }
        unfinished
    }

    /// Returns `true` if the ledger was read completely.
    pub(super) fn has_whole_ledger(&self) -> bool {
        self.unreadable
            .iter()
            .all(|unreadable| unreadable.part != LEDGER)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (versions, functions) = (self.versions(), self.functions());
        let since = self.since.strftime("%Y-%m-%d %H:%M:%SZ");
        if let Some(lock) = &self.registry_lock {
            writeln!(formatter, "{lock}")?;
        }
        if let Some(problem) = &self.champion_problem {
            writeln!(formatter, "{problem}")?;
        }
        writeln!(formatter, "{versions}")?;
        if let Some(page) = &self.runs_page {
            writeln!(formatter, "runs and models: {page}")?;
        }
        writeln!(formatter, "events since {since}\n{functions}")?;
        if self.unfinished.iter().flatten().next().is_some() {
            writeln!(formatter, "{}", self.unfinished())?;
        } else if self.has_whole_ledger() {
            writeln!(formatter, "no unfinished events")?;
        } else {
            writeln!(formatter, "unfinished events: {UNKNOWN}")?;
        }
        if self.unreadable.is_empty() {
            return Ok(());
        }
        let mut unreadable = table(["unreadable", "reason"]);
        for Unreadable { part, reason } in &self.unreadable {
            unreadable.add_row([part, reason]);
        }
        writeln!(formatter, "{unreadable}")
    }
}

impl fmt::Display for UnfinishedState {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::InProgress => "in progress",
            Self::Overdue => "overdue",
            Self::Failed => "failed",
            Self::DeadLettered => "dead-lettered",
        })
    }
}

fn table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY).set_header(header);
    table
}
