//! The work on one day.

use std::collections::BTreeSet;

use forecasting::{
    counts::{Counts, Reject, RejectReason, RejectWriter, Rejects},
    time::Day,
};
use runtime::Error;
use serde::Serialize;
use shared::{
    address::ObjectPath,
    open_data::{OpenData, OpenDataError, read_reply},
    store::{Condition, Store},
    warehouse::Warehouse,
};

/// What became of a day's records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DayReport {
    /// The day.
    pub day: Day,
    /// The counts in the table.
    pub rows: u64,
    /// The counters that sent any.
    pub counters: u64,
    /// The hours for which any counter sent one: 24, or 23 and 25 when the clocks change.
    pub hours: u64,
    /// The records that went because of another for the same counter and hour.
    pub duplicates: u64,
    /// The records that could not be used.
    pub rejected: u64,
    /// The counters that sent nothing but zeros: dead ones do that for weeks.
    pub silent_counters: Vec<String>,
}

/// Fetches a day, keeps the reply as it came, and replaces the day's table.
///
/// It is a function of its own so that it can be run on any publisher of counts.
///
/// # Errors
/// Transient if the service is away or has no counts of the day yet; hopeless if it refuses the request or replies with
/// something else than records.
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
        let advice = "the city may not have published it yet";
        return Err(Error::transient(format!(
            "there are no counts for {day}: {advice}"
        )));
    }
    warehouse.replace_counts(day, &counts, now).await?;
    Ok(describe(day, &counts, duplicates, rejects.len()))
}

/// Reads the records, drops those of other days, and leaves one for each counter and hour.
fn validate(reply: &[u8], day: Day) -> Result<(Counts, usize, Vec<Reject>), Error> {
    let mut rejects = Vec::new();
    let unreadable =
        |source| Error::permanent(format!("cannot read the reply for {day}")).caused_by(source);
    let all = read_reply(reply, &mut rejects).map_err(unreadable)?;
    for (number, row) in (1..)
        .zip(all.rows())
        .filter(|(_, row)| row.hour.day() != day)
    {
        let text = format!("{} {}", all.counter(row.counter).name, row.count);
        rejects.push(Reject {
            row: number,
            reason: RejectReason::OtherDay(row.hour.to_string()),
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
    let text = format!("raw/{day}/{name}");
    text.parse()
        .unwrap_or_else(|_| unreachable!("{text} is made of valid segments"))
}
