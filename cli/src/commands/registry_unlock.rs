//! `bike-traffic registry-unlock`: breaks the lock of the model registry.

use std::{fmt, sync::Arc};

use clap::Args;
use serde::Serialize;
use serde_json::json;
use shared::{
    audit::AuditEntry,
    clock::SystemClock,
    event::{EventId, Reason},
    ports::Ports,
};

use crate::{
    args::{EnvironmentArgument, TargetArguments},
    support::{decision, progress, stdout},
};

/// Options of `registry-unlock`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  bike-traffic status --cloud
  bike-traffic registry-unlock --cloud --reason \"the holder's clock was wrong\"

A lock expires by itself within minutes, unless its contents are invalid or come from a wrong clock. \
`bike-traffic status` shows it. A process that still holds it changes nothing more, and must be \
repeated.")]
pub struct UnlockArguments {
    /// The target of the command.
    #[command(flatten)]
    pub target: TargetArguments,
    /// The reason, for the audit log: at most 500 characters.
    #[arg(long, value_name = "TEXT")]
    pub reason: Reason,
    /// The environment that the audit row names.
    #[command(flatten)]
    pub environment: EnvironmentArgument,
    /// Print the report as JSON.
    #[arg(long)]
    pub json: bool,
}

/// The report of breaking a lock.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Unlocked {
    /// The lock that was broken; `None` if no lock kept changes waiting.
    pub lock: Option<String>,
    /// The event id of the audit row; `None` if nothing was broken.
    pub event_id: Option<EventId>,
}

impl fmt::Display for Unlocked {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Some(lock), Some(event_id)) = (&self.lock, &self.event_id) else {
            return formatter.write_str("no lock keeps changes of the registry waiting");
        };
        write!(formatter, "broken: {lock}; audit row {event_id}")
    }
}

/// Runs the command.
pub(crate) async fn command(arguments: UnlockArguments) -> anyhow::Result<()> {
    let ports = arguments
        .target
        .open_existing(Arc::new(SystemClock))
        .await?;
    let reason = arguments.reason.to_string();
    let unlocked = unlock(&ports, &reason, &arguments.environment.name);
    let unlocked = progress::noting("breaking the lock", unlocked).await?;
    stdout::print(&unlocked, arguments.json)
}

/// Breaks the lock of the registry, if one keeps changes waiting, and records it in the audit log.
///
/// # Errors
/// Returns an error if another process acquires the lock at the same time, or if a port fails.
pub async fn unlock(ports: &Ports, reason: &str, env: &str) -> anyhow::Result<Unlocked> {
    let Some(lock) = ports.registry.break_lock().await? else {
        return Ok(Unlocked {
            lock: None,
            event_id: None,
        });
    };
    let now = ports.clock.now().strftime("%Y-%m-%dT%H-%M-%SZ");
    let event_id = decision::event_id(format_args!("registry-unlock-{now}"));
    let operator = decision::operator();
    let entry = AuditEntry {
        detail: json!({ "lock": lock, "by": operator.name() }),
        ..AuditEntry::new("registry-unlocked", format!("broken by hand: {reason}"))
    };
    decision::record(ports, &event_id, entry, env).await?;
    Ok(Unlocked {
        lock: Some(lock),
        event_id: Some(event_id),
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use shared::clock::SimulatedClock;

    use super::*;
    use crate::Arguments;

    #[test]
    fn empty_reason_is_rejected() {
        for command in ["registry-unlock", "rollback"] {
            for reason in ["", " \t"] {
                let arguments = ["bike-traffic", command, "--reason", reason];
                let error = Arguments::try_parse_from(arguments).unwrap_err();
                let expected = "invalid reason of 0 characters: expected 1 to 500 characters";
                assert!(error.to_string().contains(expected), "{error}");
            }
        }
    }

    #[tokio::test]
    async fn registry_without_a_lock_has_no_audit_row() {
        let clock = SimulatedClock::new("2021-08-02T09:30:00Z".parse().unwrap());
        let ports = Ports::in_memory(Arc::new(clock));
        let unlocked = unlock(&ports, "a test", "dev").await.unwrap();
        assert_eq!(unlocked.lock, None);
        assert!(ports.warehouse.audit_log().await.unwrap().is_empty());
    }
}
