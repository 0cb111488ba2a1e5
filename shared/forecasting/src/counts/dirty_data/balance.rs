//! Each row is a count, a duplicate or rejected, in files of other programs and in damaged files.

use jiff::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::{
    counts::{Export, read_export},
    time::Hour,
};

const NOW: &str = "2026-11-26T00:00:00Z";

/// Returns the lines as an editor shows them.
fn editor_lines(text: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(text).replace("\r\n", "\n");
    text.split(['\n', '\r']).map(str::to_owned).collect()
}

/// Reads an export and asserts that no row is missing in the summary, and that a rejected row has
/// the number that an editor shows.
fn balanced(text: &[u8]) -> (Export, Vec<Reject>) {
    let mut rejects = Vec::new();
    let now: Timestamp = NOW.parse().unwrap();
    let export = read_export(text, now, &mut rejects).unwrap();
    let lines = editor_lines(text);
    let rows = lines.iter().filter(|line| !line.is_empty()).count() as u64 - 1;
    assert_eq!(export.summary.rows, rows);
    for Reject { row, reason, text } in &rejects {
        let line = &lines[usize::try_from(*row).unwrap() - 1];
        if let RejectReason::FutureHour(hour) | RejectReason::IsolatedHour(hour) = reason {
            assert!(line.contains(&hour[..4]), "{row}: {line:?}, {hour}");
        } else {
            assert!(line.ends_with(text), "{row}: {line:?}, {text:?}");
        }
    }
    assert!(export.summary.is_balanced(), "{}", export.summary);
    assert_eq!(export.summary.counts, export.counts.len() as u64);
    assert_eq!(export.summary.rejected, rejects.len() as u64);
    (export, rejects)
}

/// Returns a row of the hour `hour` after 2021-07-19T00:00Z.
fn line(hour: i32, count: u32) -> String {
    let hour = Hour::from_number(451_848 + hour);
    format!("1;Quai;{count};{hour};48.8,2.3")
}

#[test]
fn unclosed_quote_rejects_one_row_of_72() {
    let mut lines: Vec<_> = (0..72).map(|hour| line(hour, 5)).collect();
    lines[26] = lines[26].replace("Quai", "\"Quai");
    for end in ["\n", "\r\n", "\r"] {
        let text = format!("{}{end}{}{end}", FRENCH.trim_end(), lines.join(end));
        let (export, rejects) = balanced(text.as_bytes());
        let expected = Reject {
            row: 28,
            reason: RejectReason::UnclosedQuote,
            text: lines[26].clone(),
        };
        assert_eq!((export.counts.len(), rejects), (71, vec![expected]));
    }
}

#[test]
fn unclosed_quote_does_not_hide_later_quoted_rows() {
    let text = format!(
        "{FRENCH}1;\"Quai;5;2021-07-19T00:00:00Z;\n1;\"Quai\";6;2021-07-19T01:00:00Z;\"48.8,2.3\"\n\"1;Quai;7;2021-07-19T02:00:00Z;\n1;Quai;8;2021-07-19T03:00:00Z;\n"
    );
    let (export, rejects) = balanced(text.as_bytes());
    assert_eq!(
        rows(&export.counts),
        expected(&[("2021-07-19T01:00:00Z", 6), ("2021-07-19T03:00:00Z", 8)])
    );
    let numbers: Vec<_> = rejects.iter().map(|reject| reject.row).collect();
    assert_eq!(numbers, [2, 4]);
}

#[test]
fn unclosed_quote_in_the_last_line_is_rejected() {
    for end in ["", "\n", "\r\n"] {
        let damaged = "1;Quai;5;2021-07-19T01:00:00Z;\"48.8,2.3";
        let text = format!("{FRENCH}{}\n{damaged}{end}", line(0, 5));
        let (export, rejects) = balanced(text.as_bytes());
        assert_eq!(export.counts.len(), 1);
        assert_eq!(rejects[0].reason, RejectReason::UnclosedQuote);
    }
}

#[test]
fn unclosed_quote_in_the_header_is_an_error() {
    let text = format!("\"{FRENCH}{}\n", line(0, 5));
    let error = read(text.as_bytes(), &mut Vec::new()).unwrap_err();
    assert!(error.to_string().contains("header"), "{error}");
}

#[test]
fn carriage_returns_within_a_file_separate_rows() {
    let text = format!("{FRENCH}{}\r{}\r{}\n", line(0, 5), line(1, 6), line(2, 7));
    let (export, rejects) = balanced(text.as_bytes());
    assert_eq!((export.counts.len(), rejects), (3, Vec::new()));
}

