//! The parser of hours in every format that the exports use.

use std::ops::RangeInclusive;

use jiff::{
    civil::DateTime,
    tz::{AmbiguousOffset, Offset},
};

use super::reject::RejectReason;
use crate::time::{Day, Hour, paris};

/// The years of plausible counts; the first counters date from the 2010s.
///
/// A single row with a wrong year would extend every hourly table by all the hours in between.
const PLAUSIBLE_YEARS: RangeInclusive<i16> = 2010..=2049;

/// Parses the start of an hour.
///
/// Accepts `2021-07-19T00:00:00+02:00` and these variants: a space instead of `T`, an offset of the
/// form `+0200`, ` +0100`, `Z` or ` UTC`, and no offset. Text without an offset is local time in
/// Paris, as with the annotation `[Europe/Paris]`. There, a repeated hour means its second
/// occurrence (winter time), because the city's exports omit the first.
///
/// # Errors
/// - Returns [`RejectReason::SkippedHour`] for a local hour that the change to summer time skips.
/// - Returns [`RejectReason::InvalidHour`] for any other text.
/// - Returns [`RejectReason::NotOnTheHour`] if the time is not on the hour.
/// - Returns [`RejectReason::HourOutOfRange`] for years in Paris before 2010 and after 2049.
pub fn parse_hour(text: &str) -> Result<Hour, RejectReason> {
    parse(text).map(|parsed| parsed.hour)
}

/// A parsed hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ParsedHour {
    pub(super) hour: Hour,
    /// `true` if the text has no offset and the local hour occurs twice.
    pub(super) is_repeated: bool,
}

/// Parses the start of an hour as [`parse_hour`] does.
pub(super) fn parse(text: &str) -> Result<ParsedHour, RejectReason> {
    let text = text.trim();
    let bad = || RejectReason::InvalidHour(text.to_owned());
    // The parser of a civil time ignores the annotations of other zones.
    let annotated = text.strip_suffix("[Europe/Paris]").unwrap_or(text);
    let separator = annotated.as_bytes().get(10).copied().ok_or_else(bad)?;
    if !matches!(separator, b'T' | b't' | b' ') || annotated.contains('[') {
        return Err(bad());
    }
    let clock_end = annotated[10..].find(['+', '-', 'Z', 'z', 'U']);
    let (civil, zone) = clock_end.map_or((annotated, ""), |at| annotated.split_at(10 + at));
    let civil: DateTime = civil
        .trim_end()
        .replacen(' ', "T", 1)
        .parse()
        .map_err(|_| bad())?;
    let (offset, is_repeated) = if zone.is_empty() {
        match paris().to_ambiguous_timestamp(civil).offset() {
            AmbiguousOffset::Unambiguous { offset } => (offset, false),
            AmbiguousOffset::Fold { after, .. } => (after, true),
            AmbiguousOffset::Gap { .. } => return Err(RejectReason::SkippedHour(text.to_owned())),
        }
    } else {
        (offset(zone).ok_or_else(bad)?, false)
    };
    let timestamp = offset.to_timestamp(civil).map_err(|_| bad())?;
    // The year in Paris does not depend on the offset in which the hour is written.
    if !PLAUSIBLE_YEARS.contains(&Day::of(timestamp).date().year()) {
        return Err(RejectReason::HourOutOfRange(text.to_owned()));
    }
    let hour =
        Hour::starting_at(timestamp).ok_or_else(|| RejectReason::NotOnTheHour(text.to_owned()))?;
    Ok(ParsedHour { hour, is_repeated })
}

