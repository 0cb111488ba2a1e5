//! `bike-traffic ingest`: requests the days on which a counter lacks an hour.

use std::{fmt, sync::Arc};

use anyhow::{Context, bail};
use clap::Args;
use forecasting::time::Day;
use serde::Serialize;
use shared::{
    Timestamp,
    bus::Message,
    clock::SystemClock,
    event::{Event, Function, IngestRequested},
    ledger::last_completed,
    ports::Ports,
    warehouse::DayState,
};

use crate::{
    args::TargetArguments,
    support::{
        embedded_bus,
        progress::{self, Progress},
        state::State,
        stdout,
    },
};

/// The largest number of days in a range. The city's service has the last 13 months.
const MAXIMUM_DAYS: i32 = 400;

/// Options of `ingest`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  bike-traffic ingest --cloud --from 2021-07-01 --to 2021-07-31 --dry-run
  bike-traffic ingest --cloud --from 2021-07-01 --to 2021-07-31
  bike-traffic ingest --cloud --from 2021-07-19 --to 2021-07-19 --force

The command publishes one message for each day on which a counter lacks an hour; the function \
ingest fetches the counts. In a local state the messages wait until `bike-traffic stack` runs on it, and the report \
says how many there are. Repeating a \
request before it is complete has no effect. A request has at most 400 days.

A reply replaces the counts of a day only if it has all of their counters and hours; otherwise \
the audit log says `kept`. With --force, it replaces them anyway, and the audit log says how many \
counts were lost.")]
pub struct IngestArguments {
    /// The target of the command.
    #[command(flatten)]
    pub target: TargetArguments,
    /// The first day, for example 2021-07-19.
    #[arg(long, value_name = "DAY")]
    pub from: Day,
    /// The last day [default: yesterday].
    #[arg(long, value_name = "DAY")]
    pub to: Option<Day>,
    /// Request complete days as well, and replace counts that the replies lack.
    #[arg(long)]
    pub force: bool,
    /// List the days without publishing messages.
    #[arg(long)]
    pub dry_run: bool,
    /// Print the report as JSON.
    #[arg(long)]
    pub json: bool,
}

/// The days to request.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The first day.
    pub from: Day,
    /// The last day; yesterday if `None`.
    pub to: Option<Day>,
    /// If `true`, complete days are requested as well, and replies replace the counts that they
    /// lack.
    pub force: bool,
    /// If `true`, no message is published.
    pub dry_run: bool,
}

/// The report of a backfill.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Backfill {
    /// The first day of the range.
    pub from: Day,
    /// The last day of the range.
    pub to: Day,
    /// The number of days in the range.
    pub days: usize,
    /// The number of complete days, which were not requested.
    pub skipped: usize,
    /// The number of published messages: one per requested day, 0 in a dry run.
    pub published: usize,
    /// The requested days.
    pub asked: Vec<RequestedDay>,
    /// The number of messages in a local state that wait for ingest; `None` on Google Cloud.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waiting: Option<usize>,
}

/// A requested day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RequestedDay {
    /// The date in Paris.
    pub day: Day,
    /// The number of hours with counts in the daily table.
    pub hours: u64,
    /// The number of counts in the daily table.
    pub rows: u64,
    /// The number of counters in the daily table.
    pub counters: u64,
    /// The time of the last ingestion; `None` if the day was never ingested.
    pub again: Option<Timestamp>,
}

impl fmt::Display for Backfill {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for asked in &self.asked {
            let (day, expected) = (asked.day, hours_of(asked.day));
            write!(formatter, "{day}: {} of {expected} hours", asked.hours)?;
            if asked.counters > 0 {
                let counts = asked.counters * expected;
                write!(formatter, ", {} of {counts} counts", asked.rows)?;
                write!(formatter, " of {} counters", asked.counters)?;
            }
            match asked.again {
                None => writeln!(formatter)?,
                Some(at) => writeln!(formatter, ", last ingested at {at}")?,
            }
        }
        let Self {
            from,
            to,
            days,
            skipped,
            published,
            asked,
            waiting,
        } = self;
        let asked = asked.len();
        write!(
            formatter,
            "{from} to {to}: {days} days, {skipped} complete (skipped), {asked} requested, "
        )?;
        write!(formatter, "{published} messages published")?;
        match waiting {
            None | Some(0) => Ok(()),
            Some(waiting) => write!(
                formatter,
                "\n{waiting} messages wait for ingest; `bike-traffic stack` delivers them"
            ),
        }
    }
}

/// Runs the command.
pub(crate) async fn command(arguments: IngestArguments) -> anyhow::Result<()> {
    let ports = arguments
        .target
        .open_existing(Arc::new(SystemClock))
        .await?;
    let IngestArguments {
        target,
        from,
        to,
        force,
        dry_run,
        json,
    } = arguments;
    let options = Options {
        from,
        to,
        force,
        dry_run,
    };
    let mut report = request_days(&ports, options).await?;
    if !target.cloud {
        let bus = State::at(&target.state)?.open_bus_store()?;
        let waiting = embedded_bus::waiting(&*bus, Function::Ingest).await;
        report.waiting = Some(waiting.context("cannot count the messages that wait for ingest")?);
    }
    stdout::print(&report, json)
}

