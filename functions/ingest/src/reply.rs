//! The counts of a day in a reply of the open data service.

use std::collections::BTreeMap;

use forecasting::{
    counts::{Counts, Reject, RejectReason, RejectWriter, Rejects},
    time::Day,
};
use runtime::Error;
use shared::{
    open_data::{Response, ResponseError, parse_response},
    retryability::{Classify, Retryability},
};

/// The maximum number of rejected records in the reject file. All are counted.
const MAXIMUM_REJECTS: usize = 1_000;

/// The counts of a reply, with the outcome of each record: `records` is the sum of the counts, the
/// duplicates and the rejected records.
pub(crate) struct Parsed {
    /// The counts of the day, without duplicates. Not empty.
    pub(crate) counts: Counts,
    /// The names of the counters that were distinguished by their id.
    pub(crate) separated: Vec<String>,
    pub(crate) records: u64,
    pub(crate) duplicates: u64,
    pub(crate) rejects: FirstRejects,
    /// The optional fields that no record has.
    pub(crate) absent_fields: Vec<&'static str>,
    /// The number of counts whose coordinates cannot be parsed.
    pub(crate) unreadable_coordinates: u64,
}

/// The reason for which a reply has no counts to store.
pub(crate) enum Unusable {
    /// A later reply may have the counts.
    Transient(Error),
    /// Later replies are unusable too. The text is that of an error.
    Permanent(String),
}

impl Parsed {
    /// Parses a reply and drops duplicates for a counter and hour.
    pub(crate) fn of(reply: &[u8], day: Day) -> Result<Self, Unusable> {
        let mut rejects = FirstRejects::default();
        let Response {
            mut counts,
            separated,
            records,
            absent_fields,
            unreadable_coordinates,
        } = parse_response(reply, day, &mut rejects).map_err(|error| unreadable(day, error))?;
        let duplicates = counts.deduplicate() as u64;
        if counts.is_empty() {
            return Err(rejects.without_counts(day, records));
        }
        Ok(Self {
            counts,
            separated,
            records,
            duplicates,
            rejects,
            absent_fields,
            unreadable_coordinates,
        })
    }
}

fn unreadable(day: Day, error: ResponseError) -> Unusable {
    let text = format!("cannot read the reply for {day}");
    match error.retryability() {
        Retryability::Transient => Unusable::Transient(Error::transient(text).caused_by(error)),
        Retryability::Permanent => Unusable::Permanent(format!("{text}: {error}")),
    }
}

/// The first rejected records of a reply, and the number of all.
#[derive(Default)]
pub(crate) struct FirstRejects {
    first: Vec<Reject>,
    total: u64,
    by_reason: BTreeMap<&'static str, u64>,
    /// `true` if a rejected record may be followed by a count: it has no count yet, or it shows
    /// that other days are published.
    may_follow: bool,
}

impl Rejects for FirstRejects {
    fn reject(&mut self, reject: Reject) {
        self.total += 1;
        *self.by_reason.entry(reject.reason.kind()).or_default() += 1;
        self.may_follow |= matches!(
            reject.reason,
            RejectReason::MissingCount | RejectReason::UnrequestedDay(_)
        );
        if self.first.len() < MAXIMUM_REJECTS {
            self.first.push(reject);
        }
    }
}

impl FirstRejects {
    /// Returns the number of all rejected records.
    pub(crate) const fn total(&self) -> u64 {
        self.total
    }

    /// Returns the reject file as CSV.
    pub(crate) fn file(&self) -> Result<Vec<u8>, Error> {
        let mut file = Vec::new();
        let mut writer = RejectWriter::new(&mut file);
        self.first
            .iter()
            .for_each(|reject| writer.reject(reject.clone()));
        let failed = |source| Error::transient("cannot write the reject file").caused_by(source);
        writer.finish().map_err(failed)?;
        Ok(file)
    }

    /// Explains why no record of a reply is a count of the day.
    fn without_counts(&self, day: Day, records: u64) -> Unusable {
        let reasons: Vec<_> = self
            .by_reason
            .iter()
            .map(|(reason, number)| format!("{reason}: {number}"))
            .collect();
        let reasons = reasons.join(", ");
        let advice = "the city may not have published them yet";
        if records == 0 {
            let text = format!("there are no counts for {day}: {advice}");
            Unusable::Transient(Error::transient(text))
        } else if self.may_follow {
            let text =
                format!("there are no counts for {day} in {records} records ({reasons}): {advice}");
            Unusable::Transient(Error::transient(text))
        } else {
            Unusable::Permanent(format!(
                "cannot use the reply for {day}: all {records} records were rejected ({reasons})"
            ))
        }
    }
}
