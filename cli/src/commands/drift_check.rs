//! `bike-traffic drift-check`: checks a week for drift without writing anything, or requests the
//! check from the function.

mod display;

use std::{fmt, sync::Arc};

use anyhow::{Context, bail};
use clap::Args;
use drift_check::{ChampionRecord, WeekCounts, check_week};
use forecasting::{
    policy::Policy,
    time::{Day, Week},
};
use serde::Serialize;
use shared::{
    Timestamp,
    bus::Message,
    clock::SystemClock,
    event::{DriftCheckRequested, Event, EventId, Function},
    ledger::last_completed,
    ports::Ports,
    registry,
};

pub use display::Printed;

use crate::{
    args::TargetArguments,
    support::{progress, stdout},
};

/// Options of `drift-check`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  bike-traffic drift-check --state state/run-1a2b3c4d --week 2021-W30
  bike-traffic drift-check --week 2021-W30 --policy '{\"drift_share\":0.6}'
  bike-traffic drift-check --cloud --week 2021-W30 --json
  bike-traffic drift-check --cloud --week 2021-W30 --request --again

Without --request, the command checks the week itself and writes nothing. With --request, it \
publishes a message, and the function drift-check judges the week. With --again, a week that was \
judged before is judged once more, with all that follows, because its counts have changed since. \
In a local state the message waits until `bike-traffic stack` runs on it.")]
pub struct DriftArguments {
    /// The target of the command.
    #[command(flatten)]
    pub target: TargetArguments,
    /// The week, for example 2021-W30.
    #[arg(long)]
    pub week: Week,
    /// The policy parameters that differ from the defaults, as JSON.
    #[arg(long, env = "POLICY", default_value = "{}", value_name = "JSON")]
    pub policy: Policy,
    /// Request the check from the function instead of checking here.
    #[arg(long)]
    pub request: bool,
    /// Request the check even if the week was judged before.
    #[arg(long, requires = "request")]
    pub again: bool,
    /// Print the report as JSON.
    #[arg(long)]
    pub json: bool,
}

/// Runs the command.
pub(crate) async fn command(arguments: DriftArguments) -> anyhow::Result<()> {
    let ports = arguments
        .target
        .open_existing(Arc::new(SystemClock))
        .await?;
    if arguments.request {
        let request = request_week(&ports, arguments.week, arguments.again);
        let request = progress::noting("requesting the check", request).await?;
        return stdout::print(&request, arguments.json);
    }
    let champion = registry::champion(&*ports.registry);
    let version = progress::noting("reading the registry", champion)
        .await
        .with_context(|| format!("cannot check {}", arguments.target.describe()))?;
    let run = ports.registry.version(version).await?.run;
    let test_mae = *run
        .metrics
        .get("test_mae")
        .with_context(|| format!("the run of version {version} has no metric test_mae"))?;
    let champion = ChampionRecord { version, test_mae };
    let counts = WeekCounts::read(&*ports.warehouse, arguments.week);
    let counts = progress::noting("reading the counts of the week", counts).await?;
    let report = check_week(
        &ports.store,
        &*ports.warehouse,
        &arguments.policy,
        champion,
        &counts,
        ports.clock.now(),
    );
    let comparing = "comparing the week with the fixed test set";
    let report = progress::noting(comparing, report).await?;
    stdout::print(&Printed(report), arguments.json)
}

/// The report of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct WeekRequest {
    /// The requested week.
    week: Week,
    /// The time of the last judgement of the week; `None` if it was never judged.
    judged: Option<Timestamp>,
    /// `true` if a message was published.
    published: bool,
}

impl fmt::Display for WeekRequest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            week,
            judged,
            published,
        } = self;
        match (judged, published) {
            (None, _) => write!(formatter, "{week}: check requested"),
            (Some(at), true) => write!(formatter, "{week}: check requested again, judged at {at}"),
            (Some(at), false) => write!(
                formatter,
                "{week}: judged at {at}; to judge it again, add --again"
            ),
        }
    }
}

