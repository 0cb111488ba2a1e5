//! `bike-traffic fine-tune`: requests the fine-tuning of the champion without drift.

use std::{fmt, iter, sync::Arc};

use anyhow::Context;
use clap::Args;
use forecasting::time::{Day, Week};
use model::StrategyName;
use serde::Serialize;
use shared::{
    Timestamp,
    bus::Message,
    clock::SystemClock,
    event::{Event, EventId, FineTuneRequested, Reason, RecipeFields},
    ports::Ports,
};

use crate::{
    args::TargetArguments,
    support::{decision, progress, stdout},
};

/// Options of `fine-tune`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  bike-traffic fine-tune --cloud --reason \"la rentrée: schools are open again\"
  bike-traffic fine-tune --cloud --week 2021-W30 --reason \"a new bike lane\"
  bike-traffic fine-tune --strategy sliding-window --reason \"a new level\"
  bike-traffic fine-tune --recipe '{\"epochs\":60}' --json

The command publishes a message; the function fine-tune trains a challenger from the present \
champion, and evaluate and promote follow as after drift. So the champion changes only if the \
challenger is better. Each request has an event id, a challenger, an evaluation and audit rows of \
its own, beside those of the week's drift check. In a local state the message waits until \
`bike-traffic stack` runs on it. To follow a request, run `bike-traffic status`.")]
pub struct FineTuneArguments {
    /// The target of the command.
    #[command(flatten)]
    pub target: TargetArguments,
    /// The week at whose end the training window ends, for example 2021-W30 [default: the last full
    /// week].
    #[arg(long)]
    pub week: Option<Week>,
    /// The reason, for the audit log: at most 500 characters [default: requested by USER].
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<Reason>,
    /// The training strategy: append, sliding-window or leaf-refit. With auto, all are tried and the
    /// best becomes the challenger; sliding-window is kept unless another is at least 1 % better
    /// [default: that of the function's recipe, FINE_TUNE].
    #[arg(long, value_name = "NAME", value_parser = strategy)]
    pub strategy: Option<String>,
    /// The fields of the recipe that differ from the function's recipe, as JSON.
    #[arg(long, value_name = "JSON")]
    pub recipe: Option<RecipeFields>,
    /// Print the report as JSON.
    #[arg(long)]
    pub json: bool,
}

/// Runs the command.
pub(crate) async fn command(arguments: FineTuneArguments) -> anyhow::Result<()> {
    let ports = arguments
        .target
        .open_existing(Arc::new(SystemClock))
        .await?;
    let FineTuneArguments {
        target,
        week,
        reason,
        strategy,
        recipe,
        json,
    } = arguments;
    let reason = reason.map_or_else(default_reason, Ok)?;
    let follow = if target.cloud {
        "bike-traffic status --cloud".to_owned()
    } else {
        format!("bike-traffic status --state {}", target.state.display())
    };
    let options = Options {
        week,
        reason,
        strategy,
        recipe,
        follow,
    };
    let requested = request(&ports, options);
    let requested = progress::noting("requesting the fine-tuning", requested).await?;
    stdout::print(&requested, json)
}

fn default_reason() -> anyhow::Result<Reason> {
    let text = format!("requested by {}", decision::operator().name());
    text.parse()
        .context("cannot use the name in USER as the reason; pass another with --reason TEXT")
}

/// Checks the name of a strategy, so that a wrong one is no dead letter.
fn strategy(text: &str) -> Result<String, String> {
    let names = StrategyName::ALL.map(|name| name.to_string());
    let names: Vec<_> = iter::once("auto".to_owned()).chain(names).collect();
    if names.iter().any(|name| name == text) {
        return Ok(text.to_owned());
    }
    let names = names.join(", ");
    Err(format!(
        "there is no strategy `{text}`; the strategies are {names}"
    ))
}

/// A fine-tuning to request.
struct Options {
    /// The week; the last full week if `None`.
    week: Option<Week>,
    reason: Reason,
    strategy: Option<String>,
    recipe: Option<RecipeFields>,
    /// The command that shows the progress of the request.
    follow: String,
}

/// The report of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Requested {
    /// The week at whose end the training window ends.
    week: Week,
    /// The reason.
    reason: Reason,
    /// The event id of the request.
    event_id: EventId,
    /// The command that shows the progress of the request.
    follow: String,
}

