//! Plays weeks on a running stack, in the role of Cloud Scheduler.

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, bail};
use forecasting::{
    counts::Counts,
    time::{Day, Week},
};
use shared::{
    audit::AuditRow,
    bus::Message,
    event::{DriftCheckRequested, Event, Function, IngestRequested},
    ports::Ports,
    registry,
};
use tokio::{task::JoinSet, time::Instant};

use super::{data::Data, say};
use crate::{
    commands::run::WeekEntry,
    support::{progress, tracks::INGEST_HOUR},
};

/// The number of daily tables that are written at the same time.
const CONCURRENT_WRITES: usize = 4;
/// The times of a player.
#[derive(Clone, Copy)]
struct Pace {
    /// The time between two looks at the audit log.
    poll: Duration,
    /// The time after which an event is published again.
    repetition: Duration,
    /// The time within which an event must be handled.
    limit: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            poll: Duration::from_millis(500),
            repetition: Duration::from_secs(30),
            limit: Duration::from_secs(600),
        }
    }
}

/// Writes daily tables, as a backfill does.
///
/// # Errors
/// Returns an error if the warehouse fails.
pub(super) async fn fill_tables(
    ports: &Ports,
    counts: &Counts,
    days: &[Day],
) -> anyhow::Result<()> {
    for days in days.chunks(CONCURRENT_WRITES) {
        let mut writes = JoinSet::new();
        for day in days.iter().copied() {
            let (warehouse, counts) = (Arc::clone(&ports.warehouse), counts.days(day, day));
            let ingested_at = day.plus(1).at(INGEST_HOUR);
            if !counts.is_empty() {
                writes.spawn(
                    async move { warehouse.replace_counts(day, &counts, ingested_at).await },
                );
            }
        }
        while let Some(written) = writes.join_next().await {
            written.context("cannot write the daily tables")??;
        }
    }
    Ok(())
}

/// Publishes the requests of Cloud Scheduler, and waits for what follows from them.
pub(super) struct Player<'a> {
    ports: &'a Ports,
    pace: Pace,
}

impl<'a> Player<'a> {
    /// Creates a player of the stack with these ports.
    pub(super) fn new(ports: &'a Ports) -> Self {
        Self {
            ports,
            pace: Pace::default(),
        }
    }

    /// Plays the weeks until a challenger was decided about, or none is left: each day is ingested
    /// and leads to the forecasts of the next one, and each week is judged, with all that follows.
    /// Prints the decisions.
    ///
    /// # Errors
    /// Returns an error if a port fails, or if an event is not handled within ten minutes.
    pub(super) async fn play(&self, data: &Data) -> anyhow::Result<()> {
        let mut next = data.weeks.first().map(|week| week.first_day().plus(-1));
        for week in data.weeks.iter().copied() {
            let (first, last) = (week.first_day(), week.last_day());
            say(&format!(
                "{week}: ingesting and forecasting {first} to {last}"
            ));
            let ingested = self.ingest(next, last);
            next = progress::noting("ingesting and forecasting", ingested).await?;
            let request = DriftCheckRequested {
                week: Some(week),
                again: None,
            };
            let is_done = |log: &[AuditRow]| is_decided(log, week);
            let judged = self.publish_until(&request, is_done);
            let log = progress::noting("judging the week, and all that follows", judged).await?;
            let champion = registry::champion(&*self.ports.registry).await?;
            let entry = WeekEntry::of_audit_log(week, &log, champion, None);
            for decision in &entry.decisions {
                say(&format!("  {decision}"));
            }
            if entry.decision_of(Function::Promote) != "-" {
                break;
            }
        }
        if let Some(last) = data.last_day {
            let ingested = self.ingest(next, last);
            progress::noting("ingesting the days after the week", ingested).await?;
        }
        Ok(())
    }

    /// Ingests the days from `next` to `last`, one after the other, and returns the day after them.
    async fn ingest(&self, next: Option<Day>, last: Day) -> anyhow::Result<Option<Day>> {
        let Some(next) = next else { return Ok(None) };
        for day in next.through(last) {
            let request = IngestRequested {
                from: Some(day),
                ..IngestRequested::default()
            };
            let is_done = |log: &[AuditRow]| is_ingested(log, day);
            self.publish_until(&request, is_done).await?;
        }
        Ok(Some(next.max(last.plus(1))))
    }

    /// Publishes an event, unless it is done, and waits until it is. Returns the audit log.
    ///
    /// The emulator of Pub/Sub does not always deliver a refused message again, so the event is
    /// published again after a while. A repetition changes nothing that is done: a function that
    /// has handled its event publishes the events that follow from it again.
    async fn publish_until<E: Event>(
        &self,
        event: &E,
        is_done: impl Fn(&[AuditRow]) -> bool,
    ) -> anyhow::Result<Vec<AuditRow>> {
        let Pace {
            poll,
            repetition,
            limit,
        } = self.pace;
        let start = Instant::now();
        let mut due = start;
        loop {
            let log = self.ports.warehouse.audit_log().await?;
            if is_done(&log) {
                return Ok(log);
            }
            let now = Instant::now();
            if now.duration_since(start) > limit {
                bail!(
                    "an event of {} was not handled within {} s; the logs of the functions say why",
                    E::TOPIC,
                    limit.as_secs()
                );
            }
            if now >= due {
                let message = Message::of_event(event);
                self.ports.publisher.publish(E::TOPIC, message).await?;
                due = now + repetition;
            }
            tokio::time::sleep(poll).await;
        }
    }
}

