//! Rejected rows, with row number and reason.

use std::io::Write;

/// A row that was rejected while reading an input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    /// The row number in the input, as editors show it: header and empty lines are counted.
    pub row: u64,
    /// The reason for the rejection.
    pub reason: RejectReason,
    /// The decoded line. For an implausible hour: id, name, count and hour, joined by semicolons.
    pub text: String,
}

/// The reason for rejecting a row.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RejectReason {
    /// The counter name is empty.
    #[error("no counter name")]
    MissingName,
    /// The count is empty.
    #[error("no count")]
    MissingCount,
    /// The count is not a whole number.
    #[error("the count `{0}` is not a whole number")]
    InvalidCount(String),
    /// The count has a separator that is a decimal one in some countries only.
    #[error("the count `{0}` has two meanings; write it without a separator of thousands")]
    AmbiguousCount(String),
    /// The count is negative or above [`MAXIMUM_COUNT`](super::MAXIMUM_COUNT).
    #[error("the count {0} is not between 0 and {max}", max = super::MAXIMUM_COUNT)]
    CountOutOfRange(String),
    /// The hour has an unknown format or does not exist.
    #[error("`{0}` is not a date and hour")]
    InvalidHour(String),
    /// The time is not on the hour.
    #[error("`{0}` is not the start of an hour")]
    NotOnTheHour(String),
    /// The hour without an offset does not exist, because the clocks go forward.
    #[error("`{0}` does not exist in Paris: the clocks go forward")]
    SkippedHour(String),
    /// The hour has not begun yet.
    #[error("the hour {0} is in the future")]
    FutureHour(String),
    /// The hour is far from nearly all other hours of the file.
    #[error("the hour {0} is far from the other hours of the file")]
    IsolatedHour(String),
    /// The year is implausible.
    #[error("`{0}` is outside 2010 to 2049")]
    HourOutOfRange(String),
    /// The row has fewer fields than required.
    #[error("the row ends before column {column}")]
    ShortRow {
        /// The one-based position of a missing column.
        column: usize,
    },
    /// A quotation mark is not closed in the same line.
    #[error("a quotation mark is not closed in this line")]
    UnclosedQuote,
    /// The row belongs to a day that was not requested.
    #[error("the hour {0} was not requested")]
    UnrequestedDay(String),
}

impl RejectReason {
    /// Returns the reason without the rejected value, as a key for counting rows by reason.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::MissingName => "no counter name",
            Self::MissingCount => "no count",
            Self::InvalidCount(_) => "the count is not a whole number",
            Self::AmbiguousCount(_) => "the count has two meanings",
            Self::CountOutOfRange(_) => "the count is out of range",
            Self::InvalidHour(_) => "the hour is not a date and hour",
            Self::NotOnTheHour(_) => "the hour is not the start of an hour",
            Self::SkippedHour(_) => "the hour does not exist",
            Self::FutureHour(_) => "the hour is in the future",
            Self::IsolatedHour(_) => "the hour is far from the rest of the file",
            Self::HourOutOfRange(_) => "the hour is outside 2010 to 2049",
            Self::ShortRow { .. } => "the row is too short",
            Self::UnclosedQuote => "a quotation mark is not closed",
            Self::UnrequestedDay(_) => "the hour was not requested",
        }
    }
}

/// A receiver of the rows that are rejected while an input is read.
pub trait Rejects {
    /// Receives one rejected row.
    fn reject(&mut self, reject: Reject);
}

impl Rejects for Vec<Reject> {
    fn reject(&mut self, reject: Reject) {
        self.push(reject);
    }
}

/// A writer of rejected rows as CSV with the columns `row`, `reason` and `text`.
///
/// Rows are not collected in memory, so their number is unlimited.
pub struct RejectWriter<W: Write> {
    writer: csv::Writer<W>,
    rows: u64,
    failure: Option<csv::Error>,
}

impl<W: Write> RejectWriter<W> {
    /// Creates a writer and writes the header to `out`.
    pub fn new(out: W) -> Self {
        let mut writer = csv::Writer::from_writer(out);
        let failure = writer.write_record(["row", "reason", "text"]).err();
        Self {
            writer,
            rows: 0,
            failure,
        }
    }

    /// Flushes the output and returns the number of rejected rows.
    ///
    /// # Errors
    /// Returns an error if flushing fails, otherwise the first failed write.
    pub fn finish(mut self) -> Result<u64, csv::Error> {
        self.writer.flush()?;
        self.failure.map_or(Ok(self.rows), Err)
    }
}

impl<W: Write> Rejects for RejectWriter<W> {
    fn reject(&mut self, reject: Reject) {
        let record = [
            reject.row.to_string(),
            reject.reason.to_string(),
            reject.text,
        ];
        match self.writer.write_record(record) {
            Ok(()) => self.rows += 1,
            Err(error) => self.failure = self.failure.take().or(Some(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reject_writer_writes_row_number_and_reason() {
        let mut file = Vec::new();
        let mut writer = RejectWriter::new(&mut file);
        writer.reject(Reject {
            row: 7,
            reason: RejectReason::InvalidCount("many".into()),
            text: "a;many".into(),
        });
        assert_eq!(writer.finish().unwrap(), 1);
        let text = String::from_utf8(file).unwrap();
        assert_eq!(
            text,
            "row,reason,text\n7,the count `many` is not a whole number,a;many\n"
        );
    }
}
