//! The parser of counts.

use super::{MAXIMUM_COUNT, encoding::decode, reject::RejectReason};

/// Parses a count: digits, optionally with a zero fraction (`155.0`, `155,0`) or in groups of three
/// (`1 234`).
///
/// # Errors
/// Rejects fractions, other text, and numbers that are a thousand times as large in another
/// country, such as `1.234`.
pub(super) fn parse_count(field: &[u8]) -> Result<u32, RejectReason> {
    // Fast path: nearly all counts have at most four digits.
    if (1..=4).contains(&field.len()) && field.iter().all(u8::is_ascii_digit) {
        return Ok(field
            .iter()
            .fold(0, |count, digit| count * 10 + u32::from(digit - b'0')));
    }
    let text = decode(field);
    let text = text.trim();
    if text.is_empty() {
        return Err(RejectReason::MissingCount);
    }
    let bad = || RejectReason::InvalidCount(text.to_owned());
    let number = match text.parse::<i64>() {
        Ok(number) => number,
        Err(_) if text.contains(['e', 'E']) => {
            whole(text.parse().map_err(|_| bad())?).ok_or_else(bad)?
        }
        Err(_) => with_separators(text)?,
    };
    let count = u32::try_from(number)
        .ok()
        .filter(|count| *count <= MAXIMUM_COUNT);
    count.ok_or_else(|| RejectReason::CountOutOfRange(text.to_owned()))
}

fn whole(number: f64) -> Option<i64> {
    // The cast saturates, but only for numbers far above the maximum count.
    (number.is_finite() && number.fract() == 0.0).then_some(number as i64)
}

/// Parses a number with a decimal separator or with spaces between groups of three digits.
fn with_separators(text: &str) -> Result<i64, RejectReason> {
    let (sign, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (-1_i64, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, fraction) = unsigned.split_once(['.', ',']).unwrap_or((unsigned, ""));
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let groups: Vec<&str> = whole.split(is_group_separator).collect();
    let digits = groups.concat();
    let is_grouped = groups.len() > 1;
    let is_complete = !is_grouped
        || (groups[0].len() <= 3
            && !groups[0].is_empty()
            && groups[1..].iter().all(|group| group.len() == 3));
    if digits.is_empty() || !is_complete || !is_digits(&digits) || !is_digits(fraction) {
        return Err(RejectReason::InvalidCount(text.to_owned()));
    }
    let is_zero = digits.bytes().all(|digit| digit == b'0');
    if fraction.len() == 3 && digits.len() <= 3 && !is_zero {
        return Err(RejectReason::AmbiguousCount(text.to_owned()));
    }
    if fraction.bytes().any(|digit| digit != b'0') {
        return Err(RejectReason::InvalidCount(text.to_owned()));
    }
    // Only an overflow can fail, which is out of range as well.
    Ok(sign * digits.parse().unwrap_or(i64::MAX))
}

/// Returns `true` for the spaces that French, Scandinavian and Swiss programs write between groups.
const fn is_group_separator(character: char) -> bool {
    matches!(
        character,
        ' ' | '\u{a0}' | '\u{2007}' | '\u{2009}' | '\u{202f}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_other_programs_are_read_whole() {
        let numbers = [
            ("155", 155),
            ("155.0", 155),
            ("155,0", 155),
            ("155,00", 155),
            ("155.", 155),
            ("+7.0", 7),
            ("0.000", 0),
            ("12345.000", 12_345),
            ("1 234", 1_234),
            ("1\u{a0}234", 1_234),
            ("1\u{202f}234,0", 1_234),
            ("11 234", 11_234),
            ("1.5e1", 15),
            (" 12 ", 12),
        ];
        for (text, count) in numbers {
            assert_eq!(parse_count(text.as_bytes()), Ok(count), "{text}");
        }
        // A no-break space in cp1252.
        assert_eq!(parse_count(b"1\xa0234"), Ok(1_234));
    }

    #[test]
    fn numbers_with_two_meanings_are_rejected() {
        for text in ["1.234", "1,234", "12,000", "1.000"] {
            assert_eq!(
                parse_count(text.as_bytes()),
                Err(RejectReason::AmbiguousCount(text.to_owned()))
            );
        }
    }

    #[test]
    fn fractions_and_other_text_are_rejected() {
        let texts = [
            "1.5",
            "1,5",
            "155,5",
            "1 23",
            "1 2345",
            "1234 567",
            " 1  234",
            ".",
            ",0",
            "1,234.0",
            "1.234,0",
            "NaN",
            "inf",
            "0x10",
            "1e",
            "--1",
            "1 234 abc",
            "many",
        ];
        for text in texts {
            assert_eq!(
                parse_count(text.as_bytes()),
                Err(RejectReason::InvalidCount(text.trim().to_owned())),
                "{text}"
            );
        }
        for text in [
            "-1",
            "-1.0",
            "50001",
            "1e12",
            "99999999999999999999",
            "50 001",
        ] {
            assert_eq!(
                parse_count(text.as_bytes()),
                Err(RejectReason::CountOutOfRange(text.to_owned())),
                "{text}"
            );
        }
    }
}
