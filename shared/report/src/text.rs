//! Numbers, days and lists in plain English.

use std::fmt::Display;

use forecasting::{
    coverage::with_separators,
    time::{Day, Hour, Week},
};

/// The names of the weekdays, from Monday.
pub const WEEKDAYS: [&str; 7] = [
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
];

/// The names of the months, from January.
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// Formats a number of things with a comma after each group of three digits: `439,276`.
pub fn count(number: impl TryInto<i64>) -> String {
    let number = number.try_into().unwrap_or(i64::MAX);
    let sign = if number < 0 { "−" } else { "" };
    format!("{sign}{}", with_separators(number.unsigned_abs()))
}

/// Formats a measured number: `15.4`, and `1,204` from 100 on.
pub fn number(value: f64) -> String {
    if !value.is_finite() {
        return "–".to_owned();
    }
    if value.abs() >= 99.95 {
        return count(value.round() as i64);
    }
    decimals(value, 1)
}

/// Formats a number with a sign: `+2.3`, `−10.4`, and `0.0` for what rounds to zero.
pub fn signed(value: f64) -> String {
    with_sign(&number(value))
}

/// Formats a share as a percentage: 0.234 as `23 %`. Shares below 10 % have a decimal.
pub fn percent(share: f64) -> String {
    let value = share * 100.0;
    if !value.is_finite() {
        return "–".to_owned();
    }
    let digits = usize::from(value.abs() < 9.95);
    format!("{} %", decimals(value, digits))
}

/// Formats a relative change as a percentage with a sign: `+2.3 %`, `−35 %`.
pub fn signed_percent(share: f64) -> String {
    with_sign(&percent(share))
}

/// Formats a score of a drift test with three decimals, because 0.097 shown as 0.10 would
/// contradict a threshold of 0.1.
pub fn score(value: f64) -> String {
    decimals(value, 3)
}

/// Formats an error or a mean with its unit: `15.4 bicycles an hour`.
pub fn per_hour(value: f64) -> String {
    format!("{} bicycles an hour", number(value))
}

/// Formats a number of things with their name: `1 counter`, `56 counters`.
pub fn plural(number: usize, noun: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{} {noun}{ending}", count(number as i64))
}

/// Joins names: `a, b and c`.
pub fn list<T: Display>(names: &[T]) -> String {
    match names {
        [] => String::new(),
        [only] => only.to_string(),
        [first @ .., last] => {
            let first: Vec<_> = first.iter().map(ToString::to_string).collect();
            format!("{} and {last}", first.join(", "))
        }
    }
}

/// Joins at most `most` names, and tells the number of the others: `a, b and 3 more`.
pub fn short_list<T: Display>(names: &[T], most: usize) -> String {
    if names.len() <= most {
        return list(names);
    }
    let shown: Vec<_> = names.iter().take(most).map(ToString::to_string).collect();
    format!("{} and {} more", shown.join(", "), names.len() - most)
}

/// Formats a day: `2 August`.
pub fn day(day: Day) -> String {
    let date = day.date();
    format!("{} {}", date.day(), month(date.month()))
}

/// Formats a day with its weekday: `Mon 2`.
pub fn short_day(day: Day) -> String {
    format!("{} {}", short_weekday(weekday(day)), day.date().day())
}

/// Formats the hour of a week: `Sat 18:00`.
pub fn hour(hour: Hour) -> String {
    let local = hour.local();
    let weekday = usize::try_from(local.weekday()).unwrap_or_default();
    format!("{} {}:00", short_weekday(weekday), local.hour)
}

/// Formats a week: `week 31 of 2021`.
pub fn week(week: Week) -> String {
    let text = week.to_string();
    match text.split_once("-W") {
        Some((year, number)) => format!("week {} of {year}", number.trim_start_matches('0')),
        None => text,
    }
}

/// Formats the number of a week: `W31`.
pub fn short_week(week: Week) -> String {
    let text = week.to_string();
    text.split_once('-')
        .map_or_else(|| text.clone(), |(_, number)| number.to_owned())
}

/// Formats the days of a week: `2 to 8 August 2021`.
pub fn days(week: Week) -> String {
    let (first, last) = (week.first_day(), week.last_day());
    let (from, to) = (first.date(), last.date());
    if from.month() == to.month() {
        return format!("{} to {} {}", from.day(), day(last), to.year());
    }
    if from.year() == to.year() {
        return format!("{} to {} {}", day(first), day(last), to.year());
    }
    format!(
        "{} {} to {} {}",
        day(first),
        from.year(),
        day(last),
        to.year()
    )
}

/// Returns the weekday of a day, 0 for Monday.
pub fn weekday(day: Day) -> usize {
    usize::try_from(day.date().weekday().to_monday_zero_offset()).unwrap_or_default()
}

