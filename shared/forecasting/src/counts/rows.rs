//! The conversion of rows into counts.

use std::borrow::Cow;

use rustc_hash::FxHashMap;
use simd_csv::{ZeroCopyByteRecord, ZeroCopyReaderBuilder};

use super::{
    Coordinates, Counter, CounterIndex, CountsBuilder,
    coordinates::is_absent,
    encoding::{decode, decode_as},
    error::ReadError,
    header::Columns,
    lines::{has_open_quote, is_line_break, unquote},
    number::parse_count,
    period::PlausiblePeriod,
    reject::{Reject, RejectReason, Rejects},
    repeated_hours, single_spaces,
    summary::{Export, ReadSummary},
    timestamp::{self, ParsedHour},
};
use crate::time::Hour;

/// Converts rows into counts, and numbers them from 2 on: the header is row 1.
///
/// Exports list all counters hour by hour, mostly in one order. Caching the last hour and all
/// counters avoids parsing them in every row, and the counter that followed the last time is
/// compared first, because a comparison takes less time than a lookup.
pub(super) struct RowReader<'r> {
    columns: Columns,
    delimiter: u8,
    rejects: &'r mut dyn Rejects,
    builder: CountsBuilder,
    written: Vec<WrittenCounter>,
    /// The positions in `written`, by the fields of a row.
    positions: FxHashMap<Vec<u8>, usize>,
    key: Vec<u8>,
    /// The position of the last row's counter in `written`.
    last: usize,
    last_hour: Option<(Vec<u8>, ParsedHour)>,
    /// The number of the last row.
    row: u64,
    /// The numbers of the rejected rows, in ascending order.
    rejected: Vec<u64>,
    /// The positions of counts without an offset in a repeated local hour.
    repeated: Vec<usize>,
    summary: ReadSummary,
}

#[derive(Clone, Copy)]
struct KnownCounter {
    index: CounterIndex,
    has_unreadable_coordinates: bool,
}

/// A counter as written in a row.
struct WrittenCounter {
    id: Box<[u8]>,
    name: Box<[u8]>,
    coordinates: Box<[u8]>,
    counter: KnownCounter,
    /// The position of the counter that followed the last time.
    next: usize,
}

impl WrittenCounter {
    fn is(&self, id: &[u8], name: &[u8], coordinates: &[u8]) -> bool {
        *self.name == *name && *self.id == *id && *self.coordinates == *coordinates
    }
}

impl<'r> RowReader<'r> {
    pub(super) fn new(columns: Columns, delimiter: u8, rejects: &'r mut dyn Rejects) -> Self {
        Self {
            columns,
            delimiter,
            rejects,
            builder: CountsBuilder::default(),
            written: Vec::new(),
            positions: FxHashMap::default(),
            key: Vec::new(),
            last: 0,
            last_hour: None,
            row: 1,
            rejected: Vec::new(),
            repeated: Vec::new(),
            summary: ReadSummary::default(),
        }
    }

    /// Names a column whose name is in an unknown encoding in the summary.
    pub(super) fn with_misspelt(mut self, column: Option<String>) -> Self {
        self.summary.misspelt_column = column;
        self
    }

    /// Reads a row that is one line.
    pub(super) fn add(&mut self, record: &ZeroCopyByteRecord<'_>) {
        self.row += 1;
        if let Err(reason) = self.read(record) {
            self.reject(record.as_slice(), reason);
        }
    }

    /// Reads several lines that an unclosed quotation mark or a carriage return has joined.
    pub(super) fn add_lines(&mut self, text: &[u8]) -> Result<(), ReadError> {
        let lines = text.split(|byte| is_line_break(*byte));
        for line in lines.filter(|line| !line.is_empty()) {
            if has_open_quote(line) {
                self.row += 1;
                self.reject(line, RejectReason::UnclosedQuote);
                continue;
            }
            let mut reader = ZeroCopyReaderBuilder::with_capacity(line.len())
                .delimiter(self.delimiter)
                .flexible(true)
                .has_headers(false)
                .from_reader(line);
            match reader.read_byte_record().map_err(ReadError::of_csv)? {
                Some(record) => self.add(&record),
                // The line has nothing but a byte order mark.
                None => {
                    self.row += 1;
                    self.reject(line, RejectReason::ShortRow { column: 1 });
                }
            }
        }
        Ok(())
    }

    /// Assigns repeated local hours and returns the counts in the order of the input.
    pub(super) fn into_builder(mut self) -> CountsBuilder {
        self.assign_repeated_hours();
        self.builder
    }

    /// Rejects implausible hours, drops duplicates and returns the counts with their summary.
    pub(super) fn into_export(mut self, now: Hour) -> Export {
        self.assign_repeated_hours();
        let implausible = self.reject_implausible_hours(now);
        let collected = self.builder.finish();
        let mut counts = collected.counts;
        let duplicates = counts.deduplicate() as u64;
        let summary = ReadSummary {
            rows: self.row - 1,
            counts: counts.len() as u64,
            duplicates,
            rejected: self.rejected.len() as u64 + implausible,
            separated_counters: collected.separated,
            ..self.summary
        };
        debug_assert!(summary.is_balanced(), "{summary:?}");
        Export { counts, summary }
    }

