//! The light of the on-call page, and what to do now.

use forecasting::time::Day;
use jiff::{SignedDuration, Timestamp};
use shared::{
    audit::AuditRow,
    event::Function,
    ledger::{UnfinishedState, UnfinishedStatus},
};

use super::{calendar::is_dead_letter, champions::Champions, counters::OddCounter, words::instant};
use crate::{state::week_of, text};

/// The time without an ingested day from which on the forecast becomes stale, as in the alert.
const NO_INGEST: SignedDuration = SignedDuration::from_hours(36);
/// The time for which a dead letter is kept.
const DEAD_LETTER_KEPT: SignedDuration = SignedDuration::from_hours(7 * 24);
/// The time from which on an event without a delivery is overdue, as in the alert on `ingest`.
const OVERDUE: SignedDuration = SignedDuration::from_hours(9);
/// The share of silent counters from which on someone should look.
const SILENT_SHARE: f64 = 0.1;

/// The state of the system in one colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Light {
    /// All work is done.
    Green,
    /// Someone should look, but the forecasts are made.
    Amber,
    /// Someone must act.
    Red,
}

impl Light {
    /// Returns the name of the colour.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Green => "green",
            Self::Amber => "amber",
            Self::Red => "red",
        }
    }
}

/// Something to do now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Action {
    /// Its urgency; never [`Light::Green`].
    pub light: Light,
    /// The finding, as a sentence without a full stop.
    pub finding: String,
    /// The reasons: what was reported, in the words of the functions.
    pub reasons: Vec<String>,
    /// The section of the runbook, `docs/deploy.md`, if it has one.
    pub section: Option<&'static str>,
    /// The commands, in order.
    pub commands: Vec<String>,
}

/// The facts that the light depends on.
pub(crate) struct Facts<'a> {
    pub(crate) at: Timestamp,
    /// The option that selects the deployment or state.
    pub(crate) target: &'a str,
    pub(crate) rows: &'a [AuditRow],
    pub(crate) unfinished: &'a [UnfinishedStatus],
    pub(crate) champion_problem: Option<&'a str>,
    pub(crate) champions: &'a Champions,
    pub(crate) odd: &'a [OddCounter],
    /// The number of counters with counts.
    pub(crate) counters: usize,
}

