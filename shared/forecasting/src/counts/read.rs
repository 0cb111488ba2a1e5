//! The reader of count exports.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::Path,
    sync::mpsc,
    thread,
};

use flate2::bufread::MultiGzDecoder;
use rustc_hash::FxHashMap;
use simd_csv::ByteRecord;

use super::{
    Coordinates, Counter, CounterIndex, Counts, MAXIMUM_COUNT,
    encoding::decode,
    error::ReadError,
    header::{self, Columns},
    reject::{Reject, RejectReason, Rejects},
    timestamp::parse_hour,
};
use crate::time::Hour;

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
// Decompression copies its window at the start of each chunk, so small chunks are slower.
const CHUNK_BYTES: usize = 1 << 20;
const CHUNKS_AHEAD: usize = 4;

/// Reads counts from CSV in any known format of header, delimiter, encoding and hour.
///
/// Passes unusable rows to `rejects` and continues. Retains duplicates; see
/// [`Counts::deduplicate`].
///
/// # Errors
/// Returns a [`ReadError`] if the input as a whole is unusable.
pub fn read(input: impl Read, rejects: &mut dyn Rejects) -> Result<Counts, ReadError> {
    let mut input = BufReader::with_capacity(CHUNK_BYTES, input);
    let delimiter = sniff(&mut input)?;
    // The search for delimiters takes three quarters of the time. SIMD makes it 2.5 times faster.
    let mut reader = simd_csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .flexible(true)
        .from_reader(input);
    let mut rows = RowReader::new(Columns::find(reader.byte_headers().map_err(csv_error)?)?);
    let mut record = ByteRecord::new();
    let mut row = 1;
    while reader.read_byte_record(&mut record).map_err(csv_error)? {
        row += 1;
        if let Err(reason) = rows.read(&record) {
            rejects.reject(Reject {
                row,
                reason,
                text: join(&record, delimiter),
            });
        }
    }
    Ok(rows.counts)
}

/// Reads counts from a plain or gzip file, as [`read`] does.
///
/// # Errors
/// Returns [`ReadError::Open`] if the file cannot be opened, and otherwise the error of [`read`] in
/// [`ReadError::File`].
pub fn read_file(path: &Path, rejects: &mut dyn Rejects) -> Result<Counts, ReadError> {
    let in_file = |source| ReadError::File {
        path: path.to_owned(),
        source: Box::new(source),
    };
    read(open(path)?, rejects).map_err(in_file)
}

/// Opens a plain or gzip file. Decompresses gzip on a separate thread.
///
/// # Errors
/// Returns an error if the file cannot be opened or its first bytes cannot be read.
pub fn open(path: &Path) -> Result<Box<dyn Read>, ReadError> {
    let cannot_open = |source| ReadError::Open {
        path: path.to_owned(),
        source,
    };
    let in_file = |source| ReadError::File {
        path: path.to_owned(),
        source: Box::new(ReadError::Io(source)),
    };
    decompress(File::open(path).map_err(cannot_open)?).map_err(in_file)
}

/// Decompresses an input on a separate thread if it is gzip. Otherwise returns its bytes unchanged.
///
/// # Errors
/// Returns an error if the first bytes cannot be read.
pub fn decompress(input: impl Read + Send + 'static) -> io::Result<Box<dyn Read>> {
    let mut input = BufReader::with_capacity(CHUNK_BYTES, input);
    let is_gzip = input.fill_buf()?.starts_with(&GZIP_MAGIC);
    if is_gzip {
        Ok(Box::new(ReadAhead::new(MultiGzDecoder::new(input))))
    } else {
        Ok(Box::new(input))
    }
}

/// Checks the encoding, skips a byte order mark and detects the delimiter from the first line.
fn sniff(input: &mut impl BufRead) -> Result<u8, ReadError> {
    let start = input.fill_buf().map_err(ReadError::Io)?;
    if start.is_empty() {
        return Err(ReadError::EmptyInput);
    }
    if start.starts_with(&[0xff, 0xfe]) || start.starts_with(&[0xfe, 0xff]) {
        return Err(ReadError::Encoding { found: "UTF-16" });
    }
    let first_line = start
        .split(|byte| *byte == b'\n')
        .next()
        .unwrap_or_default();
    if first_line.contains(&0) {
        return Err(ReadError::Encoding {
            found: "binary data",
        });
    }
    let delimiter = header::delimiter(first_line);
    if start.starts_with(b"\xef\xbb\xbf") {
        input.consume(3);
    }
    Ok(delimiter)
}

fn csv_error(error: simd_csv::Error) -> ReadError {
    ReadError::Io(io::Error::from(error))
}

fn join(record: &ByteRecord, delimiter: u8) -> String {
    let fields: Vec<_> = record.iter().map(decode).collect();
    fields.join(&char::from(delimiter).to_string())
}