#[test]
fn row_with_an_empty_hour_is_rejected() {
    let text = format!("{FRENCH}1;Quai;5;;\n{}\n1;Quai;5;;\n", line(0, 5));
    let (export, rejects) = balanced(text.as_bytes());
    let reasons: Vec<_> = rejects.into_iter().map(|reject| reject.reason).collect();
    let invalid = RejectReason::InvalidHour(String::new());
    assert_eq!((export.counts.len(), reasons), (1, vec![invalid; 2]));
}

#[test]
fn numbers_of_french_programs_are_read() {
    let text = format!(
        "{FRENCH}1;Quai;155,0;2021-07-19T00:00:00Z;\n1;Quai;1\u{202f}234;2021-07-19T01:00:00Z;\n1;Quai;1,234;2021-07-19T02:00:00Z;\n"
    );
    let (export, rejects) = balanced(text.as_bytes());
    assert_eq!(
        rows(&export.counts),
        expected(&[
            ("2021-07-19T00:00:00Z", 155),
            ("2021-07-19T01:00:00Z", 1_234)
        ])
    );
    let ambiguous = RejectReason::AmbiguousCount("1,234".to_owned());
    assert_eq!(rejects[0].reason, ambiguous);
}

#[test]
fn coordinates_as_an_object_are_read_and_others_are_counted() {
    let text = format!(
        "{FRENCH}1;Quai;5;2021-07-19T00:00:00Z;\"{{\"\"lon\"\": 2.3, \"\"lat\"\": 48.8}}\"\n4;Parc;9;2021-07-19T00:00:00Z;{{\"lon\": 2.4, \"lat\": 48.9}}\n2;Pont;6;2021-07-19T00:00:00Z;near the river\n2;Pont;7;2021-07-19T01:00:00Z;near the river\n3;Rue;8;2021-07-19T00:00:00Z;nan\n"
    );
    let (export, rejects) = balanced(text.as_bytes());
    let coordinates: Vec<_> = export
        .counts
        .counters()
        .iter()
        .map(|counter| counter.coordinates)
        .collect();
    let read = [Coordinates::new(48.8, 2.3), Coordinates::new(48.9, 2.4)];
    assert_eq!(coordinates, [&read[..], &[None, None]].concat());
    let summary = &export.summary;
    assert_eq!((summary.unreadable_coordinates, rejects.len()), (2, 0));
    assert_eq!(
        summary.unreadable_example.as_deref(),
        Some("near the river")
    );
    assert_eq!(
        summary.notes(),
        [
            "2 rows have coordinates that cannot be parsed, such as `near the river`; their counts are used"
        ]
    );
}

#[test]
fn row_of_2031_is_rejected_with_its_row_number() {
    let mut lines: Vec<_> = (0..1_440).map(|hour| line(hour, 5)).collect();
    lines.insert(
        2,
        "9;\"Broken clock\";many;2021-07-19T00:00:00Z;".to_owned(),
    );
    lines.insert(5, "9;Broken clock;3;2031-07-19T00:00:00Z;".to_owned());
    let (export, rejects) = balanced(format!("{FRENCH}{}\n", lines.join("\n")).as_bytes());
    let (first, last) = export.counts.period().unwrap();
    assert_eq!(first.to_string(), "2021-07-19T00:00:00Z");
    assert_eq!(last.to_string(), "2021-09-16T23:00:00Z");
    assert_eq!(export.counts.counters().len(), 1);
    assert_eq!(rejects.len(), 2);
    let expected = Reject {
        row: 7,
        reason: RejectReason::FutureHour("2031-07-19T00:00:00Z".to_owned()),
        text: "9;Broken clock;3;2031-07-19T00:00:00Z".to_owned(),
    };
    assert_eq!(rejects[1], expected);
}

#[test]
fn row_numbers_count_empty_lines() {
    let many = "1;Quai;many;2021-07-19T00:00:00Z;";
    let quote = "1;\"Quai;5;2021-07-19T00:00:00Z;";
    let future = "1;Quai;3;2031-07-19T00:00:00Z;";
    let (first, second) = (line(0, 5), line(1, 5));
    let lines = [
        "",
        FRENCH.trim_end(),
        "",
        many,
        first.as_str(),
        "",
        "",
        quote,
        "",
        many,
        future,
        "",
        second.as_str(),
        many,
    ];
    for end in ["\n", "\r\n", "\r"] {
        let (export, rejects) = balanced(lines.join(end).as_bytes());
        let mut numbers: Vec<_> = rejects.iter().map(|reject| reject.row).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, [4, 8, 10, 11, 14], "{end:?}");
        assert_eq!((export.counts.len(), export.summary.rows), (2, 7));
    }
}

