//! The ingestion of one day.

use std::collections::BTreeSet;

use bytes::Bytes;
use forecasting::{checksum::Checksum, counts::Counts, time::Day};
use runtime::{Error, Fence};
use serde::{Deserialize, Serialize};
use shared::{
    Timestamp,
    address::ObjectPath,
    event::EventId,
    open_data::OpenData,
    store::{Condition, Generation, Store, StoreError, read_json, write_json},
    warehouse::{Warehouse, WarehouseError},
};

use crate::{
    coverage::{Coverage, LISTED_COUNTERS, Loss, silent_counters},
    reply::{Parsed, Unusable},
};

/// The result of ingesting a day, as stored in the audit row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DayReport {
    /// The requested day.
    pub day: Day,
    /// The number of counts in the day's table.
    pub rows: u64,
    /// The number of counters with at least one count.
    pub counters: u64,
    /// The number of hours with at least one count of any counter.
    pub hours: u64,
    /// The completeness of the counters in the day's table.
    pub coverage: Coverage,
    /// The number of records in the reply: counts, duplicates and rejected records.
    pub records: u64,
    /// The number of records dropped because another has the same counter and hour.
    pub duplicates: u64,
    /// The number of rejected records.
    pub rejected: u64,
    /// The fields that no record of the reply has, although some usually do.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub absent_fields: Vec<&'static str>,
    /// The number of counts in the reply whose coordinates cannot be parsed.
    #[serde(skip_serializing_if = "is_zero")]
    pub unreadable_coordinates: u64,
    /// The first 100 counters of the reply that have their id in their name, `NAME (ID)`, because
    /// another id reports different counts under that name in the same hours.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub separated_counters: Vec<String>,
    /// The counters that reported only zeros. A broken counter does so for weeks.
    pub silent_counters: Vec<String>,
    /// `true` if the day's table has no count above zero, as if the service were out of order.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub has_only_zeros: bool,
    /// The counts of the previous table that the reply lacks. `None` if the reply has them all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loss: Option<Loss>,
    /// The reply that was stored beside, because the table was kept. `None` if it was replaced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kept_reply: Option<ObjectPath>,
}

impl DayReport {
    /// Returns `true` if the day's table was replaced with the reply.
    pub const fn is_replaced(&self) -> bool {
        self.kept_reply.is_none()
    }
}

/// The record of an accepted reply, stored before the day's table is replaced.
///
/// A repeated delivery of the event uses it: it repeats the decision, although the table already
/// has the counts of the reply.
#[derive(Serialize, Deserialize)]
struct Accepted {
    /// The event that accepted the reply.
    event_id: EventId,
    /// The checksum of the reply in `reply.json`.
    reply: Checksum,
    /// The counts that the reply lacks, accepted by force.
    #[serde(default)]
    loss: Option<Loss>,
}

/// The ingestion of the days of one event.
pub(crate) struct Ingestion<'a> {
    pub(crate) open_data: &'a dyn OpenData,
    pub(crate) store: &'a dyn Store,
    pub(crate) warehouse: &'a dyn Warehouse,
    pub(crate) event_id: &'a EventId,
    /// Checked before each write that another delivery must not follow.
    pub(crate) fence: &'a Fence,
    /// If `true`, a reply that lacks stored counts replaces the table as well.
    pub(crate) force: bool,
    pub(crate) now: Timestamp,
}