fn offset(zone: &str) -> Option<Offset> {
    if matches!(zone, "Z" | "z" | "UTC") {
        return Some(Offset::UTC);
    }
    let (sign, digits) = zone.split_at_checked(1)?;
    let digits = digits.replacen(':', "", 1);
    if !matches!(digits.len(), 2 | 4) || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let hours: i32 = digits[..2].parse().ok()?;
    let minutes: i32 = digits
        .get(2..)
        .filter(|rest| !rest.is_empty())
        .map_or(Ok(0), str::parse)
        .ok()?;
    let seconds = (hours * 60 + minutes) * 60;
    Offset::from_seconds(if sign == "-" { -seconds } else { seconds })
        .ok()
        .filter(|_| minutes < 60)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hour(text: &str) -> Hour {
        Hour::starting_at(text.parse().unwrap()).unwrap()
    }

    #[test]
    fn known_formats_are_parsed() {
        let rows = [
            ("2021-07-19T00:00:00+02:00", "2021-07-18T22:00:00Z"),
            ("2020-12-01T05:00:00+01:00", "2020-12-01T04:00:00Z"),
            ("2025-10-11 05:00:00 UTC", "2025-10-11T05:00:00Z"),
            ("2025-12-31T12:00:00+00:00", "2025-12-31T12:00:00Z"),
            ("2025-12-31T12:00:00Z", "2025-12-31T12:00:00Z"),
            ("2019-01-05 17:00:00 +0100", "2019-01-05T16:00:00Z"),
            ("2019-01-05T17:00:00 +01:00", "2019-01-05T16:00:00Z"),
            ("2018-07-05 17:00", "2018-07-05T15:00:00Z"),
            ("2018-01-05T17:00:00", "2018-01-05T16:00:00Z"),
            ("2018-01-05T17:00:00.000", "2018-01-05T16:00:00Z"),
            (" 2021-07-19 00:00:00-0300 ", "2021-07-19T03:00:00Z"),
            ("2021-07-19T00:00:00[Europe/Paris]", "2021-07-18T22:00:00Z"),
            (
                "2021-07-19T00:00:00+02:00[Europe/Paris]",
                "2021-07-18T22:00:00Z",
            ),
            // Local time 02:00 occurs twice on this day. Without an offset, it is the second.
            ("2020-10-25T02:00:00", "2020-10-25T01:00:00Z"),
            ("2020-10-25T02:00:00+01:00", "2020-10-25T01:00:00Z"),
            // The first and the last hour of the plausible years in Paris.
            ("2009-12-31T23:00:00Z", "2009-12-31T23:00:00Z"),
            ("2049-12-31T22:00:00Z", "2049-12-31T22:00:00Z"),
        ];
        for (text, expected) in rows {
            assert_eq!(parse_hour(text), Ok(hour(expected)), "{text}");
        }
    }

    #[test]
    fn invalid_hours_are_rejected() {
        for text in [
            "",
            "yesterday",
            "2021-02-30T00:00:00+01:00",
            "2021-07-19",
            "19/07/2021 00:00",
            "2021-07-19T25:00:00Z",
            "2021-07-19T00:00:00+02:75",
            "2021-07-19T00:00:00+2",
            "2021-07-19T00:00:00[America/Chicago]",
            "2021-07-19T00:00:00[u-ca=hebrew]",
            "2021-07-19é00:00",
        ] {
            assert!(
                matches!(parse_hour(text), Err(RejectReason::InvalidHour(_))),
                "{text}"
            );
        }
        assert!(matches!(
            parse_hour("2021-07-19T00:30:00Z"),
            Err(RejectReason::NotOnTheHour(_))
        ));
        for text in ["2021-03-28 02:00", "2021-03-28T02:00:00"] {
            let skipped = RejectReason::SkippedHour(text.to_owned());
            assert_eq!(parse_hour(text), Err(skipped));
        }
        for text in [
            "1021-07-19T00:00:00Z",
            "2010-01-01T00:00:00+02:00",
            "2049-12-31T23:00:00Z",
        ] {
            assert!(
                matches!(parse_hour(text), Err(RejectReason::HourOutOfRange(_))),
                "{text}"
            );
        }
    }

    proptest! {
        #[test]
        fn parse_hour_never_panics(text in "\\PC*") {
            let _ = parse_hour(&text);
        }

        #[test]
        fn formatted_hour_is_parsed_unchanged(number in 351_000..700_000_i32, offset in -12..=14_i8) {
            let hour = Hour::from_number(number);
            let zone = jiff::tz::TimeZone::fixed(jiff::tz::offset(offset));
            let text = hour.timestamp().to_zoned_datetime(zone).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string();
            prop_assert_eq!(parse_hour(&text), Ok(hour));
        }
    }
}
