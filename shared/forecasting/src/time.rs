//! Hours, days and weeks of Paris.
//!
//! A count belongs to an [`Hour`], which is an instant. Tables and events belong to a [`Day`] or an
//! ISO [`Week`] of Europe/Paris. A local day has 23, 24 or 25 hours.

use std::{fmt, str::FromStr, sync::LazyLock};

use jiff::{
    Timestamp,
    civil::{Date, ISOWeekDate, Weekday},
    tz::TimeZone,
};
use serde::{Deserialize, Serialize};
use serde_with::{DeserializeFromStr, SerializeDisplay};

const SECONDS_PER_HOUR: i64 = 3600;

static PARIS: LazyLock<TimeZone> = LazyLock::new(|| {
    #[expect(
        clippy::expect_used,
        reason = "the time zone database is compiled into the program"
    )]
    TimeZone::get("Europe/Paris").expect("Europe/Paris is in the bundled time zone database")
});

/// Returns the time zone of all days, weekdays and hours of the day: Europe/Paris.
pub fn paris() -> TimeZone {
    PARIS.clone()
}

/// An hour that starts on the hour in UTC, stored as the number of hours since
/// 1970-01-01T00:00Z.
///
/// All offsets of Europe/Paris since 1911 are whole hours, so each full local hour is also a full
/// hour in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Hour(i32);

impl Hour {
    /// Returns the hour that starts at `timestamp`, or `None` if `timestamp` is not on the hour.
    pub fn starting_at(timestamp: Timestamp) -> Option<Self> {
        let second = timestamp.as_second();
        let on_the_hour = second % SECONDS_PER_HOUR == 0 && timestamp.subsec_nanosecond() == 0;
        on_the_hour.then(|| Self::containing_second(second))
    }

    /// Returns the hour that contains `timestamp`.
    pub fn containing(timestamp: Timestamp) -> Self {
        Self::containing_second(timestamp.as_second())
    }

    /// Creates an hour from the number of hours since 1970-01-01T00:00Z.
    pub const fn from_number(number: i32) -> Self {
        Self(number)
    }

    /// Returns the number of hours since 1970-01-01T00:00Z.
    pub const fn number(self) -> i32 {
        self.0
    }

    /// Returns the hour `hours` later, or earlier if `hours` is negative. Saturates at the bounds
    /// of `i32`.
    pub const fn plus(self, hours: i32) -> Self {
        Self(self.0.saturating_add(hours))
    }

    /// Returns the start of the hour.
    pub fn timestamp(self) -> Timestamp {
        Timestamp::from_second(i64::from(self.0) * SECONDS_PER_HOUR).unwrap_or(Timestamp::MAX)
    }

    /// Converts the hour to local time in Paris.
    pub fn local(self) -> LocalHour {
        let local = PARIS.to_datetime(self.timestamp());
        LocalHour {
            date: local.date(),
            hour: local.hour(),
        }
    }

    /// Returns the day in Paris that contains the hour.
    pub fn day(self) -> Day {
        Day(self.local().date)
    }

    fn containing_second(second: i64) -> Self {
        let number = second.div_euclid(SECONDS_PER_HOUR);
        Self(i32::try_from(number).unwrap_or(i32::MAX))
    }
}

impl fmt::Display for Hour {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.timestamp().fmt(formatter)
    }
}

/// An hour in local time of Paris.
///
/// When the clocks go back, two hours have the same local time. When they go forward, one local
/// hour does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalHour {
    /// The date in Paris.
    pub date: Date,
    /// The hour of the day, 0 to 23.
    pub hour: i8,
}

impl LocalHour {
    /// Returns the weekday, from 0 for Monday to 6 for Sunday.
    pub fn weekday(self) -> i8 {
        self.date.weekday().to_monday_zero_offset()
    }
}

/// A calendar day of Europe/Paris, written `2021-07-19`.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, SerializeDisplay, DeserializeFromStr,
)]
pub struct Day(Date);

impl Day {
    /// Creates a day from a civil date.
    pub const fn from_date(date: Date) -> Self {
        Self(date)
    }

    /// Returns the day in Paris at `timestamp`.
    pub fn of(timestamp: Timestamp) -> Self {
        Self(PARIS.to_datetime(timestamp).date())
    }

    /// Returns the civil date.
    pub const fn date(self) -> Date {
        self.0
    }

    /// Returns the day `days` later, or earlier if `days` is negative. Saturates at the bounds of
    /// the calendar.
    pub fn plus(self, days: i32) -> Self {
        Self(
            self.0
                .saturating_add(jiff::Span::new().try_days(days).unwrap_or_default()),
        )
    }

    /// Returns the first hour of the day.
    pub fn first_hour(self) -> Hour {
        // The last day of the calendar begins after the last instant.
        Hour::containing(self.at(0))
    }