#[test]
fn row_numbers_count_empty_lines_of_a_large_file() {
    // Half a megabyte, of all kinds of lines.
    let text: String = (0..25_000)
        .map(|number| match number % 7 {
            0 => "\n".to_owned(),
            1 => "\r\n".to_owned(),
            2 if number % 3 == 0 => format!("1;\"Quai;{number};\n"),
            2 => format!("1;Quai;many {number};2021-07-19T00:00:00Z;\r\n"),
            _ => format!("{}\n", line(number, 5)),
        })
        .collect();
    let (export, rejects) = balanced(format!("{FRENCH}{text}").as_bytes());
    assert_eq!(rejects.len() as u64, export.summary.rejected);
    assert!(rejects.len() > 3_000, "{}", rejects.len());
}

#[test]
fn row_of_a_past_year_far_from_the_rest_is_rejected() {
    let mut lines: Vec<_> = (0..1_440).map(|hour| line(hour, 5)).collect();
    lines.push("1;Quai;3;2012-07-19T00:00:00Z;".to_owned());
    let (export, rejects) = balanced(format!("{FRENCH}{}\n", lines.join("\n")).as_bytes());
    assert_eq!((export.counts.len(), rejects.len()), (1_440, 1));
    let isolated = RejectReason::IsolatedHour("2012-07-19T00:00:00Z".to_owned());
    assert_eq!((rejects[0].row, &rejects[0].reason), (1_442, &isolated));
}

#[test]
fn counters_of_one_name_are_named_in_the_summary() {
    let text =
        format!("{FRENCH}111;Quai;30;2021-07-19T00:00:00Z;\n222;Quai;10;2021-07-19T00:00:00Z;\n");
    let (export, _) = balanced(text.as_bytes());
    assert_eq!(export.summary.counts, 2);
    assert_eq!(
        export.summary.separated_counters,
        ["Quai (111)", "Quai (222)"]
    );
}

/// A line of a damaged file.
#[derive(Clone, Debug)]
enum Line {
    /// A row that must be read unchanged.
    Valid,
    /// A line that must be rejected or ignored, and must not affect others.
    Damaged(String),
}

fn any_line() -> impl Strategy<Value = Line> {
    let damaged = prop_oneof![
        // Without digits, no line is a count.
        "[a-zé\";,' {}]{0,30}",
        Just("1;\"Quai;5;2021-07-19T00:00:00Z;".to_owned()),
        Just("1;Quai;5;2021-07-19T00:00:00Z;\"\"\"".to_owned()),
        Just("1;Quai;5;19/07/2021 00:00;".to_owned()),
        Just("1;Quai;5;2031-07-19T00:00:00Z;".to_owned()),
        Just("1;Quai;5;2021-03-28 02:00;".to_owned()),
        Just("1;Quai;5,5;2021-07-19T00:00:00Z;".to_owned()),
        Just("1;Quai;-5;2021-07-19T00:00:00Z;".to_owned()),
        Just("1;;5;2021-07-19T00:00:00Z;".to_owned()),
        Just("1;Quai;5".to_owned()),
        Just("\"".to_owned()),
        Just("\u{feff}".to_owned()),
    ];
    prop_oneof![Just(Line::Valid), damaged.prop_map(Line::Damaged)]
}

proptest! {
    #[test]
    fn damaged_lines_do_not_affect_valid_rows(
        lines in proptest::collection::vec((any_line(), prop_oneof![Just("\n"), Just("\r\n"), Just("\r")]), 0..60),
        header_end in prop_oneof![Just("\n"), Just("\r\n"), Just("\r")],
    ) {
        let mut text = format!("{}{header_end}", FRENCH.trim_end());
        let mut valid = Vec::new();
        for (number, (kind, end)) in (0..).zip(lines) {
            match kind {
                Line::Valid => {
                    text.push_str(&line(number, number as u32));
                    let hour = Hour::from_number(451_848 + number);
                    valid.push((hour.to_string(), number as u32));
                }
                Line::Damaged(damaged) => text.push_str(&damaged),
            }
            text.push_str(end);
        }
        let (export, _) = balanced(text.as_bytes());
        prop_assert_eq!(rows(&export.counts), valid);
        prop_assert_eq!(export.summary.duplicates, 0);
    }

    #[test]
    fn any_text_is_balanced(text in "[0-9a-z\";, \r\n:TZ./-]{0,400}") {
        balanced(format!("{FRENCH}{text}").as_bytes());
    }
}
