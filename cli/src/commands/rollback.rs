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
    registry::{self, Alias, Promoted, Promotion, RunName, Version},
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
replaced champion no longer leads to a promotion.")]
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
    /// The replaced champion.
    pub from: Version,
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
        write!(
            formatter,
            "version {to} ({run}) is now the champion, version {from} the previous one; audit row {event_id}"
        )
    }
}

/// Runs the command.
pub(crate) async fn command(arguments: RollbackArguments) -> anyhow::Result<()> {
    let ports = arguments.target.open(Arc::new(SystemClock)).await?;
    let to = arguments.to.map(Version::new);
    let rollback = roll_back(&ports, to, &arguments.reason, &arguments.environment).await?;
    stdout::print(&rollback, arguments.json)
}

/// Makes `to` the champion, or the previous champion if `None`, and records it in the audit log.
///
/// # Errors
/// Returns an error if there is no champion, if the version does not exist or is already the
/// champion, if another process moves the alias at the same time, or if a port fails.
pub async fn roll_back(
    ports: &Ports,
    to: Option<Version>,
    reason: &str,
    env: &str,
) -> anyhow::Result<Rollback> {
    let registry = &*ports.registry;
    let from = registry::champion(registry)
        .await
        .context("cannot roll back")?;
    let to = match to {
        Some(to) => to,
        None => registry.alias(Alias::Previous).await?.context(
            "cannot roll back: there is no previous champion; choose a version with --to VERSION",
        )?,
    };
    if from == to {
        bail!("cannot roll back: version {to} is already the champion");
    }
    let run = registry.version(to).await?.run;
    let operator = decision::operator();
    let promotion = Promotion::by_operator(&operator, Some(from), to);
    if let Promoted::Stale { .. } = registry::promote(registry, &promotion).await? {
        bail!(
            "cannot roll back: version {from} is no longer the champion; run `bike-traffic status`, \
             then repeat the command"
        );
    }
    let now = ports.clock.now().strftime("%Y-%m-%dT%H-%M-%SZ");
    let event_id = decision::event_id(format_args!("rollback-{now}"));
    let entry = ChampionDecision {
        decision: "rolled-back",
        reason: format!("from version {from} to version {to} by hand: {reason}"),
        champion: to,
        challenger: Some(from),
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

#[cfg(test)]
mod tests {
    use shared::{
        clock::SimulatedClock,
        registry::{Operator, Run},
    };

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
            (two, one, [Some(1), Some(2)])
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
            "promote/rollback-2021-08-02T09-30-00Z"
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
                .unwrap_err()
                .to_string();
            assert!(error.contains(expected), "{error}");
        }
        assert_eq!(aliases(&ports).await, [Some(1), None]);
        assert!(ports.warehouse.audit_log().await.unwrap().is_empty());
    }
}