    /// Returns the hours of the day: 24, or 23 or 25 when the clocks change. The last two days of
    /// the calendar have fewer, because the last instant is 9999-12-30T22:00:00 UTC.
    pub fn hours(self) -> impl Iterator<Item = Hour> {
        (self.first_hour().0..self.plus(1).first_hour().0).map(Hour)
    }

    /// Returns the instant of `hour` o'clock local time on this day. Clamps `hour` to 0 to 23.
    ///
    /// A repeated local hour yields its first occurrence. A skipped one yields the instant one hour
    /// later.
    pub fn at(self, hour: i8) -> Timestamp {
        // A zoned datetime would count one more reference to the zone, which all threads share.
        let start = PARIS
            .to_ambiguous_timestamp(self.0.at(hour.clamp(0, 23), 0, 0, 0))
            .compatible();
        start.unwrap_or(Timestamp::MAX)
    }

    /// Returns the hour that starts at `hour` o'clock local time on this day, or `None` if the
    /// local hour does not exist. A repeated local hour yields its first occurrence.
    pub fn local_hour(self, hour: i8) -> Option<Hour> {
        let found = Hour::containing(self.at(hour));
        let local = LocalHour { date: self.0, hour };
        (found.local() == local).then_some(found)
    }

    /// Returns the days from `self` to `last`, both included.
    pub fn through(self, last: Self) -> impl Iterator<Item = Self> {
        // The last day of the calendar has no next day.
        let next = |day: &Self| Some(day.plus(1)).filter(|next| next > day);
        std::iter::successors(Some(self), next).take_while(move |day| *day <= last)
    }

    /// Returns the number of days from `self` to `later`, negative if `later` is earlier.
    pub fn days_until(self, later: Self) -> i32 {
        self.0.until(later.0).map_or(0, |span| span.get_days())
    }

    /// Formats the day as in the names of daily tables: `20210719`.
    pub fn compact(self) -> String {
        self.0.strftime("%Y%m%d").to_string()
    }

    /// Parses a day in the format of [`Day::compact`].
    ///
    /// # Errors
    /// Returns [`TimeError::Day`] if `text` does not have this format or the day does not exist.
    pub fn from_compact(text: &str) -> Result<Self, TimeError> {
        Date::strptime("%Y%m%d", text)
            .map(Self)
            .map_err(|source| TimeError::Day {
                text: text.to_owned(),
                source,
            })
    }

    /// Returns the ISO week that contains the day.
    pub fn week(self) -> Week {
        let iso = self.0.iso_week_date();
        Week {
            year: iso.year(),
            week: iso.week(),
        }
    }
}

impl fmt::Display for Day {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl FromStr for Day {
    type Err = TimeError;

    fn from_str(text: &str) -> Result<Self, TimeError> {
        text.parse().map(Self).map_err(|source| TimeError::Day {
            text: text.to_owned(),
            source,
        })
    }
}

/// An ISO 8601 week, Monday to Sunday, written `2021-W30`.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, SerializeDisplay, DeserializeFromStr,
)]
pub struct Week {
    year: i16,
    week: i8,
}

impl Week {
    /// Returns the Monday of the week.
    pub fn first_day(self) -> Day {
        ISOWeekDate::new(self.year, self.week, Weekday::Monday)
            .map_or(Day(Date::MAX), |iso| Day(iso.date()))
    }

    /// Returns the Sunday of the week.
    pub fn last_day(self) -> Day {
        self.first_day().plus(6)
    }
}

impl fmt::Display for Week {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:04}-W{:02}", self.year, self.week)
    }
}

impl FromStr for Week {
    type Err = TimeError;

    fn from_str(text: &str) -> Result<Self, TimeError> {
        let invalid = || TimeError::Week {
            text: text.to_owned(),
        };
        let (year, week) = text.split_once("-W").ok_or_else(invalid)?;
        // The parser of integers also accepts a sign.
        let is_number = |text: &str, digits: usize| {
            text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit())
        };
        let has_valid_format = is_number(year, 4) && is_number(week, 2);
        let (year, week) = (
            year.parse().map_err(|_| invalid())?,
            week.parse().map_err(|_| invalid())?,
        );
        let exists = ISOWeekDate::new(year, week, Weekday::Monday).is_ok();
        if has_valid_format && exists {
            Ok(Self { year, week })
        } else {
            Err(invalid())
        }
    }
}

/// An invalid day or week.
#[derive(Debug, thiserror::Error)]
pub enum TimeError {
    /// The text is not a valid date.
    #[error("cannot parse `{text}` as a day such as 2021-07-19")]
    Day {
        /// The rejected text.
        text: String,
        /// The parser's error.
        source: jiff::Error,
    },
    /// The text is not a valid ISO week.
    #[error("cannot parse `{text}` as an ISO week such as 2021-W30")]
    Week {
        /// The rejected text.
        text: String,
    },
}

#[cfg(test)]
mod tests;
