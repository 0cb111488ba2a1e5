//! The parser of the open data service's responses.

mod fields;

use std::{fmt, ops::Range};

use forecasting::{
    counts::{
        Collected, Counter, Counts, CountsBuilder, MAXIMUM_COUNT, Reject, RejectReason, Rejects,
        parse_hour,
    },
    time::{Day, Hour},
};
use serde::{
    Deserializer,
    de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use self::fields::Fields;
use crate::retryability::{Classify, Retryability};

/// The largest accepted number of records in a response. A day of 100 counters has 2,400.
pub const MAXIMUM_RECORDS: u64 = 50_000;

/// The fields of a record that are read.
const FIELDS: [&str; 5] = [
    "id_compteur",
    "nom_compteur",
    "sum_counts",
    "date",
    "coordinates",
];
/// The fields without which a record is not a count.
const REQUIRED: [&str; 3] = ["nom_compteur", "sum_counts", "date"];
/// The maximum number of unknown field names that an error lists.
const LISTED_FIELDS: usize = 20;
/// The maximum number of characters of a rejected record, and of a name or value in an error.
const TEXT_CHARACTERS: usize = 500;
const VALUE_CHARACTERS: usize = 80;
/// The maximum length of coordinates. Longer ones are not parsed.
const COORDINATES_BYTES: usize = 256;

/// The counts in a response, and facts about all its records.
#[derive(Clone, Debug)]
pub struct Response {
    /// The counts of the requested day, in the order of the records, with duplicates.
    pub counts: Counts,
    /// The names of the counters that were distinguished by their id, because they report different
    /// counts under one name in one hour: `NAME (ID)`.
    pub separated: Vec<String>,
    /// The number of records, including the rejected ones.
    pub records: u64,
    /// The optional fields that no record has. Empty if there are no records.
    pub absent_fields: Vec<&'static str>,
    /// The number of counts whose coordinates cannot be parsed.
    pub unreadable_coordinates: u64,
}

/// Parses the counts of `day` from a response: the array of `exports`, or the object of `records`.
///
/// Passes invalid records, and records of other days, to `rejects` with their number, starting at
/// 1, and continues. Each record is read by itself, so the memory in use depends on the counts, not
/// on the shape of the response.
///
/// # Errors
/// Returns an error if the response is not JSON of one of these shapes, has more than
/// [`MAXIMUM_RECORDS`] records or fewer than its `total_count`, or if all records lack a required
/// field.
pub fn parse_response(
    reply: &[u8],
    day: Day,
    rejects: &mut dyn Rejects,
) -> Result<Response, ResponseError> {
    let mut records = Records::new(day, rejects);
    let reply = reply.strip_prefix(b"\xef\xbb\xbf").unwrap_or(reply);
    let mut deserializer = serde_json::Deserializer::from_slice(reply);
    let parsed = deserializer
        .deserialize_any(&mut records)
        .and_then(|()| deserializer.end());
    if records.number > MAXIMUM_RECORDS {
        return Err(ResponseError::TooManyRecords);
    }
    match parsed {
        Ok(()) => records.finish(),
        Err(source) => Err(ResponseError::NotRecords {
            start: start_of(reply),
            source,
        }),
    }
}

/// The error returned when a response cannot be read as counts.
#[derive(Debug, thiserror::Error)]
pub enum ResponseError {
    /// The response is a page, an error object or truncated JSON instead of a list of records.
    #[error(
        "the response of the open data service is not a list of records; it starts with `{start}`"
    )]
    NotRecords {
        /// The start of the response.
        start: String,
        /// The error of the JSON parser.
        source: serde_json::Error,
    },
    /// The response is one page of several.
    #[error(
        "the response of the open data service is a page with {records} of {total} records of the \
         day"
    )]
    Page {
        /// The number of records in the response.
        records: u64,
        /// The number of records that the response names as `total_count`.
        total: u64,
    },
    /// The response has more records than a day can have.
    #[error(
        "the response of the open data service has more than {max} records",
        max = MAXIMUM_RECORDS
    )]
    TooManyRecords,
    /// No record has a required field, probably because the city renamed it.
    #[error(
        "the schema of the open data service has changed: all {records} records were rejected, \
         because none has the field {}; their fields are {}",
        .missing.join(", "),
        .found.join(", ")
    )]
    ChangedSchema {
        /// The number of records.
        records: u64,
        /// The required fields that no record has.
        missing: Vec<&'static str>,
        /// The fields that at least one record has.
        found: Vec<String>,
    },
}

impl Classify for ResponseError {
    fn retryability(&self) -> Retryability {
        match self {
            // A maintenance page, or an interrupted or partial response: the counts are there an
            // hour later.
            Self::NotRecords { .. } | Self::Page { .. } => Retryability::Transient,
            Self::TooManyRecords | Self::ChangedSchema { .. } => Retryability::Permanent,
        }
    }
}

/// The records that have been read so far.
struct Records<'a> {
    rejects: &'a mut dyn Rejects,
    hours: Range<Hour>,
    /// Two ids that report different counts under one name are two counters.
    counts: CountsBuilder,
    number: u64,
    /// The `total_count` of the response; 0 if it has none.
    total: u64,
    /// `true` for each of [`FIELDS`] that a record has.
    present: [bool; FIELDS.len()],
    /// Names of other fields, at most [`LISTED_FIELDS`].
    unknown: Vec<String>,
    unreadable_coordinates: u64,
}