impl Ingestion<'_> {
    /// Fetches the counts of a day. Stores the unchanged reply and replaces the day's table if the
    /// reply has a count for each stored counter and hour; otherwise keeps the table and stores the
    /// reply beside.
    ///
    /// # Errors
    /// Returns a transient error if the open data service is unavailable, its response is not a
    /// list of records, or there are no counts for the day yet. Returns a permanent error if the
    /// service refuses the request, or if all records are unusable. Returns a transient error, and
    /// writes nothing more, if the delivery has lost its lease, or if another event accepts a reply
    /// for the day meanwhile.
    pub(crate) async fn ingest(&self, day: Day) -> Result<DayReport, Error> {
        // Read before the reply is fetched, so that a reply that is accepted later is noticed.
        let (recorded, seen) = self.recorded(day).await?;
        if let (Some(accepted), Condition::Unchanged(generation)) = (recorded, seen)
            && let Some(reply) = self.reply_of(day, &accepted).await?
            && let Ok(parsed) = Parsed::of(&reply, day)
        {
            return self.replace(day, &parsed, accepted.loss, generation).await;
        }
        let reply = self.open_data.day(day).await?;
        let parsed = match Parsed::of(&reply, day) {
            Ok(parsed) => parsed,
            Err(Unusable::Transient(error)) => return Err(error),
            Err(Unusable::Permanent(text)) => {
                let path = self.store_beside(day, "INVALID", reply).await?;
                return Err(Error::permanent(format!("{text}; the reply is in {path}")));
            }
        };
        let stored = self.stored(day).await?;
        let loss = match &stored {
            Some(stored) => Loss::of(stored, &parsed.counts),
            None => Some(Loss::of_unreadable_table()),
        };
        if let Some(stored) = &stored
            && loss.is_some()
            && !self.force
        {
            let path = self.store_beside(day, "INCOMPLETE", reply).await?;
            return Ok(DayReport {
                kept_reply: Some(path),
                ..describe(day, stored, &parsed, loss)
            });
        }
        let generation = self.accept(day, reply, loss.clone(), seen).await?;
        self.replace(day, &parsed, loss, generation).await
    }

    /// Returns the record of the accepted reply if it is of this event, and the condition that no
    /// event has accepted a reply since.
    async fn recorded(&self, day: Day) -> Result<(Option<Accepted>, Condition), Error> {
        let path = raw(day, "accepted.json");
        match read_json::<Accepted>(self.store, &path).await {
            Ok((accepted, generation)) => {
                // Without a record of this event, the comparison with the stored counts decides.
                let own = Some(accepted).filter(|accepted| accepted.event_id == *self.event_id);
                Ok((own, Condition::Unchanged(generation)))
            }
            Err(StoreError::NotFound { .. }) => Ok((None, Condition::Absent)),
            Err(StoreError::Malformed { .. }) => {
                let generation = self.store.generation(&path).await?;
                let seen = generation.map_or(Condition::Absent, Condition::Unchanged);
                Ok((None, seen))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Returns the reply that an earlier delivery of this event accepted.
    async fn reply_of(&self, day: Day, accepted: &Accepted) -> Result<Option<Bytes>, Error> {
        match self.store.read(&raw(day, "reply.json")).await {
            Ok(reply) if Checksum::of(&reply.bytes) == accepted.reply => Ok(Some(reply.bytes)),
            // The earlier delivery was interrupted before it wrote the reply.
            Ok(_) | Err(StoreError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Returns the stored counts of a day, or `None` if the table cannot be read and is replaced by
    /// force.
    async fn stored(&self, day: Day) -> Result<Option<Counts>, Error> {
        match self.warehouse.counts(day, day).await {
            Ok(counts) => Ok(Some(counts)),
            Err(WarehouseError::Malformed { .. }) if self.force => Ok(None),
            Err(error @ WarehouseError::Malformed { .. }) => {
                let advice = format!(
                    "run `bike-traffic ingest --from {day} --to {day} --force` to replace it"
                );
                let text = format!("cannot compare the reply for {day} with its table; {advice}");
                Err(Error::permanent(text).caused_by(error))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Records that this event replaces the table, and stores the reply. Returns the generation of
    /// the record.
    ///
    /// Fails if another event has accepted a reply since `seen`: the reply may be older, and was
    /// compared with a table that is replaced meanwhile.
    async fn accept(
        &self,
        day: Day,
        reply: Bytes,
        loss: Option<Loss>,
        seen: Condition,
    ) -> Result<Generation, Error> {
        let accepted = Accepted {
            event_id: self.event_id.clone(),
            reply: Checksum::of(&reply),
            loss,
        };
        let (record, reply_path) = (raw(day, "accepted.json"), raw(day, "reply.json"));
        self.fence.check().await?;
        let generation = write_json(self.store, &record, &accepted, seen).await?;
        // A process that stalls here must not replace the reply of a newer record.
        self.fence.check().await?;
        self.store
            .write(&reply_path, reply, Condition::Always)
            .await?;
        Ok(generation)
    }

    /// Replaces the day's table with the counts of an accepted reply. `generation` is that of its
    /// record.
    ///
    /// The record is checked again after the write: if another event has accepted a newer reply in
    /// between, the next delivery replaces the table with the counts that are published then.
    async fn replace(
        &self,
        day: Day,
        parsed: &Parsed,
        loss: Option<Loss>,
        generation: Generation,
    ) -> Result<DayReport, Error> {
        if parsed.rejects.total() > 0 {
            let file = parsed.rejects.file()?;
            self.fence.check().await?;
            self.store
                .write(&raw(day, "rejects.csv"), file.into(), Condition::Always)
                .await?;
        }
        self.check_latest(day, generation).await?;
        self.fence.check().await?;
        self.warehouse
            .replace_counts(day, &parsed.counts, self.now)
            .await?;
        self.check_latest(day, generation).await?;
        Ok(describe(day, &parsed.counts, parsed, loss))
    }

    /// Checks that no other event has accepted a reply for the day since this one.
    async fn check_latest(&self, day: Day, generation: Generation) -> Result<(), Error> {
        let present = self.store.generation(&raw(day, "accepted.json")).await?;
        if present == Some(generation) {
            return Ok(());
        }
        Err(Error::transient(format!(
            "cannot ingest {day}: another request has ingested the day meanwhile"
        )))
    }

    /// Stores a reply that the table is not made of, under a name of its own.
    async fn store_beside(&self, day: Day, kind: &str, reply: Bytes) -> Result<ObjectPath, Error> {
        let checksum = Checksum::of(&reply);
        let path = raw(day, &format!("reply-{kind}-{}.json", checksum.short(8)));
        match self.store.write(&path, reply, Condition::Absent).await {
            // An object of this name has the same contents.
            Ok(_) | Err(StoreError::ConditionFailed { .. }) => Ok(path),
            Err(error) => Err(error.into()),
        }
    }
}

/// Describes the counts in a day's table, and the reply they were compared with.
fn describe(day: Day, table: &Counts, parsed: &Parsed, loss: Option<Loss>) -> DayReport {
    let counters: BTreeSet<_> = table.rows().iter().map(|row| row.counter).collect();
    let hours: BTreeSet<_> = table.rows().iter().map(|row| row.hour).collect();
    DayReport {
        day,
        rows: table.len() as u64,
        counters: counters.len() as u64,
        hours: hours.len() as u64,
        coverage: Coverage::of(day, table),
        records: parsed.records,
        duplicates: parsed.duplicates,
        rejected: parsed.rejects.total(),
        absent_fields: parsed.absent_fields.clone(),
        unreadable_coordinates: parsed.unreadable_coordinates,
        separated_counters: parsed
            .separated
            .iter()
            .take(LISTED_COUNTERS)
            .cloned()
            .collect(),
        silent_counters: silent_counters(table),
        has_only_zeros: table.rows().iter().all(|row| row.count == 0),
        loss,
        kept_reply: None,
    }
}

const fn is_zero(number: &u64) -> bool {
    *number == 0
}

fn raw(day: Day, name: &str) -> ObjectPath {
    ObjectPath::new(format_args!("raw/{day}/{name}"))
}
