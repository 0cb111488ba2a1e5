//! `bike-traffic rollback`: makes an earlier version the champion again.

use std::{fmt, sync::Arc};

use anyhow::{Context, bail};
use clap::Args;
use serde::Serialize;
use serde_json::json;
use shared::{
    audit::ChampionDecision,
    clock::SystemClock,
    event::EventId,
    ports::Ports,
    registry::{self, ChampionState, Promoted, Promotion, RunName, Version},
};

use crate::{
    args::TargetArguments,
    support::{decision, stdout},
};

/// Options of `rollback`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  bike-traffic rollback --cloud --reason \"night forecasts are twice as high\"
  bike-traffic rollback --cloud --to 7

The functions use the new champion from their next message on. A pending evaluation against the \
replaced champion no longer leads to a promotion. A second rollback needs --to, so that it does not \
undo the first.")]
pub struct RollbackArguments {
    /// The target of the command.
    #[command(flatten)]
    pub target: TargetArguments,
    /// The version to make champion [default: the champion before the last promotion].
    #[arg(long, value_name = "VERSION")]
    pub to: Option<u32>,
    /// The reason, for the audit log.
    #[arg(long, value_name = "TEXT", default_value = "no reason given")]
    pub reason: String,
    /// The environment in the audit row, for example dev or prod.
    #[arg(
        long,
        env = "ENVIRONMENT",
        default_value = "local",
        value_name = "NAME"
    )]
    pub environment: String,
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
    let rollback = roll_back(&ports, to, &arguments.reason, &arguments.environment).await?;
    stdout::print(&rollback, arguments.json)
}

/// Makes `to` the champion, or the previous champion if `None`, and records it in the audit log.
///
/// Without `to`, a rollback does not follow another one: it would undo it. A repeated call
/// completes a rollback that was interrupted between the moves of the two aliases.
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
    let to = to.map_or_else(|| predecessor(&seen), Ok)?;
    if seen.champion == Some(to) && seen.deleted.is_none() {
        bail!("cannot roll back: version {to} is already the champion");
    }
    let run = registry
        .version(to)
        .await
        .with_context(|| format!("cannot roll back to version {to}"))?
        .run;
    let operator = decision::operator();
    let promotion = Promotion::rollback(&operator, &seen, to);
    if let Promoted::Stale { champion } = registry::promote(registry, &promotion).await? {
        bail!(
            "cannot roll back: the champion changed to {} meanwhile; run `bike-traffic status`, then repeat the \
             command with --to VERSION",
            champion.map_or_else(|| "none".to_owned(), |version| format!("version {version}"))
        );
    }
    let from = seen.champion.filter(|_| seen.deleted.is_none());
    // The number of changes distinguishes two rollbacks within a second.
    let now = ports.clock.now().strftime("%Y-%m-%dT%H-%M-%SZ");
    let event_id = decision::event_id(format_args!("rollback-{now}-{}", seen.changes + 1));
    let entry = ChampionDecision {
        decision: "rolled-back",
        reason: format!("from {} to version {to} by hand: {reason}", replaced(&seen)),
        champion: to,
        challenger: from,
        scores: None,
        compared_mae: None,
        detail: json!({ "from": from, "to": to, "run": run.name, "by": operator.name() }),
    };
    decision::record(ports, &event_id, entry.into(), env).await?;
    Ok(Rollback {
        from,
        to,
        run: run.name,
        event_id,
    })
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
        "cannot roll back: there is no previous champion; choose a version with --to VERSION",
    )
}