/// Publishes a request for each incomplete day, in the order of the days.
///
/// A request for a day that was ingested before contains the time of that ingestion, so it has its
/// own event id. Repeated requests for the same ingestion are handled once.
///
/// # Errors
/// Returns an error if the range is empty or has more than 400 days, if its last day is not over,
/// or if a port fails.
/// Messages published before the error remain; requesting their days again has no effect.
pub async fn request_days(ports: &Ports, options: Options) -> anyhow::Result<Backfill> {
    let yesterday = Day::of(ports.clock.now()).plus(-1);
    let (from, to) = (options.from, options.to.unwrap_or(yesterday));
    if let Some(day) = [from, to].into_iter().find(|day| *day > yesterday) {
        bail!(
            "cannot request {from} to {to}: {day} is not over; choose days up to yesterday, {yesterday}"
        );
    }
    if to < from {
        bail!(
            "cannot request {from} to {to}: the last day is before the first; pass --from {to} --to {from}"
        );
    }
    if from.days_until(to) >= MAXIMUM_DAYS {
        bail!(
            "cannot request {from} to {to}: request at most {MAXIMUM_DAYS} days at once, for example --to {}",
            from.plus(MAXIMUM_DAYS - 1)
        );
    }
    let asked = days_to_request(ports, from, to, options.force);
    let mut asked = progress::noting("reading the daily tables", asked).await?;
    let reading = async {
        for RequestedDay { day, again, .. } in &mut asked {
            *again = last_ingested(ports, *day).await?;
        }
        // A day may be ingested between the reads of its table and its ledger entry. Reading the
        // tables again drops such days.
        days_to_request(ports, from, to, options.force).await
    };
    let still_incomplete = progress::noting("reading the ledger", reading).await?;
    asked.retain(|asked| still_incomplete.iter().any(|other| other.day == asked.day));
    let published = if options.dry_run {
        0
    } else {
        publish_all(ports, &asked, options.force).await?
    };
    let days = from.through(to).count();
    Ok(Backfill {
        from,
        to,
        days,
        skipped: days - asked.len(),
        published,
        asked,
        waiting: None,
    })
}

/// Returns the incomplete days of a range, or all days if `all` is set.
async fn days_to_request(
    ports: &Ports,
    from: Day,
    to: Day,
    all: bool,
) -> anyhow::Result<Vec<RequestedDay>> {
    let known = ports.warehouse.count_days(from, to).await?;
    let days = from.through(to).map(|day| {
        let known = known.get(&day);
        let number = |of: fn(&DayState) -> u64| known.map_or(0, of);
        RequestedDay {
            day,
            hours: number(|state| state.hours),
            rows: number(|state| state.rows),
            counters: number(|state| state.counters),
            again: None,
        }
    });
    Ok(days.filter(|asked| all || !asked.is_complete()).collect())
}

impl RequestedDay {
    /// Returns `true` if every counter of the table has a count for each published hour.
    ///
    /// A table has one count for each counter and hour.
    fn is_complete(&self) -> bool {
        let expected = hours_of(self.day);
        self.hours >= expected && self.rows >= self.counters * expected
    }
}

async fn publish_all(ports: &Ports, asked: &[RequestedDay], force: bool) -> anyhow::Result<usize> {
    let total = asked.len() as u64;
    let mut progress = Progress::new("requesting", "days", total);
    for (done, RequestedDay { day, again, .. }) in (1..).zip(asked) {
        let request = IngestRequested {
            from: Some(*day),
            to: None,
            again: *again,
            force,
        };
        publish(ports, *day, &request).await?;
        progress.show(done, total, day.to_string());
    }
    progress.finish();
    Ok(asked.len())
}

/// Returns the number of hours with counts in a complete day.
///
/// The public data has at most 24: it omits the repeated hour when summer time ends.
fn hours_of(day: Day) -> u64 {
    day.hours().count().min(24) as u64
}

/// Returns the time of the last ingestion of a day.
///
/// A day ingested as part of a range has no ledger entry of its own, but its forecast has one.
async fn last_ingested(ports: &Ports, day: Day) -> anyhow::Result<Option<Timestamp>> {
    let event_id = IngestRequested::default().id_of_day(day);
    let cannot_read = || format!("cannot read the ledger entries of {day}");
    let ingested = last_completed(&*ports.store, Function::Ingest, &event_id)
        .await
        .with_context(cannot_read)?;
    let forecast = last_completed(&*ports.store, Function::Predict, &event_id)
        .await
        .with_context(cannot_read)?;
    Ok(ingested.max(forecast))
}

async fn publish(ports: &Ports, day: Day, request: &IngestRequested) -> anyhow::Result<()> {
    let published = ports
        .publisher
        .publish(IngestRequested::TOPIC, Message::of_event(request))
        .await;
    published.map(drop).with_context(|| {
        format!(
            "cannot request {day}; earlier days are requested, run the command again to continue"
        )
    })
}

#[cfg(test)]
mod tests;
