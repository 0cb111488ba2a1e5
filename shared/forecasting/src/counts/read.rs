//! The reader of count exports.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::Path,
    sync::mpsc,
    thread,
};

use flate2::bufread::MultiGzDecoder;
use jiff::Timestamp;

use super::{
    Counts,
    error::ReadError,
    file_type,
    header::{self, Columns},
    lines::{self, LineBreaks, is_line_break},
    reject::Rejects,
    rows::RowReader,
    summary::Export,
};
use crate::time::Hour;

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
// Decompression copies its window at the start of each chunk, so small chunks are slower.
const CHUNK_BYTES: usize = 1 << 20;
const CHUNKS_AHEAD: usize = 4;
/// The size of the buffer in which rows are split into fields. Rows across two buffers are copied.
const ROW_BUFFER_BYTES: usize = 1 << 16;

/// Reads counts from CSV in any known format of header, delimiter, encoding and hour.
///
/// Passes unusable rows to `rejects` and continues. Retains duplicates; see
/// [`Counts::deduplicate`]. Accepts hours in the future; see [`read_export`].
///
/// # Errors
/// Returns a [`ReadError`] if the input as a whole is unusable.
pub fn read(input: impl Read, rejects: &mut dyn Rejects) -> Result<Counts, ReadError> {
    read_rows(buffered(input), rejects).map(into_counts)
}

/// Reads counts from CSV in memory, as [`read`] does, but without a buffer for the input.
///
/// # Errors
/// Returns a [`ReadError`] if the input as a whole is unusable.
pub fn read_bytes(input: &[u8], rejects: &mut dyn Rejects) -> Result<Counts, ReadError> {
    read_rows(input, rejects).map(into_counts)
}

/// Reads an export as [`read`] does, and checks that its hours are plausible.
///
/// Rejects hours that begin after `now`, and groups of hours that are far from the rest and have
/// less than 1 % of the rows. Drops duplicates. Each row is a count, a duplicate or rejected, see
/// [`ReadSummary`](super::ReadSummary).
///
/// # Errors
/// Returns a [`ReadError`] if the input as a whole is unusable.
pub fn read_export(
    input: impl Read,
    now: Timestamp,
    rejects: &mut dyn Rejects,
) -> Result<Export, ReadError> {
    Ok(read_rows(buffered(input), rejects)?.into_export(Hour::containing(now)))
}

fn buffered<R: Read>(input: R) -> BufReader<R> {
    BufReader::with_capacity(CHUNK_BYTES, input)
}

fn into_counts(rows: RowReader<'_>) -> Counts {
    rows.into_builder().finish().counts
}

fn read_rows(
    mut input: impl BufRead,
    rejects: &mut dyn Rejects,
) -> Result<RowReader<'_>, ReadError> {
    let Start {
        delimiter,
        has_carriage_returns,
    } = sniff(&mut input)?;
    // The search for delimiters takes three quarters of the time. SIMD makes it 2.5 times faster.
    let mut reader = simd_csv::ZeroCopyReaderBuilder::with_capacity(ROW_BUFFER_BYTES)
        .delimiter(delimiter)
        .flexible(true)
        .from_reader(LineBreaks::new(input, has_carriage_returns));
    let header = reader.byte_headers().map_err(ReadError::of_csv)?;
    if header.iter().any(|field| field.contains(&b'\n')) {
        return Err(ReadError::UnclosedHeader);
    }
    let columns = Columns::find(header)?;
    let misspelt_column = columns.misspelt(header);
    let mut rows = RowReader::new(columns, delimiter, rejects).with_misspelt(misspelt_column);
    while let Some(record) = reader.read_byte_record().map_err(ReadError::of_csv)? {
        let line = record.as_slice();
        if memchr::memchr2(b'\n', b'\r', line).is_none() {
            rows.add(&record);
        } else {
            rows.add_lines(line)?;
        }
    }
    Ok(rows)
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

/// Reads an export from a plain or gzip file, as [`read_export`] does.
///
/// # Errors
/// Returns the errors of [`read_file`].
pub fn read_export_file(
    path: &Path,
    now: Timestamp,
    rejects: &mut dyn Rejects,
) -> Result<Export, ReadError> {
    let in_file = |source| ReadError::File {
        path: path.to_owned(),
        source: Box::new(source),
    };
    read_export(open(path)?, now, rejects).map_err(in_file)
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
    let mut input = buffered(input);
    let is_gzip = input.fill_buf()?.starts_with(&GZIP_MAGIC);
    if is_gzip {
        Ok(Box::new(ReadAhead::new(MultiGzDecoder::new(input))))
    } else {
        Ok(Box::new(input))
    }
}

/// The properties of an input that its first line shows.
struct Start {
    delimiter: u8,
    has_carriage_returns: bool,
}

/// Checks the file type and the encoding, skips a byte order mark and reads the first line.
fn sniff(input: &mut impl BufRead) -> Result<Start, ReadError> {
    let start = input.fill_buf().map_err(ReadError::Io)?;
    if start.is_empty() {
        return Err(ReadError::EmptyInput);
    }
    file_type::check(start)?;
    if start.starts_with(&[0xff, 0xfe]) || start.starts_with(&[0xfe, 0xff]) {
        return Err(ReadError::Encoding { found: "UTF-16" });
    }
    let first_line = start
        .split(|byte| is_line_break(*byte))
        .find(|line| !line.is_empty())
        .unwrap_or_default();
    if first_line.contains(&0) {
        return Err(ReadError::Encoding {
            found: "binary data",
        });
    }
    let properties = Start {
        delimiter: header::delimiter(first_line),
        has_carriage_returns: lines::has_carriage_returns(start),
    };
    if start.starts_with(b"\xef\xbb\xbf") {
        input.consume(3);
    }
    Ok(properties)
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
