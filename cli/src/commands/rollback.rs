//! `bike-traffic rollback`: makes an earlier version the champion again.

use std::{fmt, sync::Arc};

use anyhow::{Context, bail};
use clap::Args;
use serde::Serialize;
use serde_json::json;
use shared::{
    audit::{AuditRow, ChampionDecision},
    clock::SystemClock,
    event::{EventId, Function, Reason},
    ports::Ports,
    registry::{
        self, ChampionChange, ChampionState, Promoted, Promotion, RegistryError, RunName, Version,
    },
};

use crate::{
    args::{EnvironmentArgument, TargetArguments, version_number},
    support::{decision, progress, stdout},
};

/// Options of `rollback`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  bike-traffic rollback --cloud --reason \"night forecasts are twice as high\"
  bike-traffic rollback --cloud --to 7

The functions use the new champion from their next message on. A pending evaluation against the \
replaced champion no longer leads to a promotion. A second rollback needs --to, so that it does not \
undo the first. If a rollback was interrupted, repeating the same command completes it.")]
pub struct RollbackArguments {
    /// The target of the command.
    #[command(flatten)]
    pub target: TargetArguments,
    /// The version to make champion [default: the champion before the last promotion].
    #[arg(long, value_name = "VERSION", value_parser = version_number)]
    pub to: Option<u32>,
    /// The reason, for the audit log: at most 500 characters.
    #[arg(long, value_name = "TEXT", default_value = "no reason given")]
    pub reason: Reason,
    /// The environment that the audit row names.
    #[command(flatten)]
    pub environment: EnvironmentArgument,
    /// Print the report as JSON.
    #[arg(long)]
    pub json: bool,
}

/// The report of a rollback.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Rollback {
    /// The replaced champion; `None` if there was none, for example because it was deleted.
    pub from: Option<Version>,
    /// The new champion.
    pub to: Version,
    /// The training run of the new champion.
    pub run: RunName,
    /// The event id of the audit row.
    pub event_id: EventId,
}

impl fmt::Display for Rollback {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            from,
            to,
            run,
            event_id,
        } = self;
        write!(formatter, "version {to} ({run}) is now the champion")?;
        if let Some(from) = from {
            write!(formatter, ", version {from} the previous one")?;
        }
        write!(formatter, "; audit row {event_id}")
    }
}

/// Runs the command.
pub(crate) async fn command(arguments: RollbackArguments) -> anyhow::Result<()> {
    let ports = arguments
        .target
        .open_existing(Arc::new(SystemClock))
        .await?;
    let to = arguments.to.map(Version::new);
    let reason = arguments.reason.to_string();
    let rollback = roll_back(&ports, to, &reason, &arguments.environment.name);
    let rollback = progress::noting("changing the champion", rollback).await?;
    stdout::print(&rollback, arguments.json)
}

/// Makes `to` the champion, or the previous champion if `None`, and records it in the audit log.
///
/// Without `to`, a rollback does not follow another one: it would undo it. A repeated call
/// completes an interrupted rollback: it moves the second alias, and writes the audit row.
///
/// # Errors
/// Returns an error, and moves no alias, if:
/// - `to` is `None` and there is no champion, no previous one, or the last change was a rollback;
/// - the version does not exist, has no readable run or is already the champion;
/// - another process moves the alias at the same time.
///
/// Also returns an error if a port fails.
pub async fn roll_back(
    ports: &Ports,
    to: Option<Version>,
    reason: &str,
    env: &str,
) -> anyhow::Result<Rollback> {
    let registry = &*ports.registry;
    let seen = registry
        .champion_state()
        .await
        .context("cannot roll back")?;
    registry::complete_last_change(registry, &seen)
        .await
        .context("cannot roll back")?;
    if let Some(interrupted) = unrecorded_rollback(ports, &seen, to).await? {
        return record(ports, interrupted, reason, env).await;
    }
    let to = to.map_or_else(|| predecessor(&seen), Ok)?;
    if seen.champion == Some(to) && seen.deleted.is_none() {
        bail!(
            "cannot roll back: version {to} is already the champion; choose a version of `bike-traffic status` with --to \
             VERSION"
        );
    }
    let run = run_of(ports, to).await?;
    let event_id = new_event_id(ports, seen.changes + 1);
    let promotion = Promotion::rollback(&decision::operator(), &seen, to).decided_by(&event_id);
    let promoted = registry::promote(registry, &promotion).await;
    let promoted = promoted.with_context(|| format!("cannot roll back to version {to}"))?;
    let changed_to = match promoted {
        Promoted::Done => None,
        Promoted::Already => Some(Some(to)),
        Promoted::Stale { champion } | Promoted::Overtaken { champion, .. } => Some(champion),
    };
    if let Some(champion) = changed_to {
        bail!(
            "cannot roll back: the champion changed to {} meanwhile; run `bike-traffic status`, then repeat the \
             command with --to VERSION",
            champion.map_or_else(|| "none".to_owned(), |version| format!("version {version}"))
        );
    }
    let change = Change {
        from: seen.deleted.or(seen.champion),
        is_from_deleted: seen.deleted.is_some(),
        to,
        run,
        event_id,
    };
    record(ports, change, reason, env).await
}

