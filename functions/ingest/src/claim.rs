//! The claim of a day: only one event at a time fetches, compares and replaces its counts.

use forecasting::time::Day;
use runtime::Error;
use serde::{Deserialize, Serialize};
use shared::{
    Timestamp,
    address::ObjectPath,
    clock::Clock,
    event::{EventId, Function},
    ledger,
    store::{Condition, Generation, Store, StoreError, read_json, write_json},
};

/// The right of an event to replace the counts of a day.
///
/// The ledger keeps two deliveries of one event apart, but not two events of one day. The warehouse
/// cannot compare and replace a table in one step. So an event first writes its id into
/// `raw/DAY/claim.json`. It holds the claim as long as its ledger entry is in progress, so nobody
/// has to release it.
#[must_use]
pub(crate) struct DayClaim {
    day: Day,
    path: ObjectPath,
    generation: Generation,
}

/// The contents of `raw/DAY/claim.json`.
#[derive(Serialize, Deserialize)]
struct Claimed {
    /// The event that claimed the day last.
    event_id: EventId,
}

impl DayClaim {
    /// Claims a day for an event, unless another event in progress holds it.
    ///
    /// # Errors
    /// Returns a transient error if another event holds the day, and an error if the store fails.
    pub(crate) async fn acquire(
        store: &dyn Store,
        day: Day,
        event_id: &EventId,
        clock: &dyn Clock,
    ) -> Result<Self, Error> {
        let path = ObjectPath::new(format_args!("raw/{day}/claim.json"));
        let (holder, condition) = match read_json::<Claimed>(store, &path).await {
            Ok((claimed, generation)) if claimed.event_id == *event_id => {
                return Ok(Self {
                    day,
                    path,
                    generation,
                });
            }
            Ok((claimed, generation)) => (Some(claimed.event_id), Condition::Unchanged(generation)),
            Err(StoreError::NotFound { .. }) => (None, Condition::Absent),
            // Nobody can hold a claim that cannot be read.
            Err(StoreError::Malformed { .. }) => (None, Condition::Always),
            Err(error) => return Err(error.into()),
        };
        refuse_if_in_progress(store, day, holder.as_ref(), clock.now()).await?;
        let claimed = Claimed {
            event_id: event_id.clone(),
        };
        let generation = match write_json(store, &path, &claimed, condition).await {
            Ok(generation) => generation,
            Err(StoreError::ConditionFailed { .. }) => return Err(held(day, "another event")),
            Err(error) => return Err(error.into()),
        };
        // The holder's lease may have been expired and is renewed now. Either the holder notices
        // the new claim before it writes, or its entry is in progress here.
        refuse_if_in_progress(store, day, holder.as_ref(), clock.now()).await?;
        Ok(Self {
            day,
            path,
            generation,
        })
    }

    /// Checks that no other event has claimed the day. Call it after the check of the fence and
    /// right before a write: the fence guarantees that the event is in progress for some time.
    ///
    /// # Errors
    /// Returns a transient error if another event has claimed the day. Write nothing then.
    pub(crate) async fn confirm(&self, store: &dyn Store) -> Result<(), Error> {
        if store.generation(&self.path).await? == Some(self.generation) {
            Ok(())
        } else {
            Err(held(self.day, "another event"))
        }
    }
}

async fn refuse_if_in_progress(
    store: &dyn Store,
    day: Day,
    holder: Option<&EventId>,
    now: Timestamp,
) -> Result<(), Error> {
    if let Some(holder) = holder
        && ledger::is_in_progress(store, Function::Ingest, holder, now).await?
    {
        return Err(held(day, &format!("the event {holder}")));
    }
    Ok(())
}

fn held(day: Day, holder: &str) -> Error {
    Error::transient(format!(
        "cannot replace the counts of {day}: {holder} is replacing them; the next delivery tries again"
    ))
}
