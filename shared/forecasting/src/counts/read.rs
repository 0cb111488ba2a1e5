//! The reader of count exports.

use std::{
    borrow::Cow,
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::{Path, PathBuf},
    sync::mpsc,
    thread,
};

use encoding_rs::WINDOWS_1252;
use flate2::bufread::MultiGzDecoder;
use rustc_hash::FxHashMap;
use simd_csv::ByteRecord;

use super::{
    Coordinates, Counter, CounterIndex, Counts, MAXIMUM_COUNT,
    header::{self, Columns},
    reject::{Reject, RejectReason, Rejects},
    timestamp::parse_hour,
};
use crate::time::Hour;

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
// Unpacking begins each chunk with a copy of its window, so small ones are slower.
const CHUNK_BYTES: usize = 1 << 20;
const CHUNKS_AHEAD: usize = 4;

/// Reads a CSV of counts: either header, either delimiter, UTF-8 or cp1252, every known spelling of an hour.
///
/// Rows that cannot be used go to `rejects`; the rest goes on. Duplicates stay, see [`Counts::deduplicate`].
///
/// # Errors
/// When the input as a whole cannot be used: see [`ReadError`].
pub fn read(input: impl Read, rejects: &mut dyn Rejects) -> Result<Counts, ReadError> {
    let mut input = BufReader::with_capacity(CHUNK_BYTES, input);
    let delimiter = sniff(&mut input)?;
    // Three quarters of the time to read a file is the search for its delimiters, and SIMD makes that 2.5 times faster.
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

/// Reads a file of counts, plain or gzip, see [`read`].
///
/// # Errors
/// As [`read`], with the path.
pub fn read_file(path: &Path, rejects: &mut dyn Rejects) -> Result<Counts, ReadError> {
    let in_file = |source| ReadError::File {
        path: path.to_owned(),
        source: Box::new(source),
    };
    read(open(path)?, rejects).map_err(in_file)
}

/// Opens a file, unpacking it on a thread of its own when it begins as gzip does.
///
/// # Errors
/// When the file cannot be opened or its first bytes cannot be read.
pub fn open(path: &Path) -> Result<Box<dyn Read>, ReadError> {
    let cannot_open = |source| ReadError::Open {
        path: path.to_owned(),
        source,
    };
    let in_file = |source| ReadError::File {
        path: path.to_owned(),
        source: Box::new(ReadError::Io(source)),
    };
    unpack(File::open(path).map_err(cannot_open)?).map_err(in_file)
}

/// Unpacks an input on a thread of its own when it begins as gzip does; any other is passed on as it is.
///
/// # Errors
/// When its first bytes cannot be read.
pub fn unpack(input: impl Read + Send + 'static) -> io::Result<Box<dyn Read>> {
    let mut input = BufReader::with_capacity(CHUNK_BYTES, input);
    let is_gzip = input.fill_buf()?.starts_with(&GZIP_MAGIC);
    if is_gzip {
        Ok(Box::new(ReadAhead::new(MultiGzDecoder::new(input))))
    } else {
        Ok(Box::new(input))
    }
}

/// An input that cannot be read as counts at all.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file is not there, or not for everybody.
    #[error("cannot open the file of counts {path}", path = path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The file, and what is wrong with it.
    #[error("cannot read counts from {path}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<ReadError>,
    },
    /// There is not even a header.
    #[error("the input is empty")]
    Empty,
    /// UTF-16 or binary data.
    #[error("the input is {found}; save it as UTF-8 (cp1252 is read too)")]
    Encoding {
        /// What it looks like.
        found: &'static str,
    },
    /// A column that counts cannot do without.
    #[error("the header has no column `{column}`; it has: {found}")]
    MissingColumn {
        /// The column's name in the tables.
        column: &'static str,
        /// The header's names, folded.
        found: String,
    },
    /// The bytes do not come, or not as gzip.
    #[error("the input breaks off")]
    Io(#[source] io::Error),
}

/// Reads bytes as UTF-8, or as cp1252 where they are not UTF-8.
pub(super) fn decode(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => WINDOWS_1252.decode_without_bom_handling(bytes).0,
    }
}

/// Checks the encoding, skips a byte order mark and guesses the delimiter from the first line.
fn sniff(input: &mut impl BufRead) -> Result<u8, ReadError> {
    let start = input.fill_buf().map_err(ReadError::Io)?;
    if start.is_empty() {
        return Err(ReadError::Empty);
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

/// Turns records into counts, remembering what it read last: exports list all counters hour by hour.
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
            return Err(RejectReason::NoName);
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

/// Reads a count: digits, or digits with a fraction of zero (`155.0`).
fn parse_count(field: &[u8]) -> Result<u32, RejectReason> {
    // Nearly all counts are a few digits.
    if (1..=4).contains(&field.len()) && field.iter().all(u8::is_ascii_digit) {
        return Ok(field
            .iter()
            .fold(0, |count, digit| count * 10 + u32::from(digit - b'0')));
    }
    let text = decode(field);
    let text = text.trim();
    if text.is_empty() {
        return Err(RejectReason::NoCount);
    }
    let bad = || RejectReason::BadCount(text.to_owned());
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
    // The cast saturates, and what saturates is far beyond the largest count.
    (number.is_finite() && number.fract() == 0.0).then_some(number as i64)
}

/// A reader that lets another thread read ahead, so that unpacking and parsing share two cores.
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
                // A failed send means that nobody reads any more.
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
