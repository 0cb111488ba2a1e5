//! The hours of a day in Paris, as the public export writes them.

use jiff::{Timestamp, ToSpan as _, civil::Date, tz::TimeZone};

/// One hour of counting.
pub(super) struct Hour {
    /// 0 to 23 on the clocks of Paris.
    pub(super) of_day: usize,
    /// Its beginning, in the manner of `2020-09-01T03:00:00+02:00`.
    pub(super) written: String,
    /// Whether clocks skipped the hour before.
    pub(super) after_gap: bool,
}

impl Hour {
    /// Gives its month, in the manner of `2020-09`.
    pub(super) fn month(&self) -> &str {
        self.written.get(..7).unwrap_or_default()
    }
}

/// Knows the clocks of Paris.
pub(super) struct Paris(TimeZone);

impl Paris {
    pub(super) fn new() -> Result<Self, jiff::Error> {
        TimeZone::get("Europe/Paris").map(Self)
    }

    /// Lists the hours of a day that the export knows.
    ///
    /// In autumn, of the two that begin at 02:00, it has the second only.
    pub(super) fn hours(&self, day: Date) -> Result<Vec<Hour>, jiff::Error> {
        let end = self.midnight(day.tomorrow()?)?;
        let mut begin = self.midnight(day)?;
        let mut hours = Vec::with_capacity(24);
        while begin < end {
            let next = begin.checked_add(1.hour())?;
            let goes_back = self.offset(next) < self.offset(begin);
            if !goes_back {
                hours.push(self.hour(begin)?);
            }
            begin = next;
        }
        Ok(hours)
    }

    fn midnight(&self, day: Date) -> Result<Timestamp, jiff::Error> {
        self.0.to_timestamp(day.at(0, 0, 0, 0))
    }

    fn hour(&self, begin: Timestamp) -> Result<Hour, jiff::Error> {
        let zoned = begin.to_zoned_datetime(self.0.clone());
        let before = begin.checked_sub(1.hour())?;
        Ok(Hour {
            of_day: usize::from(zoned.hour().unsigned_abs()),
            written: zoned.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string(),
            after_gap: self.offset(before) < self.offset(begin),
        })
    }

    /// Gives the offset from UTC in seconds.
    fn offset(&self, instant: Timestamp) -> i32 {
        self.0.to_offset(instant).seconds()
    }
}