/// Returns the first three characters of a weekday, 0 for Monday.
pub fn short_weekday(weekday: usize) -> &'static str {
    WEEKDAYS.get(weekday).map_or("", |name| &name[..3])
}

/// Splits the name of a counter into its street and its direction: `1 rue A` and `NE-SO`.
pub fn direction(counter: &str) -> Option<(&str, &str)> {
    let (street, word) = counter.rsplit_once(' ')?;
    let is_direction = word.contains('-') && word.chars().all(|sign| "NSEO-".contains(sign));
    is_direction.then_some((street, word))
}

/// Capitalizes the first character of a sentence.
pub fn sentence(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| {
        first.to_uppercase().collect::<String>() + characters.as_str()
    })
}

/// Shortens a text to about `most` characters, at the end of a word, with an ellipsis.
pub fn shortened(text: &str, most: usize) -> String {
    let Some((end, _)) = text.char_indices().nth(most) else {
        return text.to_owned();
    };
    let start = &text[..end];
    let words = start.rsplit_once(' ').map_or(start, |(words, _)| words);
    format!("{}…", words.trim_end_matches([',', ';', ':']))
}

fn month(number: i8) -> &'static str {
    let position = usize::try_from(number - 1).unwrap_or_default();
    MONTHS.get(position).copied().unwrap_or_default()
}

/// Formats a number with a typographic minus, and without the minus of what rounds to zero.
fn decimals(value: f64, digits: usize) -> String {
    if !value.is_finite() {
        return "–".to_owned();
    }
    let text = format!("{:.digits$}", value.abs());
    let is_zero = text.chars().all(|digit| matches!(digit, '0' | '.'));
    if value < 0.0 && !is_zero {
        return format!("−{text}");
    }
    text
}

fn with_sign(text: &str) -> String {
    let has_sign = text.starts_with(['−', '–']);
    let is_zero = !text.contains(|digit: char| ('1'..='9').contains(&digit));
    if has_sign || is_zero {
        return text.to_owned();
    }
    format!("+{text}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_plain_english() {
        assert_eq!(count(439_276), "439,276");
        assert_eq!(count(-1_204), "−1,204");
        for (value, plain, with_sign) in [
            (15.42, "15.4", "+15.4"),
            (-0.04, "0.0", "0.0"),
            (-10.36, "−10.4", "−10.4"),
            (99.96, "100", "+100"),
            (1_203.7, "1,204", "+1,204"),
            (f64::NAN, "–", "–"),
        ] {
            assert_eq!(
                (number(value).as_str(), signed(value).as_str()),
                (plain, with_sign)
            );
        }
    }

    #[test]
    fn percentages_have_a_decimal_below_ten() {
        for (share, plain, with_sign) in [
            (0.234, "23 %", "+23 %"),
            (0.023, "2.3 %", "+2.3 %"),
            (-0.351, "−35 %", "−35 %"),
            (0.0996, "10 %", "+10 %"),
            (0.0, "0.0 %", "0.0 %"),
        ] {
            assert_eq!(
                (percent(share).as_str(), signed_percent(share).as_str()),
                (plain, with_sign)
            );
        }
        assert_eq!(score(0.097), "0.097");
    }

    #[test]
    fn days_of_a_week_name_a_month_once() {
        for (text, expected) in [
            ("2021-W31", "2 to 8 August 2021"),
            ("2021-W30", "26 July to 1 August 2021"),
            ("2020-W53", "28 December 2020 to 3 January 2021"),
        ] {
            assert_eq!(days(text.parse().unwrap()), expected);
        }
        let january: Week = "2021-W03".parse().unwrap();
        assert_eq!(
            (week(january).as_str(), short_week(january).as_str()),
            ("week 3 of 2021", "W03")
        );
        assert_eq!(short_day("2021-08-02".parse().unwrap()), "Mon 2");
    }

    #[test]
    fn lists_end_with_and() {
        assert_eq!(list(&["a", "b", "c"]), "a, b and c");
        assert_eq!(list(&["a"]), "a");
        assert_eq!(short_list(&["a", "b", "c"], 2), "a, b and 1 more");
        assert_eq!(sentence("élan"), "Élan");
        assert_eq!(direction("1 rue A NE-SO"), Some(("1 rue A", "NE-SO")));
        assert_eq!([direction("1 rue A"), direction("Pont-Neuf")], [None; 2]);
        assert_eq!(shortened("one two, three", 9), "one two…");
        assert_eq!(
            [shortened("a é", 3), shortened("abcdef", 3)],
            ["a é", "abc…"]
        );
        assert_eq!(
            (plural(1, "hour"), plural(1_204, "hour")),
            ("1 hour".to_owned(), "1,204 hours".to_owned())
        );
    }
}
