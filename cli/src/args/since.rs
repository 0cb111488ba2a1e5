//! The start of a period.

use std::str::FromStr;

use jiff::SignedDuration;
use shared::Timestamp;

use super::start_of_day_or_instant;

/// The start of a period: a day, an instant, or a distance from its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    /// An instant; for a day, its start in Paris.
    At(Timestamp),
    /// A time before the end of the period.
    Before(SignedDuration),
}

impl Since {
    /// Returns the start of the period that ends at `end`.
    pub fn start(self, end: Timestamp) -> Timestamp {
        match self {
            Self::At(start) => start,
            Self::Before(duration) => end.saturating_sub(duration).unwrap_or(Timestamp::MIN),
        }
    }
}

impl FromStr for Since {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(start) = start_of_day_or_instant(text) {
            return Ok(Self::At(start));
        }
        let duration = |number: &str, hours: u32| -> Option<SignedDuration> {
            let number: u16 = number.parse().ok()?;
            Some(SignedDuration::from_hours(
                i64::from(number) * i64::from(hours),
            ))
        };
        let parsed = match (text.strip_suffix('d'), text.strip_suffix('h')) {
            (Some(days), _) => duration(days, 24),
            (_, Some(hours)) => duration(hours, 1),
            _ => None,
        };
        parsed.map(Self::Before).ok_or_else(|| {
            "write a day such as 2021-07-19, an instant such as 2021-07-19T06:00:00Z, or a period \
             such as 7d or 36h"
                .to_owned()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn day_instant_and_period_are_accepted() {
        let end = "2021-08-02T05:00:00Z".parse().unwrap();
        for (text, start) in [
            ("2021-07-19T06:00:00Z", "2021-07-19T06:00:00Z"),
            ("2021-07-19T06:00:00+02:00", "2021-07-19T04:00:00Z"),
            // Midnight in Paris.
            ("2021-07-19", "2021-07-18T22:00:00Z"),
            ("7d", "2021-07-26T05:00:00Z"),
            ("36h", "2021-07-31T17:00:00Z"),
            ("0h", "2021-08-02T05:00:00Z"),
        ] {
            let since: Since = text.parse().unwrap();
            assert_eq!(since.start(end), start.parse().unwrap(), "{text}");
        }
    }

    #[test]
    fn other_texts_are_rejected_with_examples() {
        for text in [
            "",
            "7",
            "d",
            "-7d",
            "7 d",
            "7w",
            "2021-02-30",
            "2021-07-19T06:00:00",
            "99999d",
            "yesterday",
        ] {
            let error = text.parse::<Since>().unwrap_err();
            assert!(error.contains("7d"), "{text}: {error}");
        }
    }
}