/// Returns `true` once a day was ingested and the next one forecast, or nothing more follows from
/// the request.
fn is_ingested(log: &[AuditRow], day: Day) -> bool {
    let subject = day.to_string();
    log.iter()
        .filter(|row| row.event_id.subject() == subject)
        .any(|row| match row.function {
            Function::Predict => true,
            // No event follows from other decisions.
            Function::Ingest => row.entry.decision != "ingested",
            _ => false,
        })
}

/// Returns `true` once nothing more follows from the judgement of a week.
fn is_decided(log: &[AuditRow], week: Week) -> bool {
    let subject = week.to_string();
    let mut rows = log.iter().filter(|row| row.event_id.subject() == subject);
    rows.any(|row| {
        let entry = &row.entry;
        let is_last = match row.function {
            Function::Promote => true,
            Function::DriftCheck => entry.fine_tune_triggered == Some(false),
            Function::FineTune => entry.fine_tune_success == Some(false),
            _ => false,
        };
        is_last || entry.decision == "dead-lettered"
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use async_trait::async_trait;
    use shared::{
        Timestamp,
        audit::AuditEntry,
        bus::{BusError, MessageId, Publisher},
        clock::SimulatedClock,
        event::Topic,
    };

    use super::*;

    fn row(function: Function, id: &str, entry: AuditEntry) -> AuditRow {
        entry.into_row(
            Timestamp::UNIX_EPOCH,
            function,
            id.parse().unwrap(),
            "local",
        )
    }

    #[test]
    fn week_is_decided_by_the_last_function_of_its_chain() {
        let week: Week = "2021-W30".parse().unwrap();
        let drift = |fine_tune| AuditEntry {
            fine_tune_triggered: Some(fine_tune),
            ..AuditEntry::new("a decision", "a reason")
        };
        let trained = |success| AuditEntry {
            fine_tune_success: Some(success),
            ..drift(true)
        };
        let dead = || AuditEntry::new("dead-lettered", "a reason");
        let check = "drift-check/2021-W30";
        for (function, id, entry, expected) in [
            (Function::DriftCheck, check, drift(true), false),
            (Function::DriftCheck, check, drift(false), true),
            (
                Function::DriftCheck,
                "drift-check/2021-W29",
                drift(false),
                false,
            ),
            (Function::FineTune, check, trained(true), false),
            (Function::FineTune, check, trained(false), true),
            (Function::Evaluate, "fine-tune/2021-W30", drift(true), false),
            (Function::Evaluate, "fine-tune/2021-W30", dead(), true),
            (Function::Promote, "evaluate/2021-W30", drift(true), true),
        ] {
            let log = [row(function, id, entry)];
            assert_eq!(is_decided(&log, week), expected, "{log:?}");
        }
    }

    #[test]
    fn day_is_done_once_the_next_one_is_forecast_or_no_counts_came() {
        let day: Day = "2021-07-19".parse().unwrap();
        let entry = |decision: &str| AuditEntry::new(decision, "a reason");
        for (function, decision, expected) in [
            (Function::Ingest, "ingested", false),
            (Function::Ingest, "kept", true),
            (Function::Predict, "forecast", true),
        ] {
            let log = [row(function, "ingest/2021-07-19", entry(decision))];
            assert_eq!(is_ingested(&log, day), expected, "{decision}");
            assert!(!is_ingested(&log, day.plus(1)));
        }
    }

    /// A publisher whose messages get lost.
    #[derive(Default)]
    struct Losing(AtomicUsize);

    #[async_trait]
    impl Publisher for Losing {
        async fn publish(&self, _: Topic, _: Message) -> Result<MessageId, BusError> {
            self.0.fetch_add(1, Ordering::SeqCst);
            Ok(MessageId("1".to_owned()))
        }
    }

    #[tokio::test]
    async fn event_is_published_again_until_it_is_done() {
        let publisher = Arc::new(Losing::default());
        let ports = Ports {
            publisher: Arc::clone(&publisher) as Arc<dyn Publisher>,
            ..Ports::in_memory(Arc::new(SimulatedClock::new(Timestamp::UNIX_EPOCH)))
        };
        let player = |limit: Duration| Player {
            ports: &ports,
            pace: Pace {
                poll: Duration::from_millis(1),
                repetition: Duration::from_millis(3),
                limit,
            },
        };
        let event = IngestRequested::default();
        let published = || publisher.0.load(Ordering::SeqCst);
        let is_done = |_: &[AuditRow]| published() > 1;
        let patient = player(Duration::from_secs(60));
        patient.publish_until(&event, is_done).await.unwrap();
        let hasty = player(Duration::ZERO);
        let error = hasty.publish_until(&event, |_| false).await.unwrap_err();
        assert!(error.to_string().contains("ingest-requested"), "{error}");
        let before = published();
        patient.publish_until(&event, |_| true).await.unwrap();
        assert_eq!(
            published(),
            before,
            "an event that is done is not published"
        );
    }
}
