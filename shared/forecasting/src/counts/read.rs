//! The reader of count exports.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read},
    mem,
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
    lines::{Lines, fields, has_open_quote, is_line_break, unquote},
    reject::Rejects,
    rows::RowReader,
    summary::Export,
};
use crate::time::Hour;

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
// Decompression copies its window at the start of each chunk, so small chunks are slower.
const CHUNK_BYTES: usize = 1 << 20;
const CHUNKS_AHEAD: usize = 4;

/// Reads counts from CSV in any known format of header, delimiter, encoding and hour.
///
/// Passes unusable rows to `rejects` and continues. Retains duplicates; see
/// [`Counts::deduplicate`]. Accepts hours in the future; see [`read_export`].
///
/// # Errors
/// Returns a [`ReadError`] if the input as a whole is unusable.
pub fn read(input: impl BufRead, rejects: &mut dyn Rejects) -> Result<Counts, ReadError> {
    let rows = read_rows(input, rejects)?;
    Ok(rows.into_builder().finish().counts)
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
    input: impl BufRead,
    now: Timestamp,
    rejects: &mut dyn Rejects,
) -> Result<Export, ReadError> {
    Ok(read_rows(input, rejects)?.into_export(Hour::containing(now)))
}

fn read_rows(
    mut input: impl BufRead,
    rejects: &mut dyn Rejects,
) -> Result<RowReader<'_>, ReadError> {
    let delimiter = sniff(&mut input)?;
    let mut lines = Lines::new(input);
    let (number, header) = lines.first().map_err(ReadError::Io)?;
    if has_open_quote(&header) {
        return Err(ReadError::UnclosedHeader);
    }
    let names: Vec<_> = fields(&header, delimiter)
        .map(|field| unquote(&header[field]))
        .collect();
    let columns = Columns::find(&names)?;
    let misspelt_column = columns.misspelt(&names);
    let mut rows = RowReader::new(columns, delimiter, rejects).with_misspelt(misspelt_column);
    rows.skip_lines(number);
    lines
        .for_each(|line| rows.add(line))
        .map_err(ReadError::Io)?;
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
pub fn open(path: &Path) -> Result<Box<dyn BufRead>, ReadError> {
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
pub fn decompress(input: impl Read + Send + 'static) -> io::Result<Box<dyn BufRead>> {
    let mut input = BufReader::with_capacity(CHUNK_BYTES, input);
    let is_gzip = input.fill_buf()?.starts_with(&GZIP_MAGIC);
    if is_gzip {
        Ok(Box::new(ReadAhead::new(MultiGzDecoder::new(input))))
    } else {
        Ok(Box::new(input))
    }
}

/// Checks the file type and the encoding, skips a byte order mark and returns the delimiter of the
/// first line.
fn sniff(input: &mut impl BufRead) -> Result<u8, ReadError> {
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
    let delimiter = header::delimiter(first_line);
    if start.starts_with(b"\xef\xbb\xbf") {
        input.consume(3);
    }
    Ok(delimiter)
}

/// A reader with a read-ahead thread, so that decompression and parsing run in parallel.
struct ReadAhead {
    chunks: mpsc::Receiver<io::Result<Vec<u8>>>,
    /// Returns used chunks to the thread. New memory for each chunk takes a quarter of the time of
    /// decompression.
    used: mpsc::Sender<Vec<u8>>,
    chunk: Vec<u8>,
    position: usize,
}

impl ReadAhead {
    fn new(mut input: impl Read + Send + 'static) -> Self {
        let (sender, chunks) = mpsc::sync_channel(CHUNKS_AHEAD);
        let (used, unused) = mpsc::channel::<Vec<u8>>();
        thread::spawn(move || {
            loop {
                let chunk = unused.try_recv().unwrap_or_default();
                let result = filled(chunk, &mut input);
                let is_last = result.as_ref().map_or(true, Vec::is_empty);
                // Sending fails if the reader was dropped.
                if sender.send(result).is_err() || is_last {
                    return;
                }
            }
        });
        Self {
            chunks,
            used,
            chunk: Vec::new(),
            position: 0,
        }
    }
}

/// Fills a chunk with bytes of the input. It is shorter than [`CHUNK_BYTES`] only at the end.
fn filled(mut chunk: Vec<u8>, input: &mut impl Read) -> io::Result<Vec<u8>> {
    chunk.resize(CHUNK_BYTES, 0);
    let mut length = 0;
    while length < CHUNK_BYTES {
        match input.read(&mut chunk[length..]) {
            Ok(0) => break,
            Ok(bytes) => length += bytes,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    chunk.truncate(length);
    Ok(chunk)
}

impl Read for ReadAhead {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut rest = self.fill_buf()?;
        let bytes = rest.read(buffer)?;
        self.consume(bytes);
        Ok(bytes)
    }
}

impl BufRead for ReadAhead {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.position == self.chunk.len() {
            let next = self.chunks.recv().unwrap_or_else(|_| Ok(Vec::new()))?;
            let used = mem::replace(&mut self.chunk, next);
            self.position = 0;
            // Sending fails if the thread has ended.
            let _ = self.used.send(used);
        }
        Ok(&self.chunk[self.position..])
    }

    fn consume(&mut self, bytes: usize) {
        self.position += bytes;
    }
}

#[cfg(test)]
mod tests;