/// A rollback that has taken effect.
struct Change {
    /// The replaced champion.
    from: Option<Version>,
    /// `true` if the replaced champion was deleted from the registry.
    is_from_deleted: bool,
    to: Version,
    /// The training run of the new champion.
    run: RunName,
    /// The event id of its audit row.
    event_id: EventId,
}

/// Returns the last change if it was a rollback to `to`, or to any version if `None`, and has no
/// audit row: the process ended after it had moved the aliases.
async fn unrecorded_rollback(
    ports: &Ports,
    seen: &ChampionState,
    to: Option<Version>,
) -> anyhow::Result<Option<Change>> {
    let is_repeated = |last: &ChampionChange| {
        let is_in_effect = seen.champion == Some(last.to) && seen.deleted.is_none();
        last.is_rollback && is_in_effect && to.is_none_or(|to| to == last.to)
    };
    let Some(last) = seen.last_change.filter(is_repeated) else {
        return Ok(None);
    };
    let log = ports.warehouse.audit_log().await;
    let log = log.context("cannot check the audit row of the last rollback")?;
    if log.iter().any(|row| is_row_of(row, seen.changes)) {
        return Ok(None);
    }
    let is_from_deleted = match last.from {
        None => false,
        Some(from) => match ports.registry.version(from).await {
            Err(RegistryError::NotFound { .. }) => true,
            Err(error @ RegistryError::Unavailable { .. }) => {
                return Err(error).context("cannot roll back");
            }
            _ => false,
        },
    };
    Ok(Some(Change {
        from: last.from,
        is_from_deleted,
        to: last.to,
        run: run_of(ports, last.to).await?,
        // The other process may still be at work, and two rows with one id count as one.
        event_id: seen
            .promoted_by
            .clone()
            .unwrap_or_else(|| new_event_id(ports, seen.changes)),
    }))
}

/// The beginning of the subject in the event id of a rollback.
const SUBJECT: &str = "rollback-";

/// Returns an event id for the rollback that is the change of the champion with this number, which
/// distinguishes two rollbacks within a second.
fn new_event_id(ports: &Ports, number: u64) -> EventId {
    let now = ports.clock.now().strftime("%Y-%m-%dT%H-%M-%SZ");
    decision::event_id(format_args!("{SUBJECT}{now}-{number}"))
}

/// Returns `true` if an audit row is that of the rollback with this number of changes.
fn is_row_of(row: &AuditRow, number: u64) -> bool {
    let subject = row.event_id.subject();
    row.function == Function::Promote
        && subject.starts_with(SUBJECT)
        && subject.ends_with(&format!("Z-{number}"))
}

async fn run_of(ports: &Ports, version: Version) -> anyhow::Result<RunName> {
    let registry = &ports.registry;
    let found = registry.version(version).await;
    if matches!(found, Err(RegistryError::NotFound { .. }))
        && registry.versions().await.is_ok_and(|left| left.is_empty())
    {
        bail!(
            "cannot roll back to version {version}: the registry has no version any more; train a champion with \
             `bike-traffic train`"
        );
    }
    let found = found.with_context(|| {
        format!(
            "cannot roll back to version {version}; `bike-traffic status` lists the versions, choose one with --to \
             VERSION"
        )
    })?;
    Ok(found.run.name)
}

/// Writes the audit row of a rollback.
async fn record(
    ports: &Ports,
    change: Change,
    reason: &str,
    env: &str,
) -> anyhow::Result<Rollback> {
    let replaced = change.replaced();
    let Change {
        from,
        is_from_deleted,
        to,
        run,
        event_id,
    } = change;
    let from = from.filter(|_| !is_from_deleted);
    let by = decision::operator();
    let entry = ChampionDecision {
        decision: "rolled-back",
        reason: format!("from {replaced} to version {to} by hand: {reason}"),
        champion: to,
        challenger: from,
        scores: None,
        compared: None,
        detail: json!({ "from": from, "to": to, "run": run, "by": by.name() }),
    };
    let recorded = decision::try_record(ports, &event_id, entry.into(), env).await;
    recorded.with_context(|| {
        format!(
            "version {to} is the champion, but the audit row {event_id} is missing; to write it, run the same \
             command again"
        )
    })?;
    Ok(Rollback {
        from,
        to,
        run,
        event_id,
    })
}

impl Change {
    /// Describes the replaced champion.
    fn replaced(&self) -> String {
        match self.from {
            Some(deleted) if self.is_from_deleted => format!("the deleted version {deleted}"),
            Some(champion) => format!("version {champion}"),
            None => "no champion".to_owned(),
        }
    }
}

/// Returns the champion before the last promotion.
fn predecessor(seen: &ChampionState) -> anyhow::Result<Version> {
    seen.usable().context("cannot roll back")?;
    if let Some(last) = seen.last_change.filter(|last| last.is_rollback) {
        bail!(
            "cannot roll back: the last change was a rollback {}to version {}, and another one would undo it; choose \
             a version with --to VERSION",
            last.from
                .map_or_else(String::new, |from| format!("from version {from} ")),
            last.to
        );
    }
    let previous = seen
        .previous
        .filter(|previous| Some(*previous) != seen.champion);
    previous.context(
        "cannot roll back: there is no previous champion; choose a version of `bike-traffic status` with --to VERSION",
    )
}

#[cfg(test)]
mod tests;