impl fmt::Display for Requested {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            week,
            reason,
            event_id,
            follow,
        } = self;
        writeln!(formatter, "{week}: fine-tuning requested ({reason})")?;
        writeln!(formatter, "event {event_id}")?;
        write!(formatter, "to follow it: {follow}")
    }
}

/// Publishes a request. It contains the present time, which makes its event id.
///
/// # Errors
/// Returns an error if the week is not over or the bus fails.
async fn request(ports: &Ports, options: Options) -> anyhow::Result<Requested> {
    let now = ports.clock.now();
    // Milliseconds keep the event id short, and two requests apart.
    let now = Timestamp::from_millisecond(now.as_millisecond())?;
    let week = options.week.unwrap_or_else(|| Day::of(now).plus(-7).week());
    let command = format!("fine-tune --week {week}");
    runtime::check_is_over(week, now, "cannot request the fine-tuning for", &command)?;
    let event = FineTuneRequested {
        week: Some(week),
        reason: options.reason,
        strategy: options.strategy,
        recipe: options.recipe,
        requested_at: Some(now),
    };
    ports
        .publisher
        .publish(FineTuneRequested::TOPIC, Message::of_event(&event))
        .await
        .with_context(|| format!("cannot request the fine-tuning for {week}"))?;
    Ok(Requested {
        week,
        event_id: event.event_id(now),
        reason: event.reason,
        follow: options.follow,
    })
}

#[cfg(test)]
mod tests {
    use shared::{
        bus::{LogPublisher, LoggedMessage},
        clock::SimulatedClock,
        store::{MemoryStore, Store, read_json},
    };

    use super::*;

    const REQUESTS: &str = "bus/topics/fine-tune-requested/";

    /// Returns ports on Monday, 2021-08-02, with the store of their bus.
    fn ports() -> (Ports, Arc<dyn Store>) {
        let now = "2021-08-02T05:00:00.123456789Z".parse().unwrap();
        let clock = Arc::new(SimulatedClock::new(now));
        let bus: Arc<dyn Store> = Arc::new(MemoryStore::default());
        let ports = Ports {
            publisher: Arc::new(LogPublisher::new(Arc::clone(&bus), clock.clone())),
            ..Ports::in_memory(clock)
        };
        (ports, bus)
    }

    fn options(week: Option<&str>) -> Options {
        Options {
            week: week.map(|week| week.parse().unwrap()),
            reason: "a new lane".parse().unwrap(),
            strategy: None,
            recipe: Some(r#"{"epochs":5}"#.parse().unwrap()),
            follow: "bike-traffic status --cloud".to_owned(),
        }
    }

    #[tokio::test]
    async fn last_full_week_is_requested_with_the_printed_event_id() {
        let (ports, bus) = ports();
        let requested = request(&ports, options(None)).await.unwrap();
        assert_eq!(
            requested.to_string(),
            "2021-W30: fine-tuning requested (a new lane)\n\
             event fine-tune/2021-W30@requested-2021-08-02T05-00-00.123Z\n\
             to follow it: bike-traffic status --cloud"
        );
        let paths = bus.list(REQUESTS).await.unwrap();
        let (message, _) = read_json::<LoggedMessage>(&*bus, &paths[0]).await.unwrap();
        let data = message.data.to_bytes();
        assert_eq!(
            data,
            r#"{"type":"fine-tune-requested","week":"2021-W30","reason":"a new lane","recipe":{"epochs":5},"requested_at":"2021-08-02T05:00:00.123Z"}"#
        );
        let event: FineTuneRequested = shared::event::decode(&data).unwrap();
        let delivered_at = "2021-09-02T05:00:00Z".parse().unwrap();
        assert_eq!(event.event_id(delivered_at), requested.event_id);
    }

    #[test]
    fn unknown_strategy_is_answered_with_the_names() {
        for name in ["auto", "append", "sliding-window", "leaf-refit"] {
            assert_eq!(strategy(name), Ok(name.to_owned()));
        }
        assert_eq!(
            strategy("best").unwrap_err(),
            "there is no strategy `best`; the strategies are auto, append, sliding-window, leaf-refit"
        );
    }

    #[tokio::test]
    async fn week_that_is_not_over_is_not_requested() {
        let (ports, bus) = ports();
        let error = request(&ports, options(Some("2021-W31")))
            .await
            .unwrap_err();
        assert!(error.to_string().contains("2021-08-08"), "{error}");
        assert!(bus.list(REQUESTS).await.unwrap().is_empty());
    }
}
