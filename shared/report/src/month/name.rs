//! The name of a month.

use std::{fmt, str::FromStr};

use forecasting::time::Day;
use jiff::civil::Date;

/// A calendar month, written `2021-08`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Month(Day);

impl Month {
    /// Returns the month that contains a day.
    pub fn of(day: Day) -> Self {
        Self(Day::from_date(day.date().first_of_month()))
    }

    /// Returns the first day.
    pub const fn first_day(self) -> Day {
        self.0
    }

    /// Returns the last day.
    pub fn last_day(self) -> Day {
        Day::from_date(self.0.date().last_of_month())
    }

    /// Returns the name in words: `August 2021`.
    pub fn name(self) -> String {
        self.0.date().strftime("%B %Y").to_string()
    }
}

impl fmt::Display for Month {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let date = self.0.date();
        write!(formatter, "{:04}-{:02}", date.year(), date.month())
    }
}

impl FromStr for Month {
    type Err = MonthError;

    fn from_str(text: &str) -> Result<Self, MonthError> {
        let error = || MonthError {
            text: text.chars().take(40).collect(),
        };
        let (year, month) = text.split_once('-').ok_or_else(error)?;
        let is_number = |text: &str, digits: usize| {
            text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit())
        };
        if !is_number(year, 4) || !is_number(month, 2) {
            return Err(error());
        }
        let year: i16 = year.parse().map_err(|_| error())?;
        let month: i8 = month.parse().map_err(|_| error())?;
        let first = Date::new(year, month, 1).map_err(|_| error())?;
        Ok(Self(Day::from_date(first)))
    }
}

/// The error returned when a text is not the name of a month.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid month `{text}`: expected YEAR-MONTH, for example 2021-08")]
pub struct MonthError {
    text: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn month_has_its_days_and_its_name() {
        let month: Month = "2024-02".parse().unwrap();
        assert_eq!(
            (month.first_day().to_string(), month.last_day().to_string()),
            ("2024-02-01".to_owned(), "2024-02-29".to_owned())
        );
        assert_eq!(
            (month.to_string(), month.name()),
            ("2024-02".to_owned(), "February 2024".to_owned())
        );
        assert_eq!(Month::of("2024-02-29".parse().unwrap()), month);
    }

    #[test]
    fn other_texts_are_no_months() {
        for text in [
            "",
            "2021",
            "2021-13",
            "2021-00",
            "2021-8",
            "21-08",
            "+021-08",
            "2021-08-01",
        ] {
            assert!(text.parse::<Month>().is_err(), "{text}");
        }
    }
}
