//! The conversion of rows into counts.

use std::{borrow::Cow, ops::Range};

use memchr::memchr2;
use rustc_hash::FxHashMap;

use super::{
    Coordinates, Counter, CounterIndex, CountsBuilder,
    coordinates::is_absent,
    encoding::{decode, decode_as},
    header::Columns,
    lines::{fields, has_open_quote, unquote},
    number::parse_count,
    period::PlausiblePeriod,
    reject::{Reject, RejectReason, Rejects},
    repeated_hours, single_spaces,
    summary::{Export, ReadSummary},
    timestamp::{self, ParsedHour},
};
use crate::time::Hour;

/// Converts rows into counts, and numbers them as the lines of the input, from 1 on.
///
/// Exports list all counters hour by hour, mostly in one order, and the rows of a counter differ in
/// count and hour alone. A row is therefore compared with the last row of the counter that followed
/// the last time. Only other rows are split into fields, which takes several times as long.
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
    /// The last field of an hour, with its quotation marks.
    last_hour: Option<(Vec<u8>, ParsedHour)>,
    /// The number of the last row.
    row: u64,
    /// The numbers of the lines that are no count: header, empty lines and rejected rows. The
    /// ranges are in ascending order.
    without_count: Vec<Range<u64>>,
    /// The positions of counts without an offset in a repeated local hour.
    repeated: Vec<usize>,
    summary: ReadSummary,
}

#[derive(Clone, Copy)]
struct KnownCounter {
    index: CounterIndex,
    has_unreadable_coordinates: bool,
}

/// A counter as written in its last row.
struct WrittenCounter {
    counter: KnownCounter,
    /// The text of the row before its count.
    before: Vec<u8>,
    /// The text between the count and the hour. It starts and ends with a delimiter.
    between: Vec<u8>,
    /// The text after the hour. It starts with a delimiter, unless it is empty.
    after: Vec<u8>,
    /// The position of the counter that followed the last time.
    next: usize,
}

impl WrittenCounter {
    fn new(counter: KnownCounter) -> Self {
        Self {
            counter,
            before: Vec::new(),
            between: Vec::new(),
            after: Vec::new(),
            next: 0,
        }
    }

    /// Remembers a row of the counter. Rows with the hour before the count are not remembered: no
    /// known file has them.
    fn remember(&mut self, row: &[u8], count: &Range<usize>, hour: &Range<usize>) {
        if hour.start < count.end {
            return;
        }
        for (text, part) in [
            (&mut self.before, &row[..count.start]),
            (&mut self.between, &row[count.end..hour.start]),
            (&mut self.after, &row[hour.end..]),
        ] {
            text.clear();
            text.extend_from_slice(part);
        }
    }