impl Facts<'_> {
    /// Returns what to do now, the most urgent first.
    pub(crate) fn actions(&self) -> Vec<Action> {
        let mut actions: Vec<_> = [
            self.champion(),
            self.dead_letters(),
            self.no_ingest(),
            self.overdue(),
            self.major_drift(),
            self.failed(),
            self.silent(),
        ]
        .into_iter()
        .flatten()
        .collect();
        actions.sort_by_key(|action| std::cmp::Reverse(action.light));
        actions
    }

    /// Returns the sentence beside the light.
    pub(crate) fn sentence(&self, actions: &[Action]) -> String {
        let Some(first) = actions.first() else {
            return format!("All is well: {}.", self.summary());
        };
        let others = match actions.len() - 1 {
            0 => String::new(),
            more => format!("; {more} more to do"),
        };
        format!("{}{others}.", first.finding)
    }

    fn summary(&self) -> String {
        let mut parts = Vec::new();
        if let Some(row) = self.last(Function::Ingest, "ingested") {
            parts.push(format!(
                "the last day was ingested {}",
                instant(row.timestamp)
            ));
        }
        if let Some(row) = self.last_of(Function::DriftCheck) {
            let subject = row.event_id.subject();
            parts.push(format!("{subject} was judged “{}”", row.entry.decision));
        }
        if let Some(champion) = self.champions.champion {
            parts.push(format!("version {champion} is the champion"));
        }
        if parts.is_empty() {
            return "nothing has happened yet".to_owned();
        }
        text::list(&parts)
    }

    fn champion(&self) -> Option<Action> {
        let problem = self.champion_problem?;
        let target = self.target;
        let command = match self.champions.previous {
            Some(previous) => format!("bike-traffic rollback{target} --to {previous}"),
            None => format!("bike-traffic train{target}"),
        };
        Some(Action {
            light: Light::Red,
            finding: "The functions cannot use the champion".to_owned(),
            reasons: vec![problem.to_owned()],
            section: Some("Roll back the model"),
            commands: vec![command, format!("bike-traffic status{target}")],
        })
    }

    fn dead_letters(&self) -> Option<Action> {
        let is_kept = |status: &&UnfinishedStatus| {
            status.state == UnfinishedState::DeadLettered
                && self.at.duration_since(status.since) < DEAD_LETTER_KEPT
        };
        let dead: Vec<_> = self.unfinished.iter().filter(is_kept).collect();
        let functions = functions_of(&dead)?;
        let target = self.target;
        Some(Action {
            light: Light::Red,
            finding: format!("{} of {functions}", text::plural(dead.len(), "dead letter")),
            reasons: dead.into_iter().map(describe).collect(),
            section: Some("Dead letters"),
            commands: vec![
                format!("bike-traffic replay{target} --dead-letters --dry-run"),
                format!("bike-traffic replay{target} --dead-letters --edit"),
            ],
        })
    }

    fn no_ingest(&self) -> Option<Action> {
        let last = self.last(Function::Ingest, "ingested")?;
        if self.at.duration_since(last.timestamp) <= NO_INGEST {
            return None;
        }
        // The day after the last ingested one, or the day of its ingestion.
        let from = last
            .event_id
            .subject()
            .parse::<Day>()
            .map_or_else(|_| Day::of(last.timestamp), |day| day.plus(1));
        let target = self.target;
        let mut commands = vec![
            format!("bike-traffic ingest{target} --from {from} --dry-run"),
            format!("bike-traffic ingest{target} --from {from}"),
        ];
        if self.is_cloud() {
            let command = "gcloud scheduler jobs describe ingest --location=europe-west1";
            commands.insert(0, command.to_owned());
        }
        Some(Action {
            light: Light::Red,
            finding: format!("No day was ingested since {}", instant(last.timestamp)),
            reasons: Vec::new(),
            section: Some("No ingest for 36 hours"),
            commands,
        })
    }

    fn overdue(&self) -> Option<Action> {
        let is_overdue = |status: &&UnfinishedStatus| {
            status.state == UnfinishedState::Overdue
                && self.at.duration_since(status.since) >= OVERDUE
        };
        let overdue: Vec<_> = self.unfinished.iter().filter(is_overdue).collect();
        let functions = functions_of(&overdue)?;
        let target = self.target;
        let command = |status: &&UnfinishedStatus| {
            let UnfinishedStatus {
                function, since, ..
            } = status;
            // An hour before, because the message is older than its first delivery.
            let from = since
                .saturating_sub(SignedDuration::from_hours(1))
                .unwrap_or(*since);
            format!("bike-traffic replay{target} --function {function} --from {from}")
        };
        Some(Action {
            light: Light::Red,
            finding: format!(
                "{} of {functions} overdue",
                text::plural(overdue.len(), "event")
            ),
            commands: overdue.iter().map(command).collect(),
            reasons: overdue.into_iter().map(describe).collect(),
            section: Some("Event overdue in the ledger"),
        })
    }

    /// Major drift of the last judged week, unless a person has changed the champion since. The
    /// promotion of its challenger alone rarely brings the error below the limit.
    fn major_drift(&self) -> Option<Action> {
        let last = self.last_of(Function::DriftCheck)?;
        let is_answered = self
            .champions
            .changes
            .iter()
            .any(|change| change.at >= last.timestamp && change.decision != "promoted");
        if last.entry.decision != "major-drift" || is_answered {
            return None;
        }
        let target = self.target;
        let week = week_of(&last.event_id, &last.entry);
        let read = week.map(|week| {
            format!("bike-traffic report{target} --week {week} --out week.html --open")
        });
        let retrain = [
            format!("bike-traffic retrain --quarterly{target} --dry-run"),
            format!("bike-traffic retrain --quarterly{target}"),
        ];
        Some(Action {
            light: Light::Amber,
            finding: format!(
                "Major drift in {}: retrain the champion",
                last.event_id.subject()
            ),
            reasons: vec![last.entry.reason.clone()],
            section: Some("Major drift"),
            commands: read.into_iter().chain(retrain).collect(),
        })
    }

    fn failed(&self) -> Option<Action> {
        let is_failed = |status: &&UnfinishedStatus| status.state == UnfinishedState::Failed;
        let failed: Vec<_> = self.unfinished.iter().filter(is_failed).collect();
        let functions = functions_of(&failed)?;
        Some(Action {
            light: Light::Amber,
            finding: format!(
                "{} of {functions} failed and {} retried",
                text::plural(failed.len(), "event"),
                if failed.len() == 1 { "is" } else { "are" }
            ),
            reasons: failed.into_iter().map(describe).collect(),
            section: Some("Error ratio"),
            commands: vec![format!("bike-traffic status{}", self.target)],
        })
    }

    fn silent(&self) -> Option<Action> {
        let silent = self.odd.iter().filter(|odd| odd.kind.is_silent()).count();
        if self.counters == 0 || (silent as f64) < SILENT_SHARE * self.counters as f64 {
            return None;
        }
        Some(Action {
            light: Light::Amber,
            finding: format!(
                "{silent} of {} silent",
                text::plural(self.counters, "counter")
            ),
            reasons: Vec::new(),
            section: None,
            commands: Vec::new(),
        })
    }

    fn is_cloud(&self) -> bool {
        self.target.contains("--cloud")
    }

    /// Returns the last row of a function with a decision.
    fn last(&self, function: Function, decision: &str) -> Option<&AuditRow> {
        let rows = self.rows.iter();
        rows.filter(|row| row.function == function && row.entry.decision == decision)
            .max_by_key(|row| row.timestamp)
    }

    fn last_of(&self, function: Function) -> Option<&AuditRow> {
        let rows = self.rows.iter();
        rows.filter(|row| row.function == function && !is_dead_letter(row))
            .max_by_key(|row| row.timestamp)
    }
}

/// Returns the names of the functions of events; `None` without events.
fn functions_of(statuses: &[&UnfinishedStatus]) -> Option<String> {
    let mut functions: Vec<_> = statuses.iter().map(|status| status.function).collect();
    functions.sort_unstable();
    functions.dedup();
    (!functions.is_empty()).then(|| text::list(&functions))
}

fn describe(status: &UnfinishedStatus) -> String {
    let reason = status.reason.as_deref();
    format!(
        "{} of {}, {} since {}{}",
        status.event_id,
        status.function,
        status.state,
        instant(status.since),
        reason.map_or_else(String::new, |reason| format!(": {reason}"))
    )
}