/// Publishes a request for the check of a week, unless it was judged and `again` is not set.
///
/// The request for a judged week contains the time of the last judgement, so it has its own event
/// id. Repeated requests for the same judgement are handled once.
///
/// # Errors
/// Returns an error if the week is not over or if a port fails.
async fn request_week(ports: &Ports, week: Week, again: bool) -> anyhow::Result<WeekRequest> {
    let (today, last) = (Day::of(ports.clock.now()), week.last_day());
    if last >= today {
        bail!(
            "cannot request the check of {week}: it ends on {last}; from the next day on, run \
             `bike-traffic drift-check --week {week} --request`"
        );
    }
    let event_id = EventId::of(Function::DriftCheck, week);
    let judged = last_completed(&*ports.store, Function::DriftCheck, &event_id)
        .await
        .with_context(|| format!("cannot read the ledger entries of {week}"))?;
    let published = again || judged.is_none();
    if published {
        let request = DriftCheckRequested {
            week: Some(week),
            again: judged,
        };
        ports
            .publisher
            .publish(DriftCheckRequested::TOPIC, Message::of_event(&request))
            .await
            .with_context(|| format!("cannot request the check of {week}"))?;
    }
    Ok(WeekRequest {
        week,
        judged,
        published,
    })
}

#[cfg(test)]
mod tests {
    use shared::{
        address::ObjectPath,
        bus::{LogPublisher, LoggedMessage},
        clock::SimulatedClock,
        ledger::Entry,
        store::{Condition, MemoryStore, Store, read_json, write_json},
    };

    use super::*;

    const REQUESTS: &str = "bus/topics/drift-check-requested/";

    /// Returns ports on Monday, 2021-08-02, with the store of their bus.
    fn ports() -> (Ports, Arc<dyn Store>) {
        let clock = Arc::new(SimulatedClock::new("2021-08-02T05:00:00Z".parse().unwrap()));
        let bus: Arc<dyn Store> = Arc::new(MemoryStore::default());
        let ports = Ports {
            publisher: Arc::new(LogPublisher::new(Arc::clone(&bus), clock.clone())),
            ..Ports::in_memory(clock)
        };
        (ports, bus)
    }

    /// Records a judgement in the ledger.
    async fn judge(ports: &Ports, subject: &str, at: &str) {
        let path = ObjectPath::new(format_args!(
            "ledger/drift-check/drift-check/{subject}.json"
        ));
        let entry = Entry::Complete {
            at: at.parse().unwrap(),
            decision: "drift".to_owned(),
            events: Vec::new(),
        };
        write_json(&*ports.store, &path, &entry, Condition::Always)
            .await
            .unwrap();
    }

    async fn last_request(bus: &Arc<dyn Store>) -> String {
        let paths = bus.list(REQUESTS).await.unwrap();
        let (message, _) = read_json::<LoggedMessage>(&**bus, paths.last().unwrap())
            .await
            .unwrap();
        String::from_utf8(message.data.to_bytes().to_vec()).unwrap()
    }

    #[tokio::test]
    async fn judged_week_is_requested_only_again_and_after_its_last_judgement() {
        let (ports, bus) = ports();
        let week = "2021-W30".parse().unwrap();
        let request = request_week(&ports, week, false).await.unwrap();
        assert!(request.published);
        assert_eq!(
            last_request(&bus).await,
            r#"{"type":"drift-check-requested","week":"2021-W30"}"#
        );

        judge(&ports, "2021-W30", "2021-08-02T05:00:01Z").await;
        let request = request_week(&ports, week, false).await.unwrap();
        assert!(!request.published);
        assert!(request.to_string().contains("--again"), "{request}");
        assert_eq!(bus.list(REQUESTS).await.unwrap().len(), 1);

        request_week(&ports, week, true).await.unwrap();
        assert_eq!(
            last_request(&bus).await,
            r#"{"type":"drift-check-requested","week":"2021-W30","again":"2021-08-02T05:00:01Z"}"#
        );

        let again = "2021-W30@2021-08-02T05-00-01Z";
        judge(&ports, again, "2021-08-02T06:00:00Z").await;
        request_week(&ports, week, true).await.unwrap();
        assert!(
            last_request(&bus)
                .await
                .contains(r#""again":"2021-08-02T06:00:00Z""#)
        );
    }

    #[tokio::test]
    async fn week_that_is_not_over_is_not_requested() {
        let (ports, _) = ports();
        let error = request_week(&ports, "2021-W31".parse().unwrap(), true)
            .await
            .unwrap_err();
        assert!(error.to_string().contains("2021-08-08"), "{error}");
    }
}