/// Converts records into counts.
///
/// Exports list all counters hour by hour. Caching the last hour and all counters avoids parsing
/// them in every row.
struct RowReader {
    columns: Columns,
    counts: Counts,
    known: FxHashMap<Vec<u8>, CounterIndex>,
    last_hour: (Vec<u8>, Hour),
    key: Vec<u8>,
}

impl RowReader {
    fn new(columns: Columns) -> Self {
        let last_hour = (Vec::new(), Hour::from_number(0));
        Self {
            columns,
            counts: Counts::default(),
            known: FxHashMap::default(),
            last_hour,
            key: Vec::new(),
        }
    }

    fn read(&mut self, record: &ByteRecord) -> Result<(), RejectReason> {
        let field = |column: usize| {
            record
                .get(column)
                .ok_or(RejectReason::ShortRow { column: column + 1 })
        };
        let count = parse_count(field(self.columns.count)?)?;
        let name = field(self.columns.name)?;
        let hour = self.hour(field(self.columns.hour)?)?;
        let optional = |column: Option<usize>| {
            column
                .and_then(|column| record.get(column))
                .unwrap_or_default()
        };
        let counter = self.counter(
            optional(self.columns.id),
            name,
            optional(self.columns.coordinates),
        )?;
        self.counts.push(counter, hour, count);
        Ok(())
    }

    fn hour(&mut self, field: &[u8]) -> Result<Hour, RejectReason> {
        if self.last_hour.0 != field {
            self.last_hour = (
                field.to_vec(),
                parse_hour(&decode(field)).inspect_err(|_| self.last_hour.0.clear())?,
            );
        }
        Ok(self.last_hour.1)
    }

    fn counter(
        &mut self,
        id: &[u8],
        name: &[u8],
        coordinates: &[u8],
    ) -> Result<CounterIndex, RejectReason> {
        self.key.clear();
        for part in [id, name, coordinates] {
            self.key.extend_from_slice(part);
            self.key.push(0);
        }
        if let Some(&index) = self.known.get(&self.key) {
            return Ok(index);
        }
        let name = decode(name)
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ");
        if name.is_empty() {
            return Err(RejectReason::MissingName);
        }
        let id = decode(id).trim().to_owned();
        let coordinates = Coordinates::parse(&decode(coordinates));
        let index = self.counts.intern(Counter {
            id: Some(id).filter(|id| !id.is_empty()),
            name,
            coordinates,
        });
        self.known.insert(self.key.clone(), index);
        Ok(index)
    }
}

/// Parses a count: digits, optionally with a zero fraction (`155.0`).
fn parse_count(field: &[u8]) -> Result<u32, RejectReason> {
    // Fast path: nearly all counts have at most four digits.
    if (1..=4).contains(&field.len()) && field.iter().all(u8::is_ascii_digit) {
        return Ok(field
            .iter()
            .fold(0, |count, digit| count * 10 + u32::from(digit - b'0')));
    }
    let text = decode(field);
    let text = text.trim();
    if text.is_empty() {
        return Err(RejectReason::MissingCount);
    }
    let bad = || RejectReason::InvalidCount(text.to_owned());
    let number = match text.parse::<i64>() {
        Ok(number) => number,
        Err(_) => whole(text.parse().map_err(|_| bad())?).ok_or_else(bad)?,
    };
    let count = u32::try_from(number)
        .ok()
        .filter(|count| *count <= MAXIMUM_COUNT);
    count.ok_or_else(|| RejectReason::CountOutOfRange(text.to_owned()))
}

fn whole(number: f64) -> Option<i64> {
    // The cast saturates, but only for numbers far above the maximum count.
    (number.is_finite() && number.fract() == 0.0).then_some(number as i64)
}

/// A reader with a read-ahead thread, so that decompression and parsing run in parallel.
struct ReadAhead {
    chunks: mpsc::Receiver<io::Result<Vec<u8>>>,
    chunk: Vec<u8>,
    position: usize,
}

impl ReadAhead {
    fn new(mut input: impl Read + Send + 'static) -> Self {
        let (sender, chunks) = mpsc::sync_channel(CHUNKS_AHEAD);
        thread::spawn(move || {
            loop {
                let mut chunk = Vec::with_capacity(CHUNK_BYTES);
                let result = input
                    .by_ref()
                    .take(CHUNK_BYTES as u64)
                    .read_to_end(&mut chunk)
                    .map(|_| chunk);
                let is_last = result.as_ref().map_or(true, Vec::is_empty);
                // Sending fails if the reader was dropped.
                if sender.send(result).is_err() || is_last {
                    return;
                }
            }
        });
        Self {
            chunks,
            chunk: Vec::new(),
            position: 0,
        }
    }
}

impl Read for ReadAhead {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.position == self.chunk.len() {
            self.chunk = self.chunks.recv().unwrap_or_else(|_| Ok(Vec::new()))?;
            self.position = 0;
        }
        let bytes = self.chunk[self.position..].as_ref().read(buffer)?;
        self.position += bytes;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests;
