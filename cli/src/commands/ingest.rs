//! `bike-traffic ingest`: asks for days whose counts are missing.

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
};

use crate::{
    args::TargetArguments,
    support::{progress::Progress, stdout},
};

/// Options of `ingest`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  bike-traffic ingest --cloud --from 2021-07-01 --dry-run
  bike-traffic ingest --cloud --from 2021-07-01 --to 2021-07-31
  bike-traffic ingest --cloud --from 2021-07-19 --to 2021-07-19 --force

One message is published for each day that lacks counts of an hour; the function ingest does the work. On this machine
the messages wait in the state until `bike-traffic stack` runs on it. Asking twice before they are done is asking once.")]
pub struct IngestArguments {
    /// The places to work on.
    #[command(flatten)]
    pub place: TargetArguments,
    /// The first day, as in 2021-07-19.
    #[arg(long, value_name = "DAY")]
    pub from: Day,
    /// The last day; yesterday if not given.
    #[arg(long, value_name = "DAY")]
    pub to: Option<Day>,
    /// Ask for complete days too: their tables are replaced.
    #[arg(long)]
    pub force: bool,
    /// List what would be asked for and publish nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Print the result as JSON.
    #[arg(long)]
    pub json: bool,
}

/// Which days to ask for.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The first day.
    pub from: Day,
    /// The last day; yesterday if absent.
    pub to: Option<Day>,
    /// Whether complete days are asked for too.
    pub force: bool,
    /// Whether nothing is to be published.
    pub dry_run: bool,
}

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Backfill {
    /// The first day that was looked at.
    pub from: Day,
    /// The last one.
    pub to: Day,
    /// How many days that is.
    pub days: usize,
    /// How many of them are complete and were not asked for.
    pub skipped: usize,
    /// How many messages were published: one for each day asked for, none on a dry run.
    pub published: usize,
    /// The days asked for.
    pub asked: Vec<AskedDay>,
}

/// A day that is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AskedDay {
    /// The day.
    pub day: Day,
    /// The hours for which its table has counts.
    pub hours: u64,
    /// When it was ingested last, if it was.
    pub again: Option<Timestamp>,
}

impl fmt::Display for Backfill {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for AskedDay { day, hours, again } in &self.asked {
            write!(formatter, "{day}: {hours} of {} hours", hours_of(*day))?;
            match again {
                None => writeln!(formatter)?,
                Some(at) => writeln!(formatter, ", ingested at {at}")?,
            }
        }
        let Self {
            from,
            to,
            days,
            skipped,
            published,
            asked,
        } = self;
        let asked = asked.len();
        write!(
            formatter,
            "{from} to {to}: {days} days, {skipped} complete ones skipped, {asked} asked for, "
        )?;
        write!(formatter, "{published} messages published")
    }
}

/// Runs the command.
pub(crate) async fn command(arguments: IngestArguments) -> anyhow::Result<()> {
    let ports = arguments.place.open(Arc::new(SystemClock)).await?;
    let IngestArguments {
        from,
        to,
        force,
        dry_run,
        json,
        ..
    } = arguments;
    stdout::print(
        &ask(
            &ports,
            Options {
                from,
                to,
                force,
                dry_run,
            },
        )
        .await?,
        json,
    )
}

/// Publishes a request for each day that is not complete, in the order of the days.
///
/// The request for a day that was ingested before names when that was, so that it is an event of its own: done once,
/// however often it is asked for until then.
///
/// # Errors
/// When the range is empty or a day of it is not over; when a port fails. What was published by then stays published, and
/// may be asked for again.
pub async fn ask(ports: &Ports, options: Options) -> anyhow::Result<Backfill> {
    let today = Day::of(ports.clock.now());
    let (from, to) = (options.from, options.to.unwrap_or(today.plus(-1)));
    if to >= today {
        bail!(
            "cannot ask for {from} to {to}: on {today} that day is not over; give an earlier day with --to"
        );
    }
    if to < from {
        bail!("cannot ask for {from} to {to}: the range ends before it begins");
    }
    let mut asked = wanted(ports, from, to, options.force).await?;
    for AskedDay { day, again, .. } in &mut asked {
        *again = last_ingested(ports, *day).await?;
    }
    // A day that was completed before its entry was read, and after its table was, is not asked for again.
    let still_wanted = wanted(ports, from, to, options.force).await?;
    asked.retain(|asked| still_wanted.iter().any(|wanted| wanted.day == asked.day));
    let published = if options.dry_run {
        0
    } else {
        publish_all(ports, &asked).await?
    };
    let days = from.through(to).count();
    Ok(Backfill {
        from,
        to,
        days,
        skipped: days - asked.len(),
        published,
        asked,
    })
}

