//! The status as text for a terminal.

use std::fmt;

use shared::Timestamp;

use super::{
    LastEvent, Status,
    unreadable::{LEDGER, Unreadable},
};
use crate::support::table::{Column, Table};

/// The text of a part that cannot be read.
pub(super) const UNKNOWN: &str = "unknown";

impl Status {
    fn versions(&self) -> Table<5> {
        let mut versions = Table::new([
            Column::text("version"),
            Column::text("aliases").wrapped_to(11),
            Column::text("run"),
            Column::text("trained as"),
            Column::number("test MAE"),
        ]);
        let Some(known) = &self.versions else {
            versions.add_text(UNKNOWN);
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

    fn functions(&self) -> Table<5> {
        let mut functions = Table::new([
            Column::text("function"),
            Column::text("last event"),
            Column::text("decision"),
            Column::text("at (UTC)").wrapped_to(10),
            Column::number("dead\nletters"),
        ]);
        for status in &self.functions {
            let last = |text: fn(&LastEvent) -> String| match &status.last {
                None => UNKNOWN.to_owned(),
                Some(last) => last.as_ref().map(text).unwrap_or_default(),
            };
            functions.add_row([
                status.function.to_string(),
                last(|last| last.event_id.to_string()),
                last(|last| last.decision.clone()),
                last(|last| minute(last.at)),
                status
                    .dead_letters
                    .map_or_else(|| UNKNOWN.to_owned(), |number| number.to_string()),
            ]);
        }
        functions
    }

    fn unfinished(&self) -> Table<4> {
        let mut unfinished = Table::new([
            Column::text("function"),
            Column::text("unfinished event"),
            Column::text("state\nsince (UTC)"),
            Column::text("reason").wrapped_to(20),
        ]);
        for event in self.unfinished.iter().flatten() {
            unfinished.add_row([
                event.function.to_string(),
                event.event_id.to_string(),
                format!("{}\n{}", event.state, minute(event.since)),
                event.reason.clone().unwrap_or_default(),
            ]);
        }
        unfinished
    }

    /// Writes the numbers of messages that wait in a local state, in one line.
    fn write_waiting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = self.functions.iter().filter_map(|status| {
            let waiting = status.waiting?;
            Some((status.function, waiting))
        });
        let known: Vec<_> = known.collect();
        if known.is_empty() {
            return Ok(());
        }
        let waiting = known.iter().filter(|(_, waiting)| *waiting > 0);
        let waiting: Vec<_> = waiting
            .map(|(function, waiting)| format!("{waiting} for {function}"))
            .collect();
        if waiting.is_empty() {
            return writeln!(formatter, "no messages wait");
        }
        let waiting = waiting.join(", ");
        writeln!(
            formatter,
            "waiting messages: {waiting}; `bike-traffic stack` delivers them"
        )
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
        writeln!(formatter, "{versions}\n")?;
        if let Some(page) = &self.runs_page {
            writeln!(formatter, "runs and models: {page}\n")?;
        }
        writeln!(formatter, "events since {since}\n{functions}\n")?;
        self.write_waiting(formatter)?;
        if self.unfinished.iter().flatten().next().is_some() {
            writeln!(formatter, "\n{}", self.unfinished())?;
        } else if self.has_whole_ledger() {
            writeln!(formatter, "no unfinished events")?;
        } else {
            writeln!(formatter, "unfinished events: {UNKNOWN}")?;
        }
        if let Some(page) = &self.page {
            writeln!(formatter, "page: {page}")?;
        }
        if self.unreadable.is_empty() {
            return Ok(());
        }
        // Not a table: a path in a reason must stay whole.
        writeln!(formatter)?;
        for Unreadable { part, reason, .. } in &self.unreadable {
            writeln!(formatter, "unreadable {part}: {reason}")?;
        }
        Ok(())
    }
}

/// Returns an instant to the minute.
fn minute(instant: Timestamp) -> String {
    instant.strftime("%Y-%m-%d %H:%M").to_string()
}