impl<'a> Records<'a> {
    fn new(day: Day, rejects: &'a mut dyn Rejects) -> Self {
        Self {
            rejects,
            hours: day.first_hour()..day.plus(1).first_hour(),
            counts: CountsBuilder::default(),
            number: 0,
            total: 0,
            present: [false; FIELDS.len()],
            unknown: Vec::new(),
            unreadable_coordinates: 0,
        }
    }

    fn add(&mut self, record: &str) {
        // A record that is not an object has no fields, and is rejected for that.
        let fields: Fields<'_> = serde_json::from_str(record).unwrap_or_default();
        for (present, value) in self.present.iter_mut().zip(&fields.values) {
            *present |= value.is_some();
        }
        if let Err(reason) = self.read(&fields) {
            self.rejects.reject(Reject {
                row: self.number,
                reason,
                text: shortened(record, TEXT_CHARACTERS),
            });
        }
        for name in fields.unknown {
            if self.unknown.len() < LISTED_FIELDS && !self.unknown.contains(&name) {
                self.unknown.push(name);
            }
        }
    }

    fn read(&mut self, fields: &Fields<'_>) -> Result<(), RejectReason> {
        let count = read_count(fields.value("sum_counts").unwrap_or("null"))?;
        let name = fields
            .text("nom_compteur")
            .ok_or(RejectReason::MissingName)?;
        let date = fields.text("date").unwrap_or_default();
        let hour = parse_hour(&shortened(&date, VALUE_CHARACTERS))?;
        if !self.hours.contains(&hour) {
            return Err(RejectReason::UnrequestedDay(hour.to_string()));
        }
        let (coordinates, is_unreadable) = fields.coordinates();
        self.unreadable_coordinates += u64::from(is_unreadable);
        let counter = self.counts.intern(Counter {
            id: fields.identifier("id_compteur"),
            name,
            coordinates,
        });
        self.counts.push(counter, hour, count);
        Ok(())
    }

    fn finish(self) -> Result<Response, ResponseError> {
        if self.number < self.total {
            return Err(ResponseError::Page {
                records: self.number,
                total: self.total,
            });
        }
        let has = |field: &str| {
            let mut fields = FIELDS.iter().zip(self.present);
            fields.any(|(name, present)| *name == field && present)
        };
        let absent = |field: &&'static str| self.number > 0 && !has(field);
        let missing: Vec<_> = REQUIRED.into_iter().filter(absent).collect();
        if !missing.is_empty() {
            let known = FIELDS.into_iter().filter(|field| has(field));
            let mut found: Vec<_> = known.map(str::to_owned).collect();
            found.extend(self.unknown);
            if found.is_empty() {
                found.push("none".to_owned());
            }
            return Err(ResponseError::ChangedSchema {
                records: self.number,
                missing,
                found,
            });
        }
        let absent_fields = FIELDS.into_iter().filter(absent).collect();
        let Collected { counts, separated } = self.counts.finish();
        Ok(Response {
            counts,
            separated,
            records: self.number,
            absent_fields,
            unreadable_coordinates: self.unreadable_coordinates,
        })
    }
}

impl<'de> Visitor<'de> for &mut Records<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list of records")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while let Some(record) = list.next_element::<&'de RawValue>()? {
            self.number += 1;
            if self.number > MAXIMUM_RECORDS {
                return Err(A::Error::custom("too many records"));
            }
            self.add(record.get());
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<(), A::Error> {
        let mut has_results = false;
        while let Some(name) = object.next_key::<String>()? {
            if name == "results" {
                object.next_value_seed(&mut *self)?;
                has_results = true;
            } else if name == "total_count" {
                let total = object.next_value::<&'de RawValue>()?;
                self.total = total.get().parse().unwrap_or_default();
            } else {
                object.next_value::<IgnoredAny>()?;
            }
        }
        if has_results {
            Ok(())
        } else {
            Err(A::Error::custom("the object has no list `results`"))
        }
    }
}

impl<'de> DeserializeSeed<'de> for &mut Records<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

fn read_count(value: &str) -> Result<u32, RejectReason> {
    if value == "null" {
        return Err(RejectReason::MissingCount);
    }
    let text = || shortened(value, VALUE_CHARACTERS);
    let number: f64 =
        serde_json::from_str(value).map_err(|_| RejectReason::InvalidCount(text()))?;
    if number.fract() != 0.0 {
        return Err(RejectReason::InvalidCount(text()));
    }
    if !(0.0..=f64::from(MAXIMUM_COUNT)).contains(&number) {
        return Err(RejectReason::CountOutOfRange(text()));
    }
    // The checks above ensure a whole number in the range of `u32`.
    Ok(number as u32)
}

/// Returns the start of a response on one line.
fn start_of(reply: &[u8]) -> String {
    let start = &reply[..reply.len().min(4 * VALUE_CHARACTERS)];
    shortened(&String::from_utf8_lossy(start), VALUE_CHARACTERS)
}

/// Returns the first characters of a text, with spaces for control characters.
pub fn shortened(text: &str, characters: usize) -> String {
    let printable = |character: char| {
        if character.is_control() {
            ' '
        } else {
            character
        }
    };
    text.chars().take(characters).map(printable).collect()
}

#[cfg(test)]
mod tests;
