//! A point in time.

use forecasting::time::Day;
use shared::Timestamp;

/// Parses an instant, or a day, which stands for its start in Paris.
pub(crate) fn start_of_day_or_instant(text: &str) -> Result<Timestamp, String> {
    day_or_instant(text, 0)
}

/// Parses an instant, or a day, which stands for an hour of it in Paris.
pub(crate) fn day_or_instant(text: &str, hour: i8) -> Result<Timestamp, String> {
    // Without this check, a date with a time but without an offset would be read as a day.
    let is_day = text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'-');
    let parsed = if is_day {
        text.parse::<Day>().ok().map(|day| day.at(hour))
    } else {
        text.parse().ok()
    };
    parsed.ok_or_else(|| {
        "pass a day such as 2021-08-23, or an instant such as 2021-08-23T04:00:00Z".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn day_stands_for_an_hour_in_paris_and_instant_needs_an_offset() {
        for (text, hour, expected) in [
            ("2021-08-23", 6, "2021-08-23T04:00:00Z"),
            ("2021-01-04", 6, "2021-01-04T05:00:00Z"),
            ("2021-01-04", 0, "2021-01-03T23:00:00Z"),
            ("2021-08-23T12:30:00+02:00", 6, "2021-08-23T10:30:00Z"),
        ] {
            assert_eq!(
                day_or_instant(text, hour),
                Ok(expected.parse().unwrap()),
                "{text}"
            );
        }
        for text in ["2021-02-30", "2021-08-23T12:30:00", "tomorrow", ""] {
            let error = day_or_instant(text, 0).unwrap_err();
            assert!(error.contains("pass a day such as"), "{text}: {error}");
        }
    }
}
