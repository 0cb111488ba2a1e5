//! Quarters of a year, written as in 2021-Q3.

use std::{fmt, str::FromStr};

use forecasting::time::Day;
use serde_with::{DeserializeFromStr, SerializeDisplay};

/// A quarter of a year. The text form is `YYYY-QN`, as in `2021-Q3`.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, SerializeDisplay, DeserializeFromStr,
)]
pub struct Quarter {
    year: i16,
    number: i8,
}

impl Quarter {
    /// Returns the quarter that contains a day.
    pub fn of(day: Day) -> Self {
        Self {
            year: day.date().year(),
            number: (day.date().month() + 2) / 3,
        }
    }
}

impl fmt::Display for Quarter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:04}-Q{}", self.year, self.number)
    }
}

impl FromStr for Quarter {
    type Err = QuarterError;

    fn from_str(text: &str) -> Result<Self, QuarterError> {
        let parse = || {
            let (year, number) = text.split_once("-Q")?;
            let quarter = Self {
                year: year.parse().ok()?,
                number: number.parse().ok()?,
            };
            // Other spellings, such as 2021-Q03, are invalid, because the text names a folder.
            ((1..=4).contains(&quarter.number) && quarter.to_string() == text).then_some(quarter)
        };
        parse().ok_or(QuarterError)
    }
}

/// The error of parsing a [`Quarter`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid quarter: write it as in 2021-Q3")]
pub struct QuarterError;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quarter_round_trips_through_text_and_rejects_other_spellings() {
        for (day, expected) in [
            ("2021-01-01", "2021-Q1"),
            ("2021-03-31", "2021-Q1"),
            ("2021-04-01", "2021-Q2"),
            ("2021-12-31", "2021-Q4"),
        ] {
            let quarter = Quarter::of(day.parse().unwrap());
            assert_eq!(
                (quarter.to_string().as_str(), expected.parse()),
                (expected, Ok(quarter))
            );
        }
        for text in [
            "", "2021", "2021-Q0", "2021-Q5", "2021-Q03", "21-Q1", "../x-Q1",
        ] {
            assert_eq!(text.parse::<Quarter>(), Err(QuarterError), "{text}");
        }
    }
}