    /// Returns count and hour of a row if the rest of it is that of the remembered row.
    ///
    /// Both are fields of the row if the count has no quotation mark, and the hour neither a
    /// quotation mark nor a delimiter.
    fn count_and_hour<'l>(&self, row: &'l [u8], delimiter: u8) -> Option<(&'l [u8], &'l [u8])> {
        if self.between.is_empty() {
            return None;
        }
        let rest = row.strip_prefix(&*self.before)?;
        let end_of_count = rest.iter().position(|byte| *byte == delimiter)?;
        let (count, rest) = rest.split_at(end_of_count);
        let hour = rest
            .strip_prefix(&*self.between)?
            .strip_suffix(&*self.after)?;
        Some((count, hour))
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
            row: 0,
            without_count: Vec::new(),
            repeated: Vec::new(),
            summary: ReadSummary::default(),
        }
    }

    /// Names a column whose name is in an unknown encoding in the summary.
    pub(super) fn with_misspelt(mut self, column: Option<String>) -> Self {
        self.summary.misspelt_column = column;
        self
    }

    /// Numbers lines that are no rows: the header and empty lines.
    pub(super) fn skip_lines(&mut self, lines: u64) {
        self.row += lines;
        self.leave_out(lines);
    }

    /// Reads a line, which is a row unless it is empty.
    pub(super) fn add(&mut self, row: &[u8]) {
        if row.is_empty() {
            self.skip_lines(1);
            return;
        }
        self.row += 1;
        self.summary.rows += 1;
        if self.add_expected(row).is_some() {
            return;
        }
        if let Err(reason) = self.read(row) {
            self.reject(row, reason);
        }
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
            counts: counts.len() as u64,
            duplicates,
            rejected: self.summary.rejected + implausible,
            separated_counters: collected.separated,
            ..self.summary
        };
        debug_assert!(summary.is_balanced(), "{summary:?}");
        Export { counts, summary }
    }

    /// Records that the last `lines` lines are no count.
    fn leave_out(&mut self, lines: u64) {
        let (first, end) = (self.row + 1 - lines, self.row + 1);
        match self.without_count.last_mut() {
            Some(range) if range.end == first => range.end = end,
            _ => self.without_count.push(first..end),
        }
    }

    fn reject(&mut self, row: &[u8], reason: RejectReason) {
        self.summary.rejected += 1;
        self.leave_out(1);
        self.rejects.reject(Reject {
            row: self.row,
            reason,
            text: decode_as(row, self.columns.encoding).into_owned(),
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
        let mut without_count = self.without_count.iter().peekable();
        let mut number = 0;
        rows.retain(|row| {
            number += 1;
            if let Some(lines) = without_count.next_if(|lines| lines.start == number) {
                number = lines.end;
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

    /// Adds a row of the counter that followed the last time, without splitting it into fields.
    /// Returns `None`, and adds nothing, if the row is another one or invalid.
    fn add_expected(&mut self, row: &[u8]) -> Option<()> {
        let next = self.written.get(self.last)?.next;
        let written = self.written.get(next)?;
        let counter = written.counter;
        let (count, hour) = written.count_and_hour(row, self.delimiter)?;
        // With a quotation mark, it is no valid count.
        let count = parse_count(count).ok()?;
        // The last hour is a field also if it has quotation marks: in pairs, and around delimiters.
        let hour = match &self.last_hour {
            Some((text, parsed)) if text == hour => *parsed,
            _ if memchr2(self.delimiter, b'"', hour).is_some() => return None,
            _ => self.hour(hour).ok()?,
        };
        self.last = next;
        self.push(counter, hour, count);
        Some(())
    }

    /// Splits a row into fields and adds its count.
    fn read(&mut self, row: &[u8]) -> Result<(), RejectReason> {
        if has_open_quote(row) {
            return Err(RejectReason::UnclosedQuote);
        }
        let columns = self.columns;
        let positions: Vec<_> = fields(row, self.delimiter).collect();
        let required = |column: usize| {
            let position = positions.get(column);
            position.ok_or(RejectReason::ShortRow { column: column + 1 })
        };
        let optional = |column: Option<usize>| {
            column
                .and_then(|column| positions.get(column))
                .map(|position| field(row, position))
                .unwrap_or_default()
        };
        let count_position = required(columns.count)?;
        let count = parse_count(&field(row, count_position))?;
        let name = field(row, required(columns.name)?);
        let hour_position = required(columns.hour)?;
        let hour = self.hour(&row[hour_position.clone()])?;
        let (id, coordinates) = (optional(columns.id), optional(columns.coordinates));
        let counter = self.position(&id, &name, &coordinates)?;
        if let Some(last) = self.written.get_mut(self.last) {
            last.next = counter;
        }
        self.last = counter;
        let written = &mut self.written[counter];
        written.remember(row, count_position, hour_position);
        let counter = written.counter;
        self.push(counter, hour, count);
        Ok(())
    }

    fn push(&mut self, counter: KnownCounter, hour: ParsedHour, count: u32) {
        let ParsedHour { hour, is_repeated } = hour;
        if is_repeated {
            self.repeated.push(self.builder.rows.len());
        }
        self.summary.unreadable_coordinates += u64::from(counter.has_unreadable_coordinates);
        self.builder.push(counter.index, hour, count);
    }

    /// Parses the field of an hour, with its quotation marks, unless it is that of the last row.
    fn hour(&mut self, field: &[u8]) -> Result<ParsedHour, RejectReason> {
        if let Some((text, parsed)) = &self.last_hour
            && text == field
        {
            return Ok(*parsed);
        }
        let parsed = timestamp::parse(&decode(&unquote(field)))?;
        let (text, last) = self.last_hour.get_or_insert((Vec::new(), parsed));
        text.clear();
        text.extend_from_slice(field);
        *last = parsed;
        Ok(parsed)
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
        self.written.push(WrittenCounter::new(counter));
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

/// Returns the field at a position of a row, without its quotation marks.
fn field<'r>(row: &'r [u8], position: &Range<usize>) -> Cow<'r, [u8]> {
    unquote(&row[position.clone()])
}