/// Describes the replaced champion.
fn replaced(seen: &ChampionState) -> String {
    match (seen.deleted, seen.champion) {
        (Some(deleted), _) => format!("the deleted version {deleted}"),
        (None, Some(champion)) => format!("version {champion}"),
        (None, None) => "no champion".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use shared::{
        clock::SimulatedClock,
        registry::{Alias, EmbeddedRegistry, Operator, Run},
        store::{Condition, MemoryStore, Store, read_json, write_json},
    };

    use super::*;

    /// Returns ports with three registered versions. The registry is in the store.
    async fn ports() -> Ports {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
        let ports = Ports {
            registry: Arc::new(EmbeddedRegistry::new(Arc::clone(&store))),
            store,
            ..Ports::in_memory(Arc::new(SimulatedClock::new(
                "2021-08-02T09:30:00Z".parse().unwrap(),
            )))
        };
        for name in ["first", "second", "third"] {
            let run = Run::new(name.parse().unwrap(), ports.clock.now());
            ports.registry.register(&run).await.unwrap();
        }
        ports
    }

    async fn aliases(ports: &Ports) -> [Option<u32>; 2] {
        let mut found = [None; 2];
        for (found, alias) in found.iter_mut().zip([Alias::Champion, Alias::Previous]) {
            let version = ports.registry.alias(alias).await.unwrap();
            *found = version.map(|version| version.to_string().parse().unwrap());
        }
        found
    }

    #[tokio::test]
    async fn rollback_restores_the_previous_champion_and_records_the_reason() {
        let ports = ports().await;
        let [one, two] = [1, 2].map(Version::new);
        ports
            .registry
            .move_alias(Operator::named("tests").champion_change(None, one))
            .await
            .unwrap();
        let promotion = Promotion::by_operator(&Operator::named("tests"), Some(one), two);
        let _ = registry::promote(&*ports.registry, &promotion)
            .await
            .unwrap();
        let rollback = roll_back(&ports, None, "nights are forecast too high", "prod")
            .await
            .unwrap();
        assert_eq!(
            (rollback.from, rollback.to, aliases(&ports).await),
            (Some(two), one, [Some(1), Some(2)])
        );
        let log = ports.warehouse.audit_log().await.unwrap();
        let [row] = &log[..] else { panic!("{log:?}") };
        assert_eq!(
            (
                row.entry.decision.as_str(),
                row.env.as_str(),
                row.entry.champion_version
            ),
            ("rolled-back", "prod", Some(one))
        );
        assert_eq!(
            row.entry.reason,
            "from version 2 to version 1 by hand: nights are forecast too high"
        );
        assert_eq!(
            row.event_id.to_string(),
            "promote/rollback-2021-08-02T09-30-00Z-3"
        );
    }

    /// Makes version 1 champion, and then version 2.
    async fn promote_two(ports: &Ports) {
        for (from, to) in [(None, 1), (Some(Version::new(1)), 2)] {
            let promotion =
                Promotion::by_operator(&Operator::named("tests"), from, Version::new(to));
            let _ = registry::promote(&*ports.registry, &promotion)
                .await
                .unwrap();
        }
    }

    async fn audit_rows(ports: &Ports) -> usize {
        ports.warehouse.audit_log().await.unwrap().len()
    }

    #[tokio::test]
    async fn second_rollback_needs_a_version_and_has_an_id_of_its_own() {
        let ports = ports().await;
        promote_two(&ports).await;
        let first = roll_back(&ports, None, "", "dev").await.unwrap();
        let error = roll_back(&ports, None, "", "dev").await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot roll back: the last change was a rollback from version 2 to version 1, and another one would undo \
             it; choose a version with --to VERSION"
        );
        assert_eq!(aliases(&ports).await, [Some(1), Some(2)]);
        assert_eq!(audit_rows(&ports).await, 1);
        // The clock stands still.
        let second = roll_back(&ports, Some(Version::new(2)), "", "dev")
            .await
            .unwrap();
        assert_eq!(aliases(&ports).await, [Some(2), Some(1)]);
        assert_ne!(first.event_id, second.event_id);
        assert_eq!(audit_rows(&ports).await, 2);
    }

    /// Removes a version from the registry, as a person who edits it.
    async fn delete(ports: &Ports, version: u32) {
        let path = "registry/bike-traffic-champion.json".parse().unwrap();
        let (mut contents, _) = read_json::<serde_json::Value>(&*ports.store, &path)
            .await
            .unwrap();
        let versions = contents["versions"].as_array_mut().unwrap();
        versions.retain(|known| known["version"] != version);
        write_json(&*ports.store, &path, &contents, Condition::Always)
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn deleted_champion_is_named_and_replaced_with_a_chosen_version() {
        let ports = ports().await;
        promote_two(&ports).await;
        delete(&ports, 2).await;
        let error = format!(
            "{:#}",
            roll_back(&ports, None, "", "dev").await.unwrap_err()
        );
        assert!(
            error.contains("the champion is version 2, which was deleted from the registry")
                && error.contains("rollback --to VERSION"),
            "{error}"
        );
        let rollback = roll_back(&ports, Some(Version::new(1)), "it is gone", "dev")
            .await
            .unwrap();
        assert_eq!((rollback.from, rollback.to), (None, Version::new(1)));
        assert_eq!(aliases(&ports).await[0], Some(1));
        let log = ports.warehouse.audit_log().await.unwrap();
        assert_eq!(
            log[0].entry.reason,
            "from the deleted version 2 to version 1 by hand: it is gone"
        );
    }

    #[tokio::test]
    async fn rollback_accepts_any_version() {
        let ports = ports().await;
        ports
            .registry
            .move_alias(Operator::named("tests").champion_change(None, Version::new(2)))
            .await
            .unwrap();
        roll_back(&ports, Some(Version::new(3)), "", "dev")
            .await
            .unwrap();
        assert_eq!(aliases(&ports).await, [Some(3), Some(2)]);
    }

    #[tokio::test]
    async fn failed_rollback_changes_nothing() {
        let ports = ports().await;
        let error = roll_back(&ports, None, "", "dev").await.unwrap_err();
        let error = format!("{error:#}");
        assert!(error.contains("no champion"), "{error}");
        ports
            .registry
            .move_alias(Operator::named("tests").champion_change(None, Version::new(1)))
            .await
            .unwrap();
        for (to, expected) in [
            (None, "no previous"),
            (Some(1), "already the champion"),
            (Some(9), "version 9"),
        ] {
            let error = roll_back(&ports, to.map(Version::new), "", "dev")
                .await
                .unwrap_err();
            let error = format!("{error:#}");
            assert!(error.contains(expected), "{error}");
        }
        assert_eq!(aliases(&ports).await, [Some(1), None]);
        assert!(ports.warehouse.audit_log().await.unwrap().is_empty());
    }
}