    fn reject(&mut self, line: &[u8], reason: RejectReason) {
        self.rejected.push(self.row);
        self.rejects.reject(Reject {
            row: self.row,
            reason,
            text: decode_as(line, self.columns.encoding).into_owned(),
        });
    }

    fn assign_repeated_hours(&mut self) {
        self.summary.repeated_hours =
            repeated_hours::assign(&mut self.builder.rows, &self.repeated);
    }

    /// Rejects the rows with implausible hours and returns their number.
    fn reject_implausible_hours(&mut self, now: Hour) -> u64 {
        let period = PlausiblePeriod::of(&self.builder.rows, now);
        if period.is_complete() {
            return 0;
        }
        let mut rows = std::mem::take(&mut self.builder.rows);
        let all = rows.len();
        let mut rejected = self.rejected.iter().peekable();
        let mut number = 1;
        rows.retain(|row| {
            number += 1;
            while rejected.next_if(|earlier| **earlier == number).is_some() {
                number += 1;
            }
            let Err(reason) = period.check(row.hour) else {
                return true;
            };
            let Counter { id, name, .. } = self.builder.counter(row.counter);
            let id = id.as_deref().unwrap_or_default();
            self.rejects.reject(Reject {
                row: number,
                reason,
                text: format!("{id};{name};{};{}", row.count, row.hour),
            });
            false
        });
        let removed = all - rows.len();
        self.builder.rows = rows;
        removed as u64
    }

    fn read(&mut self, record: &ZeroCopyByteRecord<'_>) -> Result<(), RejectReason> {
        let columns = self.columns;
        let required = |column: usize| {
            field(record, column).ok_or(RejectReason::ShortRow { column: column + 1 })
        };
        let optional = |column: Option<usize>| {
            column
                .and_then(|column| field(record, column))
                .unwrap_or_default()
        };
        let count = parse_count(&required(columns.count)?)?;
        let name = required(columns.name)?;
        let ParsedHour { hour, is_repeated } = self.hour(&required(columns.hour)?)?;
        let (id, coordinates) = (optional(columns.id), optional(columns.coordinates));
        let counter = self.counter(&id, &name, &coordinates)?;
        if is_repeated {
            self.repeated.push(self.builder.rows.len());
        }
        self.summary.unreadable_coordinates += u64::from(counter.has_unreadable_coordinates);
        self.builder.push(counter.index, hour, count);
        Ok(())
    }

    fn hour(&mut self, field: &[u8]) -> Result<ParsedHour, RejectReason> {
        if let Some((text, parsed)) = &self.last_hour
            && text == field
        {
            return Ok(*parsed);
        }
        let parsed = timestamp::parse(&decode(field))?;
        let (text, last) = self.last_hour.get_or_insert((Vec::new(), parsed));
        text.clear();
        text.extend_from_slice(field);
        *last = parsed;
        Ok(parsed)
    }

    fn counter(
        &mut self,
        id: &[u8],
        name: &[u8],
        coordinates: &[u8],
    ) -> Result<KnownCounter, RejectReason> {
        let next = self.written.get(self.last).map_or(0, |last| last.next);
        if let Some(written) = self.written.get(next)
            && written.is(id, name, coordinates)
        {
            self.last = next;
            return Ok(written.counter);
        }
        let position = self.position(id, name, coordinates)?;
        if let Some(last) = self.written.get_mut(self.last) {
            last.next = position;
        }
        self.last = position;
        Ok(self.written[position].counter)
    }

    /// Returns the position of a counter in `written`, and adds it if it is new.
    fn position(
        &mut self,
        id: &[u8],
        name: &[u8],
        coordinates: &[u8],
    ) -> Result<usize, RejectReason> {
        self.key.clear();
        for part in [id, name, coordinates] {
            self.key.extend_from_slice(part);
            self.key.push(0);
        }
        if let Some(&position) = self.positions.get(&self.key) {
            return Ok(position);
        }
        let counter = self.new_counter(id, name, coordinates)?;
        let position = self.written.len();
        self.positions.insert(self.key.clone(), position);
        self.written.push(WrittenCounter {
            id: id.into(),
            name: name.into(),
            coordinates: coordinates.into(),
            counter,
            next: position,
        });
        Ok(position)
    }

    fn new_counter(
        &mut self,
        id: &[u8],
        name: &[u8],
        coordinates: &[u8],
    ) -> Result<KnownCounter, RejectReason> {
        let encoding = self.columns.encoding;
        let name = single_spaces(&decode_as(name, encoding));
        if name.is_empty() {
            return Err(RejectReason::MissingName);
        }
        let id = single_spaces(&decode_as(id, encoding));
        let text = decode(coordinates);
        let coordinates = Coordinates::parse(&text);
        let has_unreadable_coordinates = coordinates.is_none() && !is_absent(&text);
        if has_unreadable_coordinates {
            let example = &mut self.summary.unreadable_example;
            example.get_or_insert_with(|| text.into_owned());
        }
        Ok(KnownCounter {
            index: self.builder.intern(Counter {
                id: Some(id).filter(|id| !id.is_empty()),
                name,
                coordinates,
            }),
            has_unreadable_coordinates,
        })
    }
}

/// Returns a field without its quotation marks.
fn field<'f>(record: &'f ZeroCopyByteRecord<'_>, column: usize) -> Option<Cow<'f, [u8]>> {
    record.get(column).map(unquote)
}
