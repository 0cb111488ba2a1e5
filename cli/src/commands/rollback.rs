//! `bike-traffic rollback`: an earlier version becomes champion again.

use std::{fmt, sync::Arc};

use anyhow::{Context, bail};
use clap::Args;
use serde::Serialize;
use serde_json::json;
use shared::{
    audit::AuditEntry,
    clock::SystemClock,
    event::{EventId, Function},
    ports::Ports,
    registry::{Alias, RunName, Version, change_champion},
};

use crate::{args::TargetArguments, support::stdout};

/// Options of `rollback`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  bike-traffic rollback --cloud --reason \"night counts are forecast twice as high\"
  bike-traffic rollback --cloud --to 7

The functions use the other version from their next message on. An evaluation that was made against the champion before
does not promote any more.")]
pub struct RollbackArguments {
    /// The places to work on.
    #[command(flatten)]
    pub place: TargetArguments,
    /// The version that becomes champion; the one before the last promotion if not given.
    #[arg(long, value_name = "VERSION")]
    pub to: Option<u32>,
    /// Why, for the audit log.
    #[arg(long, value_name = "TEXT", default_value = "no reason was given")]
    pub reason: String,
    /// Written into the audit row, as in `dev` or `prod`.
    #[arg(
        long,
        env = "ENVIRONMENT",
        default_value = "local",
        value_name = "NAME"
    )]
    pub environment: String,
    /// Print the result as JSON.
    #[arg(long)]
    pub json: bool,
}

/// What a rollback did.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Rollback {
    /// Who was champion.
    pub from: Version,
    /// Who is champion.
    pub to: Version,
    /// The run of the new champion.
    pub run: RunName,
    /// The audit row.
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
        write!(
            formatter,
            "version {to} ({run}) is champion, version {from} the previous one; audit row {event_id}"
        )
    }
}

/// Runs the command.
pub(crate) async fn command(arguments: RollbackArguments) -> anyhow::Result<()> {
    let ports = arguments.place.open(Arc::new(SystemClock)).await?;
    let to = arguments.to.map(Version::new);
    let rollback = roll_back(&ports, to, &arguments.reason, &arguments.environment).await?;
    stdout::print(&rollback, arguments.json)
}

/// Makes `to` champion, or the previous champion if not given, and says so in the audit log.
///
/// # Errors
/// When there is no champion, no such version, or the version is champion already; when somebody else moves the alias at
/// the same time; when a port fails.
pub async fn roll_back(
    ports: &Ports,
    to: Option<Version>,
    reason: &str,
    env: &str,
) -> anyhow::Result<Rollback> {
    let registry = &*ports.registry;
    let from = registry
        .alias(Alias::Champion)
        .await?
        .context("there is no champion to roll back from")?;
    let to = match to {
        Some(to) => to,
        None => registry
            .alias(Alias::Previous)
            .await?
            .context("there is no previous champion; name one with --to")?,
    };
    if from == to {
        bail!("version {to} is champion already");
    }
    let run = registry.version(to).await?.run;
    change_champion(registry, from, to).await?;
    let now = ports.clock.now();
    let event_id = EventId::of(
        Function::Promote,
        format_args!("rollback-{}", now.strftime("%Y-%m-%dT%H-%M-%SZ")),
    );
    let entry = AuditEntry {
        champion_version: Some(to),
        challenger_version: Some(from),
        detail: json!({ "from": from, "to": to, "run": run.name, "by": "hand" }),
        ..AuditEntry::new(
            "rolled-back",
            format!("from version {from} to version {to} by hand: {reason}"),
        )
    };
    let row = entry.into_row(now, Function::Promote, event_id.clone(), env);
    let unrecorded = || {
        format!("version {to} is champion, but the audit log does not say so: record it by hand")
    };
    ports
        .warehouse
        .record(&row)
        .await
        .with_context(unrecorded)?;
    Ok(Rollback {
        from,
        to,
        run: run.name,
        event_id,
    })
}

#[cfg(test)]
mod tests {
    use shared::{clock::SimulatedClock, registry::Run};

    use super::*;

    async fn ports() -> Ports {
        let ports = Ports::in_memory(Arc::new(SimulatedClock::new(
            "2021-08-02T09:30:00Z".parse().unwrap(),
        )));
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
    async fn the_previous_champion_comes_back_and_the_audit_log_says_why() {
        let ports = ports().await;
        let [one, two] = [1, 2].map(Version::new);
        ports
            .registry
            .move_alias(Alias::Champion, None, one)
            .await
            .unwrap();
        change_champion(&*ports.registry, one, two).await.unwrap();
        let rollback = roll_back(&ports, None, "nights are forecast too high", "prod")
            .await
            .unwrap();
        assert_eq!(
            (rollback.from, rollback.to, aliases(&ports).await),
            (two, one, [Some(1), Some(2)])
        );
        let log = ports.warehouse.audit_log().await.unwrap();
        let [row] = &log[..] else { panic!("{log:?}") };
        assert_eq!(
            (
                row.decision.as_str(),
                row.env.as_str(),
                row.champion_version
            ),
            ("rolled-back", "prod", Some(one))
        );
        assert_eq!(
            row.reason,
            "from version 2 to version 1 by hand: nights are forecast too high"
        );
        assert_eq!(
            row.event_id.to_string(),
            "promote/rollback-2021-08-02T09-30-00Z"
        );
    }

    #[tokio::test]
    async fn any_version_can_be_named() {
        let ports = ports().await;
        ports
            .registry
            .move_alias(Alias::Champion, None, Version::new(2))
            .await
            .unwrap();
        roll_back(&ports, Some(Version::new(3)), "", "dev")
            .await
            .unwrap();
        assert_eq!(aliases(&ports).await, [Some(3), Some(2)]);
    }

    #[tokio::test]
    async fn what_cannot_be_rolled_back_changes_nothing() {
        let ports = ports().await;
        let error = roll_back(&ports, None, "", "dev")
            .await
            .unwrap_err()
            .to_string();
        assert_eq!(error, "there is no champion to roll back from");
        ports
            .registry
            .move_alias(Alias::Champion, None, Version::new(1))
            .await
            .unwrap();
        for (to, expected) in [
            (None, "no previous"),
            (Some(1), "champion already"),
            (Some(9), "no version 9"),
        ] {
            let error = roll_back(&ports, to.map(Version::new), "", "dev")
                .await
                .unwrap_err()
                .to_string();
            assert!(error.contains(expected), "{error}");
        }
        assert_eq!(aliases(&ports).await, [Some(1), None]);
        assert!(ports.warehouse.audit_log().await.unwrap().is_empty());
    }
}
