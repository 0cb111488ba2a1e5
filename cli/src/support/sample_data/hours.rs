//! The hours of a day in Paris, in the format of the public export.

use jiff::{Timestamp, ToSpan as _, civil::Date, tz::TimeZone};

/// An hour of a day.
pub(super) struct Hour {
    /// The hour in Paris, 0 to 23.
    pub(super) of_day: usize,
    /// The start of the hour, for example `2020-09-01T03:00:00+02:00`.
    pub(super) written: String,
    /// If `true`, the clock change skipped the hour before.
    pub(super) after_gap: bool,
}

impl Hour {
    /// Returns the month, for example `2020-09`.
    pub(super) fn month(&self) -> &str {
        self.written.get(..7).unwrap_or_default()
    }
}

/// The time zone of Paris.
pub(super) struct Paris(TimeZone);

impl Paris {
    pub(super) fn new() -> Result<Self, jiff::Error> {
        TimeZone::get("Europe/Paris").map(Self)
    }

    /// Returns the hours of a day that the public export contains.
    ///
    /// In autumn, two hours start at 02:00. The export contains only the second one.
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

    /// Returns the offset from UTC in seconds.
    fn offset(&self, instant: Timestamp) -> i32 {
        self.0.to_offset(instant).seconds()
    }
}
