//! Rows that could not be used, kept with their number and the reason.

use std::io::Write;

/// A row of an input that could not be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    /// The row of the input, the header being row 1; empty lines do not count.
    pub row: u64,
    /// What is wrong with it.
    pub reason: RejectReason,
    /// The fields of the row, joined by the input's delimiter.
    pub text: String,
}

/// Why a row could not be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RejectReason {
    /// The name of the counter is empty.
    #[error("the counter has no name")]
    NoName,
    /// The count is empty.
    #[error("there is no count")]
    NoCount,
    /// The count is no whole number.
    #[error("the count `{0}` is no whole number of bicycles")]
    BadCount(String),
    /// The count is beyond what a counter can see.
    #[error("the count {0} is not within 0 and {max}", max = super::MAXIMUM_COUNT)]
    CountOutOfRange(String),
    /// The date cannot be read, or no calendar has it.
    #[error("`{0}` is no date and hour")]
    BadDate(String),
    /// The date lies between two full hours.
    #[error("`{0}` is not the beginning of an hour")]
    NotOnTheHour(String),
    /// The date lies decades away.
    #[error("`{0}` lies outside of 2010 to 2049")]
    ImplausibleDate(String),
    /// The row is shorter than its header.
    #[error("the row ends before column {column}")]
    ShortRow {
        /// The first column that is missing, from 1.
        column: usize,
    },
    /// The row lies in a day that was not asked for.
    #[error("the hour {0} was not asked for")]
    OtherDay(String),
}

impl RejectReason {
    /// Returns the reason without what stood in the row, so that rows can be counted by it.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::NoName => "the counter has no name",
            Self::NoCount => "there is no count",
            Self::BadCount(_) => "the count is no whole number",
            Self::CountOutOfRange(_) => "the count is out of range",
            Self::BadDate(_) => "the date cannot be read",
            Self::NotOnTheHour(_) => "the date is not the beginning of an hour",
            Self::ImplausibleDate(_) => "the date lies decades away",
            Self::ShortRow { .. } => "the row is too short",
            Self::OtherDay(_) => "the hour was not asked for",
        }
    }
}

/// Receives rejected rows while an input is read.
pub trait Rejects {
    /// Keeps one row.
    fn reject(&mut self, reject: Reject);
}

impl Rejects for Vec<Reject> {
    fn reject(&mut self, reject: Reject) {
        self.push(reject);
    }
}

/// Writes rejected rows as CSV with the columns `row`, `reason`, `text`, however many there are.
pub struct RejectWriter<W: Write> {
    writer: csv::Writer<W>,
    rows: u64,
    failure: Option<csv::Error>,
}

impl<W: Write> RejectWriter<W> {
    /// Starts a reject file.
    pub fn new(out: W) -> Self {
        let mut writer = csv::Writer::from_writer(out);
        let failure = writer.write_record(["row", "reason", "text"]).err();
        Self {
            writer,
            rows: 0,
            failure,
        }
    }

    /// Ends the file and returns the number of rows in it.
    ///
    /// # Errors
    /// The first failure to write.
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
    fn a_reject_file_names_line_and_reason() {
        let mut file = Vec::new();
        let mut writer = RejectWriter::new(&mut file);
        writer.reject(Reject {
            row: 7,
            reason: RejectReason::BadCount("many".into()),
            text: "a;many".into(),
        });
        assert_eq!(writer.finish().unwrap(), 1);
        let text = String::from_utf8(file).unwrap();
        assert_eq!(
            text,
            "row,reason,text\n7,the count `many` is no whole number of bicycles,a;many\n"
        );
    }
}