/// Returns the days that are not complete, or all.
async fn wanted(ports: &Ports, from: Day, to: Day, all: bool) -> anyhow::Result<Vec<AskedDay>> {
    let known = ports.warehouse.count_days(from, to).await?;
    let hours = |day: Day| known.get(&day).map_or(0, |state| state.hours);
    let days = from.through(to).map(|day| AskedDay {
        day,
        hours: hours(day),
        again: None,
    });
    Ok(days
        .filter(|asked| all || asked.hours < hours_of(asked.day))
        .collect())
}

async fn publish_all(ports: &Ports, asked: &[AskedDay]) -> anyhow::Result<usize> {
    let total = asked.len() as u64;
    let mut progress = Progress::new("asking for days", total);
    for (done, AskedDay { day, again, .. }) in (1..).zip(asked) {
        publish(ports, *day, *again).await?;
        progress.show(done, total, day.to_string());
    }
    progress.finish();
    Ok(asked.len())
}

/// Returns the hours for which a complete day has counts. The public data know no second two o'clock in autumn.
fn hours_of(day: Day) -> u64 {
    day.hours().count().min(24) as u64
}

/// Returns when a day was ingested last: by itself, or, as the forecasts show, within a range.
async fn last_ingested(ports: &Ports, day: Day) -> anyhow::Result<Option<Timestamp>> {
    let event_id = IngestRequested::default().id_of_day(day);
    let cannot = || format!("cannot read from the ledger when {day} was ingested");
    let ingested = last_completed(&*ports.store, Function::Ingest, &event_id)
        .await
        .with_context(cannot)?;
    let forecast = last_completed(&*ports.store, Function::Predict, &event_id)
        .await
        .with_context(cannot)?;
    Ok(ingested.max(forecast))
}

async fn publish(ports: &Ports, day: Day, again: Option<Timestamp>) -> anyhow::Result<()> {
    let request = IngestRequested {
        from: Some(day),
        to: None,
        again,
    };
    let published = ports
        .publisher
        .publish(IngestRequested::TOPIC, Message::of_event(&request))
        .await;
    published.map(drop).with_context(|| {
        format!("cannot ask for {day}; the days before are asked for, so run it again")
    })
}

#[cfg(test)]
mod tests {
    use forecasting::counts::{Counter, Counts};
    use shared::clock::SimulatedClock;

    use super::*;

    fn day(text: &str) -> Day {
        text.parse().unwrap()
    }

    async fn with_hours(ports: &Ports, day: Day, hours: usize) {
        let mut counts = Counts::default();
        let quai = counts.intern(Counter {
            id: None,
            name: "Quai".to_owned(),
            coordinates: None,
        });
        day.hours()
            .take(hours)
            .for_each(|hour| counts.push(quai, hour, 1));
        ports
            .warehouse
            .replace_counts(day, &counts, Timestamp::UNIX_EPOCH)
            .await
            .unwrap();
    }

    fn options(from: &str, to: Option<&str>) -> Options {
        Options {
            from: day(from),
            to: to.map(day),
            force: false,
            dry_run: true,
        }
    }

    #[tokio::test]
    async fn a_day_is_complete_with_counts_in_every_hour_that_the_city_publishes() {
        let ports = Ports::in_memory(Arc::new(SimulatedClock::new(
            "2021-07-20T04:00:00Z".parse().unwrap(),
        )));
        // In spring a day has 23 hours; in autumn it has 25, of which 24 are published.
        for (text, hours, is_complete) in [
            ("2021-07-17", 24, true),
            ("2021-07-18", 23, false),
            ("2021-03-28", 23, true),
            ("2021-03-27", 23, false),
            ("2020-10-25", 24, true),
            ("2020-10-25", 23, false),
        ] {
            with_hours(&ports, day(text), hours).await;
            let backfill = ask(&ports, options(text, Some(text))).await.unwrap();
            assert_eq!(
                (backfill.skipped == 1, backfill.asked.is_empty()),
                (is_complete, is_complete),
                "{text} {hours}"
            );
        }
    }

    #[tokio::test]
    async fn days_that_are_not_over_are_refused_and_yesterday_is_the_last() {
        // In Paris that is 2021-07-20, half past midnight.
        let ports = Ports::in_memory(Arc::new(SimulatedClock::new(
            "2021-07-19T22:30:00Z".parse().unwrap(),
        )));
        let backfill = ask(&ports, options("2021-07-15", None)).await.unwrap();
        assert_eq!((backfill.to, backfill.asked.len()), (day("2021-07-19"), 5));
        let refused = ask(&ports, options("2021-07-15", Some("2021-07-20")))
            .await
            .unwrap_err()
            .to_string();
        assert!(refused.contains("not over"), "{refused}");
        let refused = ask(&ports, options("2021-07-15", Some("2021-07-14")))
            .await
            .unwrap_err()
            .to_string();
        assert!(refused.contains("before it begins"), "{refused}");
    }
}
