//! The ingestion of one day.

use std::collections::BTreeSet;

use forecasting::{
    counts::{Counts, Reject, RejectReason, RejectWriter, Rejects},
    time::Day,
};
use runtime::Error;
use serde::Serialize;
use shared::{
    address::ObjectPath,
    open_data::{OpenData, OpenDataError, parse_response},
    store::{Condition, Store},
    warehouse::Warehouse,
};

/// The result of ingesting a day, as stored in the audit row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DayReport {
    /// The ingested day.
    pub day: Day,
    /// The number of counts in the day's table.
    pub rows: u64,
    /// The number of counters with at least one count.
    pub counters: u64,
    /// The number of hours with at least one count. A complete day has 24, or 23 or 25 when the
    /// clocks change.
    pub hours: u64,
    /// The number of records dropped because another has the same counter and hour.
    pub duplicates: u64,
    /// The number of rejected records.
    pub rejected: u64,
    /// The counters that reported only zeros. A broken counter does so for weeks.
    pub silent_counters: Vec<String>,
}

/// Fetches the counts of a day, stores the unchanged reply, and replaces the day's table.
///
/// # Errors
/// Returns a transient error if the open data service is unavailable or has no counts for the day
/// yet. Returns a permanent error if the service refuses the request, or if the reply is not a list
/// of records.
pub async fn ingest_day(
    open_data: &dyn OpenData,
    store: &dyn Store,
    warehouse: &dyn Warehouse,
    day: Day,
    now: shared::Timestamp,
) -> Result<DayReport, Error> {
    let reply = open_data.day(day).await.map_err(retryability)?;
    store
        .write(&raw(day, "reply.json"), reply.clone(), Condition::Always)
        .await?;
    let (counts, duplicates, rejects) = validate(&reply, day)?;
    if !rejects.is_empty() {
        store
            .write(
                &raw(day, "rejects.csv"),
                reject_file(&rejects)?.into(),
                Condition::Always,
            )
            .await?;
    }
    if counts.is_empty() {
        let advice = "the city may not have published them yet";
        return Err(Error::transient(format!(
            "there are no counts for {day}: {advice}"
        )));
    }
    warehouse.replace_counts(day, &counts, now).await?;
    Ok(describe(day, &counts, duplicates, rejects.len()))
}

/// Parses the records, rejects those of other days, and drops duplicates for a counter and hour.
fn validate(reply: &[u8], day: Day) -> Result<(Counts, usize, Vec<Reject>), Error> {
    let mut rejects = Vec::new();
    let failed =
        |source| Error::permanent(format!("cannot read the reply for {day}")).caused_by(source);
    let all = parse_response(reply, &mut rejects).map_err(failed)?;
    // The rows are the records without the rejected ones, in order.
    let unreadable: BTreeSet<_> = rejects.iter().map(|reject| reject.row).collect();
    let numbers = (1..).filter(|number| !unreadable.contains(number));
    for (number, row) in numbers
        .zip(all.rows())
        .filter(|(_, row)| row.hour.day() != day)
    {
        let text = format!("{} {}", all.counter(row.counter).name, row.count);
        rejects.push(Reject {
            row: number,
            reason: RejectReason::UnrequestedDay(row.hour.to_string()),
            text,
        });
    }
    let mut counts = all.days(day, day);
    let duplicates = counts.deduplicate();
    Ok((counts, duplicates, rejects))
}

fn reject_file(rejects: &[Reject]) -> Result<Vec<u8>, Error> {
    let mut file = Vec::new();
    let mut writer = RejectWriter::new(&mut file);
    rejects
        .iter()
        .for_each(|reject| writer.reject(reject.clone()));
    let failed = |source| Error::transient("cannot write the reject file").caused_by(source);
    writer.finish().map_err(failed)?;
    Ok(file)
}

fn describe(day: Day, counts: &Counts, duplicates: usize, rejected: usize) -> DayReport {
    let counters: BTreeSet<_> = counts.rows().iter().map(|row| row.counter).collect();
    let hours: BTreeSet<_> = counts.rows().iter().map(|row| row.hour).collect();
    let counting: BTreeSet<_> = counts
        .rows()
        .iter()
        .filter(|row| row.count > 0)
        .map(|row| row.counter)
        .collect();
    let silent = counters
        .difference(&counting)
        .map(|index| counts.counter(*index).name.clone());
    DayReport {
        day,
        rows: counts.len() as u64,
        counters: counters.len() as u64,
        hours: hours.len() as u64,
        duplicates: duplicates as u64,
        rejected: rejected as u64,
        silent_counters: silent.collect(),
    }
}

fn retryability(error: OpenDataError) -> Error {
    let text = error.to_string();
    match error {
        OpenDataError::Unavailable { .. } => Error::transient(text).caused_by(error),
        OpenDataError::Refused { .. } | OpenDataError::TooLarge { .. } => {
            Error::permanent(text).caused_by(error)
        }
    }
}

fn raw(day: Day, name: &str) -> ObjectPath {
    ObjectPath::new(format_args!("raw/{day}/{name}"))
}
